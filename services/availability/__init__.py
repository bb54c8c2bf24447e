"""Availability: the catalog, schedules, outside calendars and free slots."""
