"""Reservations move ahead by whole weeks, into opening hours, in the order they were made."""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import protovalidate
import pytest

from bench.demo import stores
from bench.demo.jobs import habits_of
from bench.demo.reservations import ZONE, play_of, read_replay, weeks_ahead
from services.matching.rules.policies import policy_named
from services.matching.rules.settings import wrong_weights

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
REAL = Path(__file__).parents[4] / "shared/data/restaurant/reservations_dev.csv.gz"

ROWS = """id,store,created_at,visit_at,party,src_row
b,s2,2016-01-02 10:00:00,2016-01-03 18:00:00,2,2
a,s1,2016-01-01 10:00:00,2016-01-02 19:00:00,4,1
c,s1,2016-01-02 10:00:00,2016-01-09 23:00:00,9,3
d,s3,2016-01-05 10:00:00,2016-01-09 23:00:00,2,4
"""
TABLES = """store,table,zone,seats,min_party,max_party,movable
s1,s1-A,zone A,4,2,4,True
s2,s2-A,zone A,2,1,2,False
s3,s3-A,zone A,2,1,2,False
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "reservations.csv.gz"
    with gzip.open(path, "wt") as opened:
        opened.write(ROWS)
    (tmp_path / "tables_derived.csv").write_text(TABLES)
    return path


def test_one_created_hour_is_one_batch_in_created_order(file: Path) -> None:
    play = play_of(read_replay(file, NOW), seed=1)
    assert [[job.id for job in batch] for batch in play.batches] == [["a"], ["b", "c"], ["d"]]


def test_everything_moves_by_the_same_whole_weeks_into_the_future(file: Path) -> None:
    replay = read_replay(file, NOW)
    first = play_of(replay, seed=1).batches[0][0]
    assert first.window is not None
    begin = datetime.fromtimestamp(first.window[0] * 60, ZoneInfo(ZONE))
    assert begin > NOW
    assert begin - timedelta(weeks=1) < NOW + timedelta(days=2)
    assert (begin.weekday(), begin.hour) == (5, 19)
    assert first.window[1] - first.window[0] == 120


def test_a_future_file_stays_where_it_is() -> None:
    assert weeks_ahead(datetime(2030, 1, 1), NOW) == 0


def test_a_maximum_leaves_out_stores_that_nobody_visits(file: Path) -> None:
    replay = read_replay(file, NOW, maximum=3)
    assert [row.id for row in replay.reservations] == ["a", "b", "c"]
    assert [table.store for table in replay.tables] == ["s1", "s2"]


def test_a_store_opens_from_its_first_visit_to_two_hours_after_its_last(file: Path) -> None:
    replay = read_replay(file, NOW)
    assert replay.hours["s1"] == {5: (19, 25)}
    [rule] = stores.weekly_rules(replay.hours["s1"])
    assert (rule.start.hours, rule.end.hours, list(rule.days)) == (19, 25, [6])


def test_a_party_that_no_table_seats_says_so(file: Path) -> None:
    play = play_of(read_replay(file, NOW), seed=1)
    reasons = {job.id: job.hopeless_as for batch in play.batches for job in batch}
    assert reasons == {
        "a": "NO_CANDIDATE",
        "b": "NO_CANDIDATE",
        "c": "PARTY_TOO_LARGE",
        "d": "NO_CANDIDATE",
    }


def test_habits_depend_on_the_seed_alone_and_keep_their_shares() -> None:
    habits = [habits_of(7, f"r{number}") for number in range(20_000)]
    assert habits[:50] == [habits_of(7, f"r{number}") for number in range(50)]
    assert habits[:50] != [habits_of(8, f"r{number}") for number in range(50)]
    assert sum(one.forgets for one in habits) == pytest.approx(2000, rel=0.1)
    assert sum(one.repeats for one in habits) == pytest.approx(1000, rel=0.1)


@pytest.mark.skipif(not REAL.exists(), reason="the real reservations are not here")
def test_the_real_file_makes_messages_that_obey_their_protos() -> None:
    replay = read_replay(REAL, NOW)
    play = play_of(replay, seed=1)
    assert play.size == 20_000
    assert min(job.window[0] for batch in play.batches for job in batch if job.window) * 60 > (
        NOW.timestamp()
    )
    messages = [
        stores.tenant(),
        stores.settings(),
        *stores.service_types(replay),
        *stores.resources(replay),
        *list(stores.schedules(replay))[:50],
    ]
    for message in messages:
        protovalidate.validate(message)
    with gzip.open(REAL, "rt") as file:
        stored = next(csv.DictReader(file))
    assert play.batches[0][0].id == stored["id"]


def test_with_merges_tables_know_their_neighbours_and_nobody_forgets(file: Path) -> None:
    file.with_name("table_adjacency_derived.csv").write_text(
        "store,table_a,table_b\ns1,s1-A,s1-B\n"
    )
    replay = read_replay(file, NOW, merges=True)
    assert {table.id: table.adjacent for table in replay.tables}["s1-A"] == ("s1-B",)
    jobs = [job for batch in play_of(replay, seed=1).batches for job in batch]
    assert not any(job.forgets for job in jobs)
    assert all(job.looks_again for job in jobs)
    kind = next(stores.service_types(replay)).service_type
    assert kind.merge_policy == kind.MERGE_ALLOWED
    assert next(stores.service_types(read_replay(file, NOW))).service_type.merge_policy == (
        kind.SINGLE_ONLY
    )


def test_with_merges_nothing_speaks_for_a_table_but_the_seats_it_fills() -> None:
    weights = dict(stores.settings().settings.weights)
    assert not wrong_weights(weights)
    left = policy_named("v2").weighed(weights)
    # These are about people, customers that come again, and skills: every table has just one.
    about_others = {"fairness", "continuity", "spare_skills"}
    assert {rule.name for rule in left.by_day} - about_others == {"fit"}
