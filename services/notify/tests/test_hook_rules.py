"""Where webhooks may go, how they are told, and when they are told again."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notify.domain import Answer, Change, DeliveryState, Kind, Topic
from services.notify.rules import (
    ATTEMPTS_MAX,
    Networks,
    address_refusal,
    message_of,
    outcome_of,
    url_refusal,
    wait_after,
)

AT = datetime(2027, 3, 1, tzinfo=UTC)
NOWHERE = Networks()
PRIVATE = [
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:db8::1",
    "64:ff9b:1::a00:1",
    "fec0::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_however_they_are_written(address):
    assert address_refusal(address, NOWHERE)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_public_addresses_are_not(address):
    assert not address_refusal(address, NOWHERE)


def test_a_private_network_may_be_allowed_and_no_other_with_it():
    allowed = Networks("127.0.0.0/8, fd00::/8")
    assert not address_refusal("127.0.0.1", allowed)
    assert not address_refusal("::ffff:127.0.0.1", allowed)
    assert not address_refusal("fd00::1", allowed)
    assert address_refusal("10.0.0.1", allowed)
    with pytest.raises(ValueError, match="rubbish"):
        Networks("rubbish")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https:///x",
        "https://ada:secret@example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://x:0/",
        "https://x:99999/",
        "https://example.com/#part",
        "example.com",
        "javascript:alert(1)",
    ],
)
def test_urls_that_tell_by_themselves_are_refused(url):
    assert url_refusal(url, NOWHERE)


def test_good_urls_are_taken():
    assert not url_refusal("https://example.com:8443/hook?a=b", NOWHERE)
    assert not url_refusal("http://localhost:9/", Networks("127.0.0.0/8"))


def change(version=1):
    return Change(Topic.HOLDS, Kind.HELD, "h1", version, {"state": "HELD", "name": "Zoë"}, AT)


def test_the_same_change_is_always_the_same_message():
    one, again = message_of("acme", "e1", 0, change()), message_of("acme", "e1", 0, change())
    assert one == again
    assert one.type == "holds.held"
    assert one.body == (
        '{"data":{"id":"h1","kind":"HELD","payload":{"name":"Zoë","state":"HELD"},'
        '"topic":"holds","version":1},"timestamp":"2027-03-01T00:00:00+00:00","type":"holds.held"}'
    )
    others = {message_of(*key, change()).id for key in [("acme", "e1", 1), ("b", "e1", 0)]}
    assert one.id not in others


def test_waits_grow_over_three_days_and_end():
    waits = [wait_after(number, spread=0) for number in range(1, ATTEMPTS_MAX + 1)]
    assert waits[-1] is None
    kept = [wait for wait in waits if wait is not None]
    assert kept == sorted(kept)
    assert timedelta(days=3) < sum(kept, timedelta()) < timedelta(days=4)
    assert wait_after(1, spread=1) > wait_after(1, spread=0)


def test_an_endpoint_may_ask_for_more_time_but_not_for_ever():
    assert wait_after(1, spread=0, retry_after=timedelta(minutes=10)) == timedelta(minutes=10)
    assert wait_after(4, spread=0, retry_after=timedelta(seconds=1)) == timedelta(hours=2)
    assert wait_after(1, spread=0, retry_after=timedelta(days=900)) == timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "error", "wait", "state", "gone"),
    [
        (204, "", timedelta(1), DeliveryState.DELIVERED, False),
        (500, "500", timedelta(1), DeliveryState.PENDING, False),
        (500, "500", None, DeliveryState.DEAD, False),
        (410, "410", timedelta(1), DeliveryState.DEAD, True),
        (0, "no answer in time", timedelta(1), DeliveryState.PENDING, False),
    ],
)
def test_what_an_answer_means(status, error, wait, state, gone):
    answer = Answer(at=AT, status=status, error=error, took=timedelta())
    assert outcome_of(answer, wait) == (state, gone)
