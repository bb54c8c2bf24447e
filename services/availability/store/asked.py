"""What a tenant is asked for most, as one process tells it to those that begin after it."""

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from services.availability.domain import SlotShape


@dataclass(frozen=True, slots=True)
class AskedDays:
    """Days (UTC) of a service class that people ask for."""

    shape: SlotShape
    days: tuple[int, ...]


_ASKED = TypeAdapter(tuple[AskedDays, ...])


def asked_text(asked: tuple[AskedDays, ...]) -> bytes:
    """Gives the JSON of what a tenant is asked for."""
    return _ASKED.dump_json(asked)


def asked_in(text: bytes) -> tuple[AskedDays, ...]:
    """Reads what a tenant is asked for; nothing where it is not one of ours."""
    try:
        return _ASKED.validate_json(text)
    except ValidationError:
        return ()
