"""Statements of SQLAlchemy, compiled once and run by psycopg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import psycopg as dialect
from sqlalchemy.sql.elements import ClauseElement


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as psycopg runs it: text with %(name)s placeholders, and the values bound
    already.
    """

    sql: str
    bound: dict[str, Any]

    def __call__(self, **values: Any) -> tuple[str, dict[str, Any]]:
        """Returns the arguments of execute()."""
        return self.sql, {**self.bound, **values}


def compiled(statement: ClauseElement) -> Statement:
    """Compiles SQLAlchemy Core once: Core describes the statement, psycopg runs it at a tenth of
    the cost.
    """
    text = statement.compile(dialect=dialect.dialect())  # type: ignore[no-untyped-call]
    bound = {key: value for key, value in text.params.items() if value is not None}
    return Statement(sql=str(text), bound=bound)
