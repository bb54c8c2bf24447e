"""The ledger's decisions that need nothing but their arguments."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.assignment.domain import (
    CheckedPlan,
    Checks,
    Merge,
    Part,
    Refusal,
    Risk,
    Span,
    Verdict,
)

# What only the ledger's own transaction can answer: whoever asked availability may be behind.
LEDGERS_BUSINESS = frozenset({"BUSY", "HELD", "BUFFER", "DAY_LIMIT", "WEEK_LIMIT", "MINUTES_LIMIT"})
# What keeps a resource from a slot without anybody having taken its time: if it comes up under a
# plan that was placed before, that plan is at risk.
RISKS = frozenset(
    {
        "INACTIVE",
        "NOT_QUALIFIED",
        "SKILL_EXPIRED",
        "OUTSIDE_HOURS",
        "HOLIDAY",
        "CLOSED",
        "TIME_OFF",
        "BREAK",
        "SPLIT_BY_BREAK",
        "EXTERNAL_BUSY",
    }
)
# Obstacles that have a reason of their own, in the order in which they are told; the rest is
# NOT_AVAILABLE.
REASONS_BY_OBSTACLE = (
    ("NOT_QUALIFIED", "NOT_QUALIFIED"),
    ("SKILL_EXPIRED", "NOT_QUALIFIED"),
    ("PARTY_TOO_LARGE", "PARTY_TOO_LARGE"),
    ("PARTY_TOO_SMALL", "PARTY_TOO_SMALL"),
)
# Where no resource could be picked: the reason nearest to a yes is told.
NEAREST_FIRST = ("NOT_AVAILABLE", "PARTY_TOO_SMALL", "PARTY_TOO_LARGE", "NOT_QUALIFIED")
DEFAULT_WINDOW = timedelta(days=30)
SECRET_CHARS = 32
# Of what a caller sent, no more than this is said back: refusals travel in trailers.
SAID_CHARS_MAX = 160


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """What a tenant allows of holds."""

    ttl_seconds_min: float = 60.0
    ttl_seconds_max: float = 120.0
    ttl_seconds: float = 90.0
    live_holds_per_customer: int = 5
    extensions_max: int = 2


def hold_seconds(asked: timedelta | None, limits: HoldLimits) -> float:
    """Returns how long a hold lives: what was asked, kept within the tenant's limits."""
    seconds = limits.ttl_seconds if asked is None else asked.total_seconds()
    return max(limits.ttl_seconds_min, min(limits.ttl_seconds_max, seconds))


def window_of(start: datetime | None, end: datetime | None, *, now: datetime) -> Span:
    """Returns the window meant: a missing start is now, a missing end 30 days after the start."""
    first = now if start is None else start
    return Span(first, first + DEFAULT_WINDOW if end is None else end)


def refusal_of_plan(verdicts: Iterable[Verdict]) -> Refusal | None:
    """Returns why a plan cannot be taken, as far as that is not for the ledger to say."""
    for verdict in verdicts:
        found = tuple(o for o in verdict.obstacles if o.code not in LEDGERS_BUSINESS)
        if found:
            codes = [obstacle.code for obstacle in found]
            metadata = {
                "resource_id": verdict.resource_id,
                "obstacles": ",".join(codes),
                "detail": "; ".join(o.detail for o in found if o.detail),
                "blocking_id": next((o.blocking_id for o in found if o.blocking_id), ""),
            }
            return Refusal(reason_of(codes), {k: v for k, v in metadata.items() if v})
    return None


