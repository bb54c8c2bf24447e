"""Forgets what nobody will ask for any more, in all that matching keeps."""

from collections import Counter

from kit.db import Connection, open_session
from kit.repeating import repeated
from services.matching.store.customers import LATELY
from services.matching.store.decisions import LINKED_FOR

INTERVAL_SECONDS = 600.0
# Deleted by one statement, and statements per table and round at most.
ROWS_MAX = 5_000
STATEMENTS_MAX = 20
# Kept at least 72 hours; a day more for clocks and weekends.
KEYS_KEPT = "96 hours"
# What was published is in the stream; the rows stay for whoever looks into what happened.
EVENTS_KEPT = "7 days"
# Decisions can be looked back on for a year and a month, as fairness is compared by months.
DECISIONS_KEPT = "400 days"
PAIRS_KEPT = "90 days"

# Decisions go before the rankings that they hold.
PAST = {
    "idem": f"t.at < now() - interval '{KEYS_KEPT}'",
    "outbox": f"t.published AND t.at < now() - interval '{EVENTS_KEPT}'",
    "shadow_pair": f"t.at < now() - interval '{PAIRS_KEPT}'",
    "service": f"t.start_at < now() - interval '{LATELY}'",
    "decision": f"t.at < now() - interval '{DECISIONS_KEPT}'",
    "ranking": f"""t.at < now() - interval '{LINKED_FOR}' AND NOT EXISTS (
      SELECT FROM matching.decision d WHERE d.tenant_id = t.tenant_id AND d.ranking_id = t.id)""",
}


class Upkeep:
    """Runs beside the service."""

    def __init__(self, url: str) -> None:
        """Takes the URL of the worker's role, which sees every tenant."""
        self._url = url

    async def run(self) -> None:
        """Forgets for ever; a failure is tried again at the next round."""
        await repeated(self.forget, every_seconds=INTERVAL_SECONDS)

    async def forget(self) -> Counter[str]:
        """Deletes what is past its time; gives how many rows of each table."""
        gone: Counter[str] = Counter()
        async with open_session(self._url, application="matching-upkeep") as connection:
            for table, past in PAST.items():
                for _ in range(STATEMENTS_MAX):
                    deleted = await _deleted(connection, table, past)
                    gone[table] += deleted
                    if deleted < ROWS_MAX:
                        break
        return gone


async def _deleted(connection: Connection, table: str, past: str) -> int:
    statement = (
        f"DELETE FROM matching.{table} WHERE ctid = ANY (ARRAY("
        f"SELECT t.ctid FROM matching.{table} t WHERE {past} LIMIT {ROWS_MAX}))"
    )
    return (await connection.execute(statement)).rowcount
