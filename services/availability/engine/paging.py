"""Page tokens: where the next page begins, and for which question."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from kit.fault import Invalid
from services.availability.domain import Span


@dataclass(frozen=True, slots=True)
class Continuation:
    """The rest of a search: the window as first understood, and what its first page said."""

    window: Span
    next_start: int
    starts: int
    first: int
    complete: bool


def page_token(question: str, rest: Continuation) -> str:
    """Gives the token of the next page of a question."""
    values = [
        _mark(question),
        rest.window.start,
        rest.window.end,
        rest.next_start,
        rest.starts,
        rest.first,
        int(rest.complete),
    ]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def continuation(question: str, token: str) -> Continuation | None:
    """Reads a page token; refuses one that is not ours or belongs to another question."""
    if not token:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        mark, start, end, next_start, starts, first, complete = values
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid.field("page_token", "is not a page token of ours") from error
    numbers = (start, end, next_start, starts, first)
    if mark != _mark(question) or not all(type(number) is int for number in numbers):
        raise Invalid.field("page_token", "belongs to another question")
    if not start <= next_start <= end:
        raise Invalid.field("page_token", "is not a page token of ours")
    return Continuation(Span(start, end), next_start, starts, first, bool(complete))


def name_token(name: str) -> str:
    """Gives the token of a list that goes on after a name."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=") if name else ""


def name_after(token: str) -> str:
    """Reads the token of a list; refuses one that is not ours."""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise Invalid.field("page_token", "is not a page token of ours") from error


def _mark(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()[:16]