def refusal_of_merge(merge: Merge, party: int) -> Refusal | None:
    """Returns why resources cannot serve a party together: the ledger's own look at the whole plan,
    whoever proposed it.
    """
    parts = merge.parts
    fixed = next((one for one in parts if not one.movable), None)
    if fixed is not None:
        return _no_merge("NOT_MOVABLE", fixed.resource_id, "it cannot be moved to join others")
    other = next((one for one in parts if one.zone != parts[0].zone), None)
    if other is not None:
        where = f"it stands in {other.zone or 'no zone'}, not in {parts[0].zone or 'no zone'}"
        return _no_merge("ZONE_SPLIT", other.resource_id, where)
    if merge.size_max and len(parts) > merge.size_max:
        return _no_merge("NOT_ADJACENT", "", f"at most {merge.size_max} may be put together")
    apart = _unreached(parts)
    if apart is not None:
        return _no_merge("NOT_ADJACENT", apart.resource_id, "it stands beside none of the others")
    seats = sum(one.capacity_max for one in parts) - merge.seat_loss_per_joint * (len(parts) - 1)
    if party > seats and all(one.capacity_max for one in parts):
        return _no_merge("PARTY_TOO_LARGE", "", f"together they take at most {seats}, not {party}")
    return None


def _no_merge(reason: str, resource_id: str, detail: str) -> Refusal:
    about = {"resource_id": resource_id, "detail": detail}
    return Refusal(reason, {key: value for key, value in about.items() if value})


def _unreached(parts: tuple[Part, ...]) -> Part | None:
    """Returns the first that adjacency, which is mutual, does not connect with the first of all."""
    reached, left = [parts[0]], list(parts[1:])
    while left:
        near = [
            one
            for one in left
            if any(
                one.resource_id in other.adjacent_ids or other.resource_id in one.adjacent_ids
                for other in reached
            )
        ]
        if not near:
            return left[0]
        reached.extend(near)
        left = [one for one in left if one not in near]
    return None


def refusal_of_list(wanted: Sequence[str], named: Sequence[str]) -> Refusal | None:
    """Returns why a plan cannot serve a request that names who may serve it; empty: anybody."""
    other = next((one for one in wanted if named and one not in named), None)
    if other is None:
        return None
    about = {"resource_id": other, "obstacles": "NOT_NAMED"}
    return Refusal("NOT_AVAILABLE", {**about, "detail": "the booking request names others"})


def reason_of(codes: Iterable[str]) -> str:
    """Returns the reason that obstacles amount to."""
    known = set(codes)
    return next((r for code, r in REASONS_BY_OBSTACLE if code in known), "NOT_AVAILABLE")


def checks_of(checked: CheckedPlan, *, edition: int, travels: bool) -> Checks:
    """Returns what a plan was checked against, for the ledger to check again."""
    return Checks(
        edition=edition,
        revision=checked.revision,
        generations={v.resource_id: v.generation for v in checked.verdicts} if travels else {},
        limits={v.resource_id: v.limits for v in checked.verdicts if v.limits},
    )


def risks_of(verdicts: Iterable[Verdict]) -> tuple[Risk, ...]:
    """Returns what has come into the way of a plan that was placed before, in a stable order."""
    return tuple(
        Risk(verdict.resource_id, found.code, found.blocking_id, found.detail)
        for verdict in sorted(verdicts, key=lambda one: one.resource_id)
        for found in sorted(verdict.obstacles, key=lambda one: (one.code, one.blocking_id))
        if found.code in RISKS
    )


def obstacles_counted(verdicts: Iterable[Verdict]) -> Counter[tuple[str, ...]]:
    """Counts resources by all that is in their way."""
    return Counter(tuple(one.code for one in verdict.obstacles) for verdict in verdicts)


def refusal_of_choice(left_out: Mapping[tuple[str, ...], int]) -> Refusal:
    """Returns why no resource could be picked, of how many are left out by what obstacles.

    A resource that only the ledger keeps busy makes it SLOT_TAKEN: others would do, were they free.
    """
    reasons = set[str]()
    codes = Counter[str]()
    for own, count in left_out.items():
        for code in own:
            codes[code] += count
        others = [code for code in own if code not in LEDGERS_BUSINESS]
        reasons.add(reason_of(others) if others else "SLOT_TAKEN")
    counted = {"obstacles": ",".join(f"{code}:{count}" for code, count in sorted(codes.items()))}
    if "SLOT_TAKEN" in reasons:
        return Refusal("SLOT_TAKEN", counted)
    nearest = next((reason for reason in NEAREST_FIRST if reason in reasons), None)
    return Refusal(nearest, counted) if nearest else Refusal("NO_CANDIDATE")


