"""Reads and writes settings, and lists policies."""

from datetime import date

from fairslot.matching.v1 import matching_pb2
from google.type.date_pb2 import Date

from kit.fault import Invalid
from services.matching.rules.fairness import TOLERANCE_PERCENT
from services.matching.rules.filters import FILTERS
from services.matching.rules.policies import POLICIES, Policy
from services.matching.rules.settings import Settings, Unit, wrong_weights

UnitName = matching_pb2.Settings.FairnessUnit


def settings_in(message: matching_pb2.Settings) -> Settings:
    """Returns the settings of a message; refuses weights of what is no preference."""
    weights = dict(message.weights)
    wrong = wrong_weights(weights)
    if wrong:
        raise Invalid(
            "INVALID_ARGUMENT",
            f"weights: {wrong[0][1]}",
            violations=tuple((f"settings.weights[{name}]", what) for name, what in wrong),
        )
    unit = Unit.HOURS if message.fairness_unit == UnitName.HOURS else Unit.DAYS
    return Settings(
        unit=unit,
        tolerance_percent=message.tolerance_percent or TOLERANCE_PERCENT,
        cutover=_date(message.cutover) if message.HasField("cutover") else None,
        weights=weights,
    )


def settings_message(settings: Settings) -> matching_pb2.Settings:
    """Returns settings as a message."""
    return matching_pb2.Settings(
        fairness_unit=UnitName.Value(settings.unit),
        tolerance_percent=settings.tolerance_percent,
        cutover=date_message(settings.cutover),
        weights=settings.weights,
        etag=str(settings.version),
    )


def policies_message(settings: Settings, deciding: str) -> matching_pb2.ListPoliciesResponse:
    """Returns all policies with a tenant's weights, and the filters."""
    return matching_pb2.ListPoliciesResponse(
        policies=[_policy_message(one.weighed(settings.weights)) for one in POLICIES],
        deciding=deciding,
        filters=[matching_pb2.Rule(name=rule.name, sentence=rule.sentence) for rule in FILTERS],
    )


def date_message(day: date | None) -> Date | None:
    """Returns a day, if there is one."""
    return None if day is None else Date(year=day.year, month=day.month, day=day.day)


def _policy_message(policy: Policy) -> matching_pb2.Policy:
    rules = [
        matching_pb2.Rule(name=name, sentence=sentence, weight=weight)
        for name, sentence, weight in policy.told()
    ]
    return matching_pb2.Policy(name=policy.name, sentence=policy.sentence, preferences=rules)


def _date(message: Date) -> date:
    try:
        return date(message.year, message.month, message.day)
    except ValueError as error:
        raise Invalid.field("settings.cutover", "is not a date") from error
