"""Says the ledger's refusals as faults, with what could be had instead attached."""

from collections.abc import Awaitable
from typing import TypeVar

from fairslot.assignment.v1 import assignment_pb2
from fairslot.matching.v1 import matching_pb2

from kit.call import current_caller
from kit.fault import Conflict, Exists, Fault, NotFound, Refused
from services.assignment.domain import Candidate, LedgerRefused, Refusal
from services.assignment.peers.moments import timestamp
from services.assignment.rules import sentence, short

# Everything a refusal says must fit in trailers of 4 KB, in base64.
ALTERNATIVES_BYTES_MAX = 2_000
KINDS: dict[str, type[Fault]] = {
    "SLOT_TAKEN": Conflict,
    "STALE_ETAG": Conflict,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": Exists,
}
# Who may know by whom a time was taken; others learn that it was.
TOLD_WHO = frozenset({"planner", "admin"})

Answer = TypeVar("Answer")


async def answered(work: Awaitable[Answer]) -> Answer:
    """Returns what `work` gives; a refusal of the ledger is raised as a fault."""
    try:
        return await work
    except LedgerRefused as refused:
        raise fault_of(refused.refusal) from refused


def fault_of(refusal: Refusal) -> Fault:
    """Returns a refusal as a fault. The same refusal gives the same bytes every time."""
    kind = KINDS.get(refusal.reason, Refused)
    details = [alternatives(refusal.alternatives)] if refusal.alternatives else []
    fault = kind(refusal.reason, sentence(refusal), details=details)
    fault.metadata = {
        key: short(value)
        for key, value in refusal.metadata.items()
        if key != "taken_by" or current_caller().roles & TOLD_WHO
    }
    return fault


def alternatives(candidates: tuple[Candidate, ...]) -> assignment_pb2.Alternatives:
    """Returns as many candidates as fit, best first."""
    message = assignment_pb2.Alternatives()
    for candidate in candidates:
        message.candidates.append(
            matching_pb2.Candidate(
                resource_ids=candidate.resource_ids,
                start=timestamp(candidate.slot.start),
                end=timestamp(candidate.slot.end),
                match_percent=candidate.match_percent,
                explanation=candidate.explanation,
            )
        )
        if message.ByteSize() > ALTERNATIVES_BYTES_MAX:
            del message.candidates[-1]
            break
    return message
