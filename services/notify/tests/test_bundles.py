"""Events that are told together: nothing of them is lost, and webhooks tell them as if alone."""

from services.notify.listener.feed import shaped
from services.notify.listener.hooks import messages_of
from services.notify.senders.feed import BYTES_MAX, EVENTS_MAX, SUBJECT, bundled
from services.notify.tests.happenings import Event, allocation, catalog, event, request


def entries_of(events):
    told = [(one, shaped(one)) for one in events]
    return [Event(f"{SUBJECT}.acme", one.SerializeToString(), {}) for one in bundled(told)]


def some(count, *, padding=0):
    """Events that mean one change, two or three, in turn."""
    kinds = [
        lambda n: request(f"q{n}"),
        lambda n: allocation(f"a{n}" + "x" * padding, request=(f"q{n}", 2, "HELD")),
        lambda n: catalog("RESOURCE_SAVED", ["r1", "r2", "r3"]),
    ]
    return [event(kinds[number % 3](number), key=f"e{number}") for number in range(count)]


def messages(entries):
    return [message for entry in entries for message in messages_of(entry)]


def test_a_webhook_is_the_same_whether_its_event_was_told_alone_or_with_others():
    events = some(30)
    alone = [message for one in events for message in messages(entries_of([one]))]
    (together,) = entries_of(events)
    assert messages([together]) == alone
    assert len({message.id for message in alone}) == len(alone) > len(events)


def test_an_entry_is_bounded_by_events_and_by_bytes():
    many = entries_of(some(2 * EVENTS_MAX + 1))
    assert len(many) == 3
    assert messages(many) == [
        m for one in some(2 * EVENTS_MAX + 1) for m in messages(entries_of([one]))
    ]
    large = entries_of(some(12, padding=BYTES_MAX // 4))
    assert 2 <= len(large) < 12
    assert all(len(entry.body) < 4 * BYTES_MAX for entry in large)
