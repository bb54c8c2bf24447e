"""Shows answers: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

from client.refusal import Refusal


@dataclass(frozen=True)
class Screen:
    """Where answers go, and in which form."""

    console: Console
    as_json: bool

    def show(self, answer: Message, draw: Callable[[], object]) -> None:
        """Shows one answer: itself as JSON, or what `draw` makes of it."""
        if self.as_json:
            self.line(MessageToDict(answer, always_print_fields_with_no_presence=True))
        else:
            self.console.print(draw())

    def line(self, value: object) -> None:
        """Writes one value as a line of JSON."""
        self.console.out(json.dumps(value, ensure_ascii=False), highlight=False)

    def refused(self, refusal: Refusal) -> None:
        """Says why a call was refused, and what may be chosen in its place."""
        if self.as_json:
            self.line(
                {
                    "reason": refusal.reason,
                    "code": refusal.code.name,
                    "message": refusal.message,
                    "metadata": refusal.metadata,
                    "alternatives": [MessageToDict(one) for one in refusal.alternatives],
                }
            )
            return
        self.console.print(f"[bold red]{refusal.reason}[/]", refusal.message)
        for field, text in refusal.violations:
            self.console.print(f"  {field}: {text}", markup=False)
        for one in refusal.alternatives:
            self.console.print("  instead:", ", ".join(one.resource_ids), one.explanation)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Draws a table; headings that end in > stand on the right."""
    drawn = Table(title=title or None, title_justify="left")
    for heading in headings:
        right = heading.endswith(">")
        drawn.add_column(heading.rstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(str(cell) for cell in row))
    return drawn
