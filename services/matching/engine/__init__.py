"""The engine of matching: asks the two other contexts what it needs and decides by rules."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from kit.call import Caller, current_call, current_caller
from services.matching.domain import Ranking
from services.matching.engine.calls import DEFAULT_LIMIT, DEFAULT_MAX_REJECTIONS, RankCall
from services.matching.engine.fairness import Fairness, FairnessCall, FairnessRow, fairness
from services.matching.engine.outside import (
    Assignment,
    Availability,
    Customers,
    Matrix,
    Offer,
    Offers,
    Workload,
)
from services.matching.engine.ranking import Ranked, rank
from services.matching.engine.work import STRANGERS
from services.matching.rules.policies import DECIDING_POLICY, policy_named
from services.matching.rules.settings import USUAL, Settings

__all__ = [
    "DEFAULT_LIMIT",
    "DEFAULT_MAX_REJECTIONS",
    "Assignment",
    "Availability",
    "Customers",
    "Engine",
    "Fairness",
    "FairnessCall",
    "FairnessRow",
    "Matrix",
    "Offer",
    "Offers",
    "RankCall",
    "Workload",
]


Note = Callable[[RankCall, Ranked], None]


class SettingsStore(Protocol):
    """Keeps how tenants want their work matched."""

    async def of(self, tenant: str) -> Settings:
        """Returns a tenant's settings."""
        ...

    async def save(
        self,
        caller: Caller,
        settings: Settings,
        *,
        etag: str,
        write: tuple[str, str, bytes],
        answer: Callable[[Settings], bytes],
    ) -> bytes:
        """Replaces a tenant's settings, once per key."""
        ...


def not_noted(call: RankCall, ranked: Ranked) -> None:
    """Takes no note of a ranking."""


def always_deciding(tenant: str) -> str:
    """Lets the same policy decide for everybody."""
    return DECIDING_POLICY


class Engine:
    """Answers what MatchingService is asked."""

    def __init__(
        self,
        *,
        availability: Availability,
        assignment: Assignment,
        customers: Customers = STRANGERS,
        note: Note = not_noted,
        settings: SettingsStore | None = None,
        policy_of: Callable[[str], str] = always_deciding,
    ) -> None:
        """Keeps the two contexts it asks, who knows customers, who is told of each ranking, and
        what tenants want.
        """
        self._availability = availability
        self._assignment = assignment
        self._customers = customers
        self._note = note
        self._settings = settings
        self._policy_of = policy_of

    async def rank(self, call: RankCall) -> Ranking:
        """Ranks who could serve, best first, each with its reasons."""
        if not call.policy:
            call = replace(call, policy=self.deciding())
        settings = await self.settings()
        ranked = await rank(call, self._availability, self._assignment, settings, self._customers)
        self._note(call, ranked)
        return ranked.ranking

    async def fairness(self, call: FairnessCall) -> Fairness:
        """Compares what each person offered in a month with what each was given."""
        settings = await self.settings()
        return await fairness(call, self._availability, self._assignment, settings)

    async def settings(self) -> Settings:
        """Returns how the caller's tenant wants its work matched."""
        return await self._settings.of(current_caller().tenant) if self._settings else USUAL

    def deciding(self) -> str:
        """Returns the policy that decides for the caller's tenant; a flag that names none that
        there is does not count.
        """
        caller = current_call().caller
        named = policy_named(self._policy_of(caller.tenant)) if caller else None
        return named.name if named else DECIDING_POLICY

    async def save_settings(
        self,
        settings: Settings,
        *,
        etag: str,
        write: tuple[str, str, bytes],
        answer: Callable[[Settings], bytes],
    ) -> bytes:
        """Replaces the settings of the caller's tenant."""
        assert self._settings is not None
        caller = current_caller()
        return await self._settings.save(caller, settings, etag=etag, write=write, answer=answer)
