"""Every world can be read on any day, is consistent, and lies ahead."""

from datetime import UTC, date, datetime

import protovalidate
import pytest

from examples import moments, world
from examples.world import World, read

# A plain Saturday, a Monday, the last day of a year, the night the clocks change.
DAYS = (
    datetime(2026, 11, 21, 10, tzinfo=UTC),
    datetime(2026, 11, 23, 0, tzinfo=UTC),
    datetime(2027, 12, 31, 23, 30, tzinfo=UTC),
    datetime(2027, 3, 28, 1, tzinfo=UTC),
)


@pytest.fixture(params=[(name, now) for name in world.NAMES for now in DAYS])
def loaded(request: pytest.FixtureRequest) -> tuple[World, datetime]:
    name, now = request.param
    return read(name, now), now


def steps_of(loaded: World) -> list[world.Step]:
    return [
        *loaded.service_types,
        *loaded.resources,
        *loaded.schedules,
        *loaded.exceptions,
        *loaded.requests,
    ]


def test_every_message_obeys_its_proto(loaded: tuple[World, datetime]) -> None:
    for step in steps_of(loaded[0]):
        protovalidate.validate(step.request)
        assert isinstance(step.request, step.method.question)


def test_ids_and_keys_are_unique(loaded: tuple[World, datetime]) -> None:
    steps = steps_of(loaded[0])
    keys = [step.request.request_id for step in steps]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith(f"example/{loaded[0].name}/") for key in keys)


def test_everything_referred_to_exists(loaded: tuple[World, datetime]) -> None:
    here, _ = loaded
    resources = {step.of for step in here.resources}
    skills = {skill.name for step in here.resources for skill in step.request.resource.skills}
    service_types = {step.of for step in here.service_types}
    for step in here.service_types:
        assert set(step.request.service_type.required_skills) <= skills
    for step in here.resources:
        assert set(step.request.resource.adjacent_resource_ids) <= resources
    for step in here.requests:
        assert step.request.request.service_type_id in service_types


def test_windows_lie_ahead_and_within_the_default_window(loaded: tuple[World, datetime]) -> None:
    here, now = loaded
    for step in here.requests:
        window = step.request.request.window
        if window.HasField("start_time"):
            assert now.timestamp() < window.start_time.seconds < window.end_time.seconds
            assert window.end_time.seconds <= now.timestamp() + 30 * 86400


def test_reading_twice_in_one_week_gives_the_same_messages() -> None:
    first = read("training", datetime(2026, 11, 23, 1, tzinfo=UTC))
    later = read("training", datetime(2026, 11, 29, 22, tzinfo=UTC))
    assert first == later
    assert first != read("training", datetime(2026, 11, 29, 23, 30, tzinfo=UTC))


def test_worlds_share_no_ids() -> None:
    seen: set[str] = set()
    for name in world.NAMES:
        steps = steps_of(read(name, DAYS[0]))
        ids = {step.of for step in steps}
        assert not ids & seen
        seen |= ids


def test_times_are_told_in_plain_words() -> None:
    monday = date(2026, 11, 23)
    assert moments.anchor_of(date(2026, 11, 16)) == monday
    assert moments.day_of("week 2 FRIDAY", monday) == date(2026, 12, 4)
    assert moments.minutes_of_clock("26:00") == 1560
    assert moments.minutes_of_duration("1h30m") == 90
    assert moments.weekdays_of("MONDAY-WEDNESDAY, FRIDAY") == [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "FRIDAY",
    ]
    for wrong in ("90", "1x", "", "1h 30m"):
        with pytest.raises(ValueError):
            moments.minutes_of_duration(wrong)
    with pytest.raises(ValueError):
        moments.day_of("next FRIDAY", monday)
