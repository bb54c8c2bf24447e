"""Fills a fresh database of the service with the workload, straight into its tables."""

import psycopg
from psycopg.types.json import Jsonb

from bench.table import Bench
from bench.workload import BUFFER_MINUTES, DURATION_MINUTES, WORKING_RANGES, Cell, Worker, workers
from deploy.local.database import create_database, drop_database, secret_for, set_up, urls_of
from services.availability.domain import moment_of

DATABASE, TENANT = "fairslot_bench_availability", "bench"
SECRET = "for the roles of bench databases"
SERVICE_TYPE = """
INSERT INTO availability.service_type (tenant_id, id, display_name, duration_minutes,
  granularity_minutes, anchor, required_skills, buffer_before_minutes, buffer_after_minutes,
  min_notice_seconds, max_horizon_seconds, labels)
VALUES (%s, 'visit', 'Visit', %s, 15, 'MIDNIGHT', '[]', %s, %s, 0, 0, '{}')
"""
RESOURCES = """
COPY availability.resource (tenant_id, id, display_name, kind, active, time_zone, skills, priority,
  capacity_min, capacity_max, zone, movable, adjacent_resource_ids, labels) FROM STDIN
"""
RULES = """
COPY availability.weekly_rule (tenant_id, resource_id, position, weekdays, start_minute, end_minute,
  break_minutes) FROM STDIN
"""
BUSY = """
COPY availability.external_busy (tenant_id, resource_id, uid, sequence, start_at, end_at, deleted)
FROM STDIN
"""


def filled(bench: Bench, cell: Cell, *, secret: str = "", tenant: str = TENANT) -> dict[str, str]:
    """Makes the database; gives the settings of a process that serves it.

    The roles belong to the whole server: who shares it with others names the secret of theirs.
    """
    server = bench.servers.database_url
    secret = secret or secret_for(server, SECRET, external=False)
    drop_database(server, DATABASE)
    url = create_database(server, DATABASE)
    set_up(url, secret=secret, services=["availability"])
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        # The administrator passes the walls between tenants.
        cursor.execute("INSERT INTO availability.tenant (tenant_id) VALUES (%s)", (tenant,))
        sizes = (tenant, DURATION_MINUTES, BUFFER_MINUTES, BUFFER_MINUTES)
        cursor.execute(SERVICE_TYPE, sizes)
        _team(cursor, tenant, list(workers(cell)))
    urls = urls_of("availability", admin_url=url, secret=secret)
    settings = {
        "DATABASE_URL": urls.app,
        "WORKER_DATABASE_URL": urls.worker,
        "NATS_URL": bench.servers.nats_url,
        "REDIS_URL": bench.servers.redis_url,
        "REDIS_TIMEOUT_SECONDS": "0.5",
        "JWKS_PATH": str(bench.minter.jwks_path),
    }
    return {f"FAIRSLOT_AVAILABILITY_{name}": value for name, value in settings.items()}


def _team(cursor: psycopg.Cursor[tuple[object, ...]], tenant: str, team: list[Worker]) -> None:
    with cursor.copy(RESOURCES) as copy:
        for one in team:
            row = (tenant, one.id, "", "PERSON", True, one.time_zone, Jsonb([]), 0, 0, 0, "")
            copy.write_row((*row, False, [], Jsonb({})))
    with cursor.copy(RULES) as copy:
        for one in team:
            for position, (start, end) in enumerate(WORKING_RANGES):
                copy.write_row((tenant, one.id, position, [1, 2, 3, 4, 5], start, end, []))
    with cursor.copy(BUSY) as copy:
        for one in team:
            for number, (start, end) in enumerate(one.busy.tolist()):
                span = (moment_of(start), moment_of(end))
                copy.write_row((tenant, one.id, str(number), 0, *span, False))
