"""The calls availability serves: catalog, schedules, and who is free when."""

from services.availability.servicer.availability import AvailabilityServicer
from services.availability.servicer.catalog import CatalogServicer
from services.availability.servicer.schedule import ScheduleServicer

__all__ = ["AvailabilityServicer", "CatalogServicer", "ScheduleServicer"]
