"""What was given and offered, and who served the customer, as far as a policy looks."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.matching.domain import Window, day_start, moment_of
from services.matching.engine.layout import Scope
from services.matching.engine.outside import (
    Assignment,
    Availability,
    Customers,
    Strangers,
    Workload,
)
from services.matching.engine.people import Pool, pools
from services.matching.engine.scoring import Tables, tabulate
from services.matching.rules.preferences import CONTINUITY

STRANGERS = Strangers()


@dataclass(frozen=True, slots=True)
class Work:
    """What was given and offered, as far as a policy looked; see `tabulate`."""

    workload: Workload
    # Per month of the layout, where people are compared.
    shared: tuple[Pool, ...]
    first_day: int
    end_day: int


async def work_of(
    scope: Scope,
    availability: Availability,
    assignment: Assignment,
    customers: Customers,
    *,
    fresh: str,
) -> Work:
    """Asks for the work that the policy weighs: whole months of everybody, or the slots' days; and
    who served the customer lately.
    """
    matrix, layout = scope.matrix, scope.layout
    compared = scope.compared
    # Whom fairness compares is not known yet, so it asks about everybody.
    names = () if compared else tuple(matrix.resources[row].id for row in layout.resources)
    first_day, end_day = int(layout.first_days.min()), int(layout.last_days.max()) + 1
    if compared:
        first_day, end_day = layout.months[0].first_day, layout.months[-1].end_day
    workload, shared, familiar = await asyncio.gather(
        assignment.workload(
            Window(*(moment_of(day_start(day, scope.zone)) for day in (first_day, end_day))),
            time_zone=matrix.time_zone,
            resource_ids=names,
        ),
        pools(
            availability,
            layout.months if compared else (),
            matrix.required_skills,
            at_least_as_fresh=fresh,
            settings=scope.settings,
        ),
        _familiar(scope, customers),
    )
    return Work(replace(workload, familiar=familiar), shared, first_day, end_day)


async def _familiar(scope: Scope, customers: Customers) -> Mapping[str, int]:
    question = scope.asked.question
    if not question.customer_hash or not scope.policy.weighs(CONTINUITY.name):
        return {}
    return await customers.served_by(question.customer_hash, but_for=question.ignored_allocation_id)


def tables_of(scope: Scope, work: Work) -> Tables:
    """Turns work into what the preferences look at."""
    return tabulate(
        scope, work.workload, work.shared, first_day=work.first_day, end_day=work.end_day
    )