def hold_secret(key: bytes, *, tenant: str, hold_id: str) -> str:
    """Returns the secret of a hold. It can be made again, so that nobody needs to store it."""
    digest = hmac.new(key, f"{tenant}\0{hold_id}".encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).decode()[:SECRET_CHARS]


def hold_token(key: bytes, *, tenant: str, hold_id: str) -> str:
    """Returns the token that confirms or releases a hold."""
    return f"{hold_id}.{hold_secret(key, tenant=tenant, hold_id=hold_id)}"


def read_token(token: str) -> tuple[str, bytes]:
    """Returns the hold's id and the hash of the secret in a token; of a wrong one, what fits
    nothing.
    """
    hold_id, _, secret = token.rpartition(".")
    return hold_id, secret_hash(secret)


def secret_hash(secret: str) -> bytes:
    """Returns what is stored of a hold's secret."""
    return hashlib.sha256(secret.encode()).digest()


def unexplained(actor: str, why: str) -> str:
    """Returns the reason of an assignment that nobody gave one for and matching cannot explain."""
    return f"Chosen by {actor} without a reason; matching has no explanation: {why}."


def uuid7(*, milliseconds: int, random: bytes) -> str:
    """Returns a UUID that sorts by time: 48 bits of it, then what `random` (10 bytes) gives."""
    number = int.from_bytes(milliseconds.to_bytes(6) + random)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))


SENTENCES: Mapping[str, str] = {
    "SLOT_TAKEN": "somebody else has that time",
    "STALE_ETAG": "it was changed since it was read",
    "HOLD_EXPIRED": "the hold's time is over",
    "HOLD_ALREADY_CONFIRMED": "the hold has become an assignment already",
    "HOLD_ALREADY_RELEASED": "the hold was given back already",
    "HOLD_NOT_EXTENDABLE": "the hold was extended as often as it may be",
    "NOT_AVAILABLE": "the plan cannot serve that slot",
    "NOT_QUALIFIED": "a required skill is missing",
    "PARTY_TOO_LARGE": "the party is too large",
    "NOT_ADJACENT": "the plan's resources do not stand together",
    "ZONE_SPLIT": "the plan's resources lie in several zones",
    "NOT_MOVABLE": "one of the plan's resources cannot be moved",
    "PARTY_TOO_SMALL": "the party is too small",
    "NO_CANDIDATE": "there is no resource that could serve it",
    "REQUEST_NOT_OPEN": "the booking request is not open",
    "ASSIGNMENT_NOT_ACTIVE": "the assignment is not active",
    "NOT_FOUND": "there is no such thing here",
    "ALREADY_EXISTS": "the id is taken",
}


def reasons_sentence(reasons: Mapping[str, int]) -> str:
    """Returns counted reasons as one sentence, the most frequent first."""
    said = [f"{name} ({count})" for name, count in by_count(reasons)]
    return f"It was not assigned: {', '.join(said)}."


def by_count(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Returns counted reasons, the most frequent first."""
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def short(text: str) -> str:
    """Returns a text as far as it can be repeated to whoever sent it."""
    return text if len(text) <= SAID_CHARS_MAX else f"{text[:SAID_CHARS_MAX]}…"


def sentence(refusal: Refusal) -> str:
    """Returns a refusal as one sentence for a person."""
    said = refusal.metadata
    text = SENTENCES.get(refusal.reason, refusal.reason)
    if refusal.reason == "SLOT_TAKEN" and "start" in said:
        return f"{said['resource_id']} is taken from {said['start']} to {said['end']}"
    who = f"{said['resource_id']}: " if "resource_id" in said else ""
    if "detail" in said or "obstacles" in said:
        return short(f"{text}: {who}{said.get('detail') or said['obstacles']}")
    if "state" in said:
        return f"{text}: it is {said['state']}"
    return text
