"""What an outside booking means in the tenant's catalog: a service type, skills and resources."""

from __future__ import annotations

from gateway.domain import Booking, Known, Subject

# Labels of a resource that name it as an outside calendar does: e-mail, user name or id.
USER_LABELS = ("calendar_user", "calendar_email", "calendar_id")


def subject_of(booking: Booking, known: Known) -> Subject:
    """Returns what the catalog makes of a booking; what it does not know is left empty."""
    found = (known.types[key] for key in booking.event_type_keys if key in known.types)
    service_type_id, required = next(found, ("", ()))
    resources: dict[str, frozenset[str]] = {}
    for names in booking.users:
        match = next((known.users[name] for name in names if name in known.users), None)
        if match is not None:
            resources.setdefault(*match)
    missing = [
        skill for skill in required if any(skill not in skills for skills in resources.values())
    ]
    return Subject(
        service_type_id=service_type_id,
        required_skills=tuple(required),
        resource_ids=tuple(resources),
        missing_skills=tuple(missing),
    )
