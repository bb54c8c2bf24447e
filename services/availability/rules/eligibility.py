"""Who may serve at all, whatever the time: each rule with a name and a sentence."""

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
    name = resource.display_name or resource.id
    found = []
    if not resource.active:
        found.append(Obstacle(ObstacleCode.INACTIVE, f"{name} is switched off."))
    for required in wanted.skills:
        if not has_skill(resource, required):
            level = f" at level {required.level_min}" if required.level_min else ""
            found.append(
                Obstacle(ObstacleCode.NOT_QUALIFIED, f"{name} lacks {required.name}{level}.")
            )
    if wanted.zone and resource.zone != wanted.zone:
        where = resource.zone or "no zone"
        found.append(
            Obstacle(ObstacleCode.WRONG_ZONE, f"{name} belongs to {where}, not {wanted.zone}.")
        )
    party = wanted.party_size
    if party and resource.capacity_max and party > resource.capacity_max:
        detail = f"{name} takes at most {resource.capacity_max}, not {party}."
        found.append(Obstacle(ObstacleCode.PARTY_TOO_LARGE, detail))
    if party and party < resource.capacity_min:
        detail = f"{name} is given to parties of {resource.capacity_min} or more, not {party}."
        found.append(Obstacle(ObstacleCode.PARTY_TOO_SMALL, detail))
    return tuple(found)


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
