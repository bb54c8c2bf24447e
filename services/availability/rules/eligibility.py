"""Who may serve at all, whatever the time: each rule with a name and a sentence."""

from collections.abc import Iterator

from services.availability.domain import (
    LAST_MINUTE,
    Obstacle,
    ObstacleCode,
    Resource,
    SkillRequirement,
    Wanted,
    floor_minute,
)


def ineligibility(resource: Resource, wanted: Wanted) -> tuple[Obstacle, ...]:
    """Gives every reason that keeps a resource from serving at any time."""
    return tuple(
        Obstacle(code, _sentence(code, resource, wanted, lacking))
        for code, lacking in _reasons(resource, wanted)
    )


def ineligible_codes(resource: Resource, wanted: Wanted) -> tuple[ObstacleCode, ...]:
    """Gives the reasons of ineligibility() without their sentences, each once."""
    return tuple(dict.fromkeys(code for code, _ in _reasons(resource, wanted)))


def _reasons(
    resource: Resource, wanted: Wanted
) -> Iterator[tuple[ObstacleCode, SkillRequirement | None]]:
    if not resource.active:
        yield ObstacleCode.INACTIVE, None
    for required in wanted.skills:
        if not has_skill(resource, required):
            yield ObstacleCode.NOT_QUALIFIED, required
    if wanted.zone and resource.zone != wanted.zone:
        yield ObstacleCode.WRONG_ZONE, None
    party = wanted.party_size
    if party and resource.capacity_max and party > resource.capacity_max:
        yield ObstacleCode.PARTY_TOO_LARGE, None
    if party and party < resource.capacity_min:
        yield ObstacleCode.PARTY_TOO_SMALL, None


def _sentence(
    code: ObstacleCode, resource: Resource, wanted: Wanted, lacking: SkillRequirement | None
) -> str:
    name, party = resource.display_name or resource.id, wanted.party_size
    if lacking is not None:
        level = f" at level {lacking.level_min}" if lacking.level_min else ""
        return f"{name} lacks {lacking.name}{level}."
    if code is ObstacleCode.INACTIVE:
        return f"{name} is switched off."
    if code is ObstacleCode.WRONG_ZONE:
        return f"{name} belongs to {resource.zone or 'no zone'}, not {wanted.zone}."
    if code is ObstacleCode.PARTY_TOO_LARGE:
        return f"{name} takes at most {resource.capacity_max}, not {party}."
    return f"{name} is given to parties of {resource.capacity_min} or more, not {party}."


def has_skill(resource: Resource, required: SkillRequirement) -> bool:
    """Says whether a resource has a skill at the level wanted, run out or not."""
    return any(
        skill.name == required.name and skill.level >= required.level_min
        for skill in resource.skills
    )


def qualified_until(resource: Resource, wanted: Wanted) -> int:
    """Gives the minute by which a slot must have ended for every required skill to still count."""
    until = LAST_MINUTE
    for required in wanted.skills:
        for skill in resource.skills:
            if skill.name == required.name and skill.valid_until is not None:
                until = min(until, floor_minute(skill.valid_until))
    return until


def expired_skill(resource: Resource, wanted: Wanted, end: int) -> str:
    """Gives the name of a required skill that runs out before the minute `end`; empty if none."""
    names = {required.name for required in wanted.skills}
    for skill in resource.skills:
        until = skill.valid_until
        if skill.name in names and until is not None and floor_minute(until) < end:
            return skill.name
    return ""
