"""Groups booking requests that ask the same but for the window, so that each is asked for once."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

from services.matching.domain import Question, Window
from services.matching.engine.batch.wishes import Member

# Requests that ask the same but for the window share one question, of at most this long.
TOGETHER = timedelta(days=35)


def together(
    questions: dict[str, Question],
) -> list[tuple[Question, tuple[Member, ...]]]:
    """Groups requests that ask the same but for the window, as far as windows lie together."""
    alike: dict[Question, list[Member]] = defaultdict(list)
    for name, question in questions.items():
        alike[replace(question, window=Window())].append(Member(name, question.window))
    found: list[tuple[Question, tuple[Member, ...]]] = []
    for question, members in alike.items():
        open_ones = [one for one in members if None in (one.window.start, one.window.end)]
        found.extend((replace(question, window=one.window), (one,)) for one in open_ones)
        whole: Window | None = None
        joined: list[Member] = []
        bounded = [one for one in members if None not in (one.window.start, one.window.end)]
        for member in sorted(bounded, key=lambda one: (_start(one), one.booking_request_id)):
            wider = _union(whole, member.window)
            if whole is not None and _length(wider) > max(TOGETHER, _length(whole)):
                found.append((replace(question, window=whole), tuple(joined)))
                wider, joined = member.window, []
            whole = wider
            joined.append(member)
        if whole is not None:
            found.append((replace(question, window=whole), tuple(joined)))
    return found


def _start(member: Member) -> float:
    assert member.window.start is not None
    return member.window.start.timestamp()


def _union(one: Window | None, other: Window) -> Window:
    if one is None:
        return other
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return Window()
    return Window(min(one.start, other.start), max(one.end, other.end))


def _length(window: Window) -> timedelta:
    assert window.start is not None
    assert window.end is not None
    return window.end - window.start
