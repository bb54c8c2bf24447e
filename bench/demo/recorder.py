"""Writes every call down as it ends, and turns them into a history afterwards."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fairslot.assignment.v1 import assignment_pb2 as ledger
from google.protobuf.timestamp_pb2 import Timestamp

from bench.history import Op, Outcome
from client import Call, Observer

# A hold is counted on until this long before the server says that it ends.
EXPIRY_MARGIN_SECONDS = 0.05
SECONDS_PER_MINUTE = 60
PERCENTILES = 100
MILLISECONDS = 1000


class Recorder:
    """Keeps calls as they are: turning them into operations can wait until the race is over."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, Call]] = []
        # What to add to the driver's clock to get the time of day; both run on this machine.
        self._epoch = time.time() - time.monotonic()

    def observer(self, process: int) -> Observer:
        """Returns what writes down the calls of one client."""

        def observe(call: Call) -> None:
            self._calls.append((process, call))

        return observe

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Returns p50 and p99 of each RPC, retries included."""
        taken: dict[str, list[float]] = defaultdict(list)
        for _, call in self._calls:
            taken[call.method].append(call.completed_seconds - call.invoked_seconds)
        return {rpc: percentiles(seconds) for rpc, seconds in sorted(taken.items())}

    def history(self) -> list[Op]:
        """Turns the calls into operations."""
        translator = Translator(self._epoch)
        # Confirmations name their hold by its token, so holds come first.
        ordered = sorted(self._calls, key=lambda pair: pair[1].method != "PlaceHold")
        return [translator.op(process, call) for process, call in ordered]


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """Returns p50 and p99 in milliseconds."""
    values = sorted(seconds)
    if len(values) == 1:
        values *= 2
    cuts = statistics.quantiles(values, n=PERCENTILES, method="inclusive")
    return {
        "p50": round(cuts[49] * MILLISECONDS, 2),
        "p99": round(cuts[98] * MILLISECONDS, 2),
        "max": round(values[-1] * MILLISECONDS, 2),
    }


class Translator:
    """Reads what a call was about out of its messages."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._held_by_token: dict[str, str] = {}

    def op(self, process: int, call: Call) -> Op:
        """Turns one call into one operation."""
        request: Any = call.request
        more = self._details(call.method, request, call.reply)
        key = request.request_id if "request_id" in request.DESCRIPTOR.fields_by_name else ""
        return Op(
            process=process,
            rpc=call.method,
            key=key,
            params=request.SerializeToString(deterministic=True),
            invoked=call.invoked_seconds,
            completed=call.completed_seconds,
            outcome=outcome_of(call),
            reason=call.refusal.reason if call.refusal else "",
            response=call.reply,
            **more,
        )

    def _details(self, rpc: str, request: Any, reply: bytes) -> Mapping[str, Any]:
        if rpc == "PlaceHold":
            return self._held(request, reply)
        if rpc == "ConfirmHold":
            about = {"allocation_id": self._held_by_token.get(request.hold_token, "")}
            return {**about, **assigned(ledger.ConfirmHoldResponse, reply)}
        if rpc == "Assign":
            about = {"booking_request_id": request.booking_request_id}
            return {**about, **assigned(ledger.AssignResponse, reply)}
        if rpc == "ReleaseHold":
            return {"allocation_id": self._held_by_token.get(request.hold_token, "")}
        if rpc == "CancelAssignment":
            return {"allocation_id": request.assignment_id}
        if rpc == "GetAssignment":
            return {"allocation_id": request.id}
        return {}

    def _held(self, request: Any, reply: bytes) -> Mapping[str, Any]:
        about = {"booking_request_id": request.booking_request_id}
        if not reply:
            return about
        hold = ledger.PlaceHoldResponse.FromString(reply).hold
        self._held_by_token[hold.token] = hold.id
        expires = hold.expires_at.ToNanoseconds() / 1e9
        return {
            **about,
            "allocation_id": hold.id,
            "resource_ids": tuple(hold.resource_ids),
            "start": minute(hold.start),
            "end": minute(hold.end),
            "expires": expires - self._epoch - EXPIRY_MARGIN_SECONDS,
        }


def assigned(reply_type: Any, reply: bytes) -> Mapping[str, Any]:
    """Reads an assignment out of the bytes of a reply; nothing if there is none."""
    if not reply:
        return {}
    assignment = reply_type.FromString(reply).assignment
    occupied = assignment.occupied
    return {
        "booking_request_id": assignment.booking_request_id,
        "allocation_id": assignment.id,
        "resource_ids": tuple(assignment.resource_ids),
        "start": minute(assignment.start),
        "end": minute(assignment.end),
        "taken": (minute(occupied.start_time), minute(occupied.end_time)),
    }


def minute(moment: Timestamp) -> int:
    """Tells a whole minute since the epoch."""
    return moment.seconds // SECONDS_PER_MINUTE


def outcome_of(call: Call) -> Outcome:
    """Says what the caller can know of the call's effect."""
    if call.refusal is None:
        return Outcome.OK
    return Outcome.INFO if call.refusal.outcome_unknown else Outcome.FAIL
