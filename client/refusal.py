"""What a refused call says, as one typed error."""

from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from fairslot.assignment.v1.assignment_pb2 import Alternatives
from fairslot.matching.v1.matching_pb2 import Candidate
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DETAILS_KEY = "grpc-status-details-bin"
NANOS_PER_SECOND = 1_000_000_000

# After these nobody knows whether the write happened; only the same key may be sent again.
UNKNOWN_OUTCOME_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)

# ABORTED, yet the same call with the same key is the right next step.
REPEATABLE_REASONS = frozenset({"REQUEST_IN_PROGRESS", "CONCURRENT_UPDATE"})
REPEATABLE_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


@dataclass
class Refusal(Exception):
    """A call that was refused, or whose answer did not arrive.

    `reason` is a bare word of the contract (SLOT_TAKEN), or the code's name where the gateway
    itself refused. `alternatives` are the fresh candidates that a SLOT_TAKEN carries.
    """

    reason: str
    code: grpc.StatusCode
    message: str
    metadata: dict[str, str]
    violations: tuple[tuple[str, str], ...] = ()
    alternatives: tuple[Candidate, ...] = ()
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    @property
    def repeatable(self) -> bool:
        """Whether the same call with the same idempotency key may be sent again."""
        return self.code in REPEATABLE_CODES or self.reason in REPEATABLE_REASONS

    @property
    def outcome_unknown(self) -> bool:
        """Whether the write may have happened all the same."""
        return self.code in UNKNOWN_OUTCOME_CODES or self.reason in REPEATABLE_REASONS

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> "Refusal":
        """Reads the details of a failed call."""
        status = status_of(error.trailing_metadata() or ())
        refusal = cls(error.code().name, error.code(), error.details() or "", {})
        for detail in status.details:
            refusal.take(detail)
        return refusal

    def take(self, detail: Packed) -> None:
        """Takes in one detail; unknown ones are left alone."""
        info, bad, retry, choices = ErrorInfo(), BadRequest(), RetryInfo(), Alternatives()
        if detail.Unpack(info):
            self.reason = info.reason
            self.metadata = dict(info.metadata)
        elif detail.Unpack(bad):
            self.violations = tuple((v.field, v.description) for v in bad.field_violations)
        elif detail.Unpack(retry):
            delay = retry.retry_delay
            self.retry_after_seconds = delay.seconds + delay.nanos / NANOS_PER_SECOND
        elif detail.Unpack(choices):
            self.alternatives = tuple(choices.candidates)


def status_of(trailers: Iterable[tuple[str, str | bytes]]) -> Status:
    """Finds the rich status among the trailers; empty where there is none or a broken one."""
    for key, value in trailers:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()
