"""A small model of the ledger: all of its rules in a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Taken:
    """An allocation as the model has it."""

    plan: frozenset[str]
    start: float
    request: str
    actor: str
    state: str
    # Whether it began as a hold, and so has a token.
    held: bool = False
    version: int = 1
    lapsed: bool = False
    extensions: int = 0

    @property
    def live(self) -> bool:
        return self.state in ("ASSIGNED", "COMPLETED") or (self.state == "HELD" and not self.lapsed)

    def meets(self, plan: frozenset[str], start: float) -> bool:
        return self.live and bool(self.plan & plan) and abs(self.start - start) < 1.5


@dataclass
class Model:
    """All of the rules, in a few lines."""

    taken: dict[str, Taken] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def own(self, request: str) -> Taken | None:
        live = [a for a in self.taken.values() if request and a.request == request and a.live]
        assert len(live) <= 1
        return live[0] if live else None

    def state_of(self, request: str) -> str:
        own = self.own(request)
        return "CANCELLED" if request in self.closed else own.state if own else "OPEN"

    def place(self, plan, start, request, actor, *, hold: bool) -> tuple[str, Taken | None]:
        """Returns what it comes to, and which hold becomes the assignment, if one does."""
        own = self.own(request)
        if request in self.closed:
            return "REQUEST_NOT_OPEN", None
        if own and not hold and own.state == "HELD":
            if own.start == start and own.plan == plan:
                return "OK", own
            if own.actor == actor:
                others = (a for a in self.taken.values() if a is not own)
                return ("SLOT_TAKEN" if any(a.meets(plan, start) for a in others) else "OK"), None
        if own:
            return ("SLOT_TAKEN" if own.meets(plan, start) else "REQUEST_NOT_OPEN"), None
        clash = any(a.meets(plan, start) for a in self.taken.values())
        return ("SLOT_TAKEN" if clash else "OK"), None
