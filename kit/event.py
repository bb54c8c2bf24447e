"""One entry of a stream of events, as it is published and as it is read, whoever owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a stream."""

    subject: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    # Where it stands in its stream; 0 before it is published.
    position: int = 0

    @property
    def type(self) -> str:
        """The full name of its message: the subject without the tenant at its end."""
        return self.subject.rpartition(".")[0]

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.subject.rpartition(".")[2]

    @property
    def aggregate(self) -> str:
        """The id of what it is about, such as an allocation."""
        return self.headers["Fairslot-Aggregate"]

    @property
    def version(self) -> int:
        """Which of the events of its type about that thing it is; they count from 1."""
        return int(self.headers["Fairslot-Version"])

    @property
    def at(self) -> datetime:
        """When it was committed, by the database's clock."""
        return datetime.fromisoformat(self.headers["Fairslot-At"])
