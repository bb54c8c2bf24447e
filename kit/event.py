"""One entry of a stream of events, as it is published and as it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
