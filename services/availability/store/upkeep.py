"""Forgets what nobody will ask for any more: old idempotency keys, and days long gone."""

from kit.db import open_session
from kit.repeating import repeated

INTERVAL_SECONDS = 3600.0
# Kept at least 72 hours; a day more for clocks and weekends.
FORGET_KEYS = """
DELETE FROM availability.idem WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM availability.idem WHERE created_at < now() - interval '96 hours' LIMIT 10000))
"""
# Limits per week count days behind; a few more for whoever looks at them.
FORGET_DAYS = """
DELETE FROM availability.day_stamp
WHERE day < extract(epoch FROM now() - interval '30 days') / 86400
"""


class Upkeep:
    """Runs beside the service, every hour."""

    def __init__(self, url: str) -> None:
        """Takes the URL of the worker's role."""
        self._url = url

    async def run(self) -> None:
        """Forgets for ever; a failure is tried again an hour later."""
        await repeated(self.forget, every_seconds=INTERVAL_SECONDS)

    async def forget(self) -> int:
        """Deletes keys past their time; gives how many."""
        async with open_session(self._url, application="availability-upkeep") as connection:
            await connection.execute(FORGET_DAYS)
            return (await connection.execute(FORGET_KEYS)).rowcount
