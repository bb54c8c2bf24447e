"""Turns the stores of a replay into the messages that create them."""

from collections import defaultdict
from collections.abc import Iterator

from fairslot.availability.v1 import catalog_pb2, schedule_pb2
from fairslot.matching.v1 import matching_pb2
from google.protobuf.duration_pb2 import Duration
from google.type.dayofweek_pb2 import DayOfWeek
from google.type.timeofday_pb2 import TimeOfDay

from bench.demo.reservations import MINUTES_PER_HOUR, SITTING_HOURS, ZONE, Replay

HOUR_SECONDS = 60 * MINUTES_PER_HOUR
# What one call takes at most.
BATCH_MAX = 2000


def tenant() -> catalog_pb2.UpdateTenantRequest:
    """Sets the zone in which the reservations are told."""
    return catalog_pb2.UpdateTenantRequest(
        tenant=catalog_pb2.Tenant(display_name="Real reservations", time_zone=ZONE),
        request_id="demo/tenant",
    )


def settings() -> matching_pb2.UpdateSettingsRequest:
    """Tables do not tire and none is dearer than another: what leaves the fewest seats empty is
    best, however many tables it puts together.
    """
    return matching_pb2.UpdateSettingsRequest(
        settings=matching_pb2.Settings(weights={"load": 0, "priority": 0, "joints": 0}),
        request_id="demo/settings",
    )


def service_types(replay: Replay) -> Iterator[catalog_pb2.CreateServiceTypeRequest]:
    """A store is a skill of its tables, and a sitting there is a service type of its own."""
    for store in replay.stores:
        yield catalog_pb2.CreateServiceTypeRequest(
            service_type=catalog_pb2.ServiceType(
                id=store,
                display_name=f"A sitting at {store}",
                duration=Duration(seconds=SITTING_HOURS * HOUR_SECONDS),
                granularity=Duration(seconds=HOUR_SECONDS),
                required_skills=[store],
                merge_policy=(
                    catalog_pb2.ServiceType.MERGE_ALLOWED
                    if replay.merges
                    else catalog_pb2.ServiceType.SINGLE_ONLY
                ),
            ),
            request_id=f"demo/service-type/{store}",
        )


def resources(replay: Replay) -> Iterator[catalog_pb2.BatchCreateResourcesRequest]:
    """Every table that can be had."""
    for begin in range(0, len(replay.tables), BATCH_MAX):
        yield catalog_pb2.BatchCreateResourcesRequest(
            resources=[
                catalog_pb2.Resource(
                    id=table.id,
                    display_name=f"Table {table.id}",
                    kind=catalog_pb2.Resource.TABLE,
                    skills=[catalog_pb2.Skill(name=table.store)],
                    # The smallest table that seats a party is the best one for it; of two, the
                    # one that cannot be put together with others.
                    priority=2 * table.party_max + table.movable,
                    capacity_min=table.party_min,
                    capacity_max=table.party_max,
                    zone=table.zone,
                    movable=table.movable,
                    adjacent_resource_ids=table.adjacent,
                )
                for table in replay.tables[begin : begin + BATCH_MAX]
            ],
            request_id=f"demo/tables/{begin}",
        )


def schedules(replay: Replay) -> Iterator[schedule_pb2.SetWeeklyScheduleRequest]:
    """A table can be had while its store is open."""
    rules = {store: weekly_rules(hours) for store, hours in replay.hours.items()}
    for table in replay.tables:
        yield schedule_pb2.SetWeeklyScheduleRequest(
            resource_id=table.id,
            rules=rules[table.store],
            request_id=f"demo/schedule/{table.id}",
        )


def weekly_rules(hours: dict[int, tuple[int, int]]) -> list[schedule_pb2.WeeklyRule]:
    """Groups the weekdays that have the same hours; past 24 they run into the next day."""
    days: dict[tuple[int, int], list[int]] = defaultdict(list)
    for day, span in sorted(hours.items()):
        days[span].append(day)
    return [
        schedule_pb2.WeeklyRule(
            # Python's Monday is 0, the contract's is 1.
            days=[DayOfWeek.Value(DayOfWeek.Name(day + 1)) for day in group],
            start=TimeOfDay(hours=first),
            end=TimeOfDay(hours=last),
        )
        for (first, last), group in days.items()
    ]
