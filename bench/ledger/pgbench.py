"""Runs pgbench, which its wheel brings along, on the statements the service runs."""

from __future__ import annotations

import asyncio
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from bench.ledger.books import RESOURCES_PER_LANE, TENANT, Measured
from deploy.local.postgres import wheel_directory
from services.assignment.app import SESSION

THREADS = 2
# Each client has a lane: its own requests and resources, as the desk's writers have.
SCRIPT = """
\\set i :i + 1
\\set turn :first + :i
SELECT assignment.find_request('{tenant}', {request});
SELECT assignment.place(
    p_tenant => '{tenant}', p_actor => 'ann', p_method => 'Assign', p_key => {request},
    p_hash => sha256({request}::bytea), p_lock_ms => 3000, p_allocation_id => 'a-' || {request},
    p_request_id => {request}, p_service_type_id => 'visit',
    p_resource_ids => ARRAY[format('r%s-%s', :client_id::text, (:turn::int % {each})::text)],
    p_any => false,
    p_slot_start => '2027-03-01Z'::timestamptz + {turn},
    p_slot_end => '2027-03-01 01:00Z'::timestamptz + {turn},
    p_occupied_start => '2027-03-01Z'::timestamptz + {turn},
    p_occupied_end => '2027-03-01 01:00Z'::timestamptz + {turn},
    p_hold_seconds => NULL, p_token_hash => NULL, p_customer_hash => '', p_max_live_holds => 0,
    p_party_size => 0, p_place => NULL, p_reasons => ARRAY['measured']);
"""
# The same placements, many in one transaction and nothing else: what the database alone can do.
SCRIPT_OF_MANY = """
\\set i :i + 1
SELECT count(assignment.place(
    p_tenant => '{tenant}', p_actor => 'ann', p_method => 'Assign', p_key => request,
    p_hash => sha256(request::bytea), p_lock_ms => 3000, p_allocation_id => 'a-' || request,
    p_request_id => request, p_service_type_id => 'visit',
    p_resource_ids => ARRAY[format('r%s-%s', :client_id::text, turn % {each})],
    p_any => false, p_slot_start => begins, p_slot_end => begins + interval '1 hour',
    p_occupied_start => begins, p_occupied_end => begins + interval '1 hour',
    p_hold_seconds => NULL, p_token_hash => NULL, p_customer_hash => '', p_max_live_holds => 0,
    p_party_size => 0, p_place => NULL, p_reasons => ARRAY['measured']))
FROM (SELECT turn, format('{name}-%s-%s', :client_id::text, turn - :first::int) AS request,
        '2027-03-01Z'::timestamptz + make_interval(hours => 2 * (turn / {each})) AS begins
    FROM generate_series(0, {together} - 1) AS n,
        LATERAL (SELECT (:first + :i * {together} + n)::int AS turn) AS numbered) AS wanted;
"""
REQUEST = "format('{name}-%s-%s', :client_id::text, :i::text)"
TURN = f"make_interval(hours => 2 * (:turn::int / {RESOURCES_PER_LANE}))"


@dataclass(frozen=True)
class Rate:
    """How many transactions a second, and how long one took."""

    per_second: float
    p50_ms: float
    p99_ms: float


async def pgbench(
    measured: Measured,
    name: str,
    *,
    clients: int,
    seconds: int,
    first: int = 0,
    together: int = 1,
) -> Rate:
    """Runs the script with so many clients and returns what they did.

    With `together` each transaction places so many; the rate still counts placements.
    """
    with tempfile.TemporaryDirectory(prefix="fairslot-pgbench-") as directory:
        script = written(Path(directory, "book.sql"), name, together)
        arguments = ["-n", "-M", "prepared", "-c", clients, "-j", THREADS, "-T", seconds]
        arguments += ["-D", "i=-1", "-D", f"first={first}"]
        arguments += ["-l", "--log-prefix", Path(directory, "log"), "-f", script]
        arguments += [make_conninfo(measured.url, options=SESSION)]
        process = await asyncio.create_subprocess_exec(
            str(wheel_directory() / "bin" / "pgbench"),
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
        found = re.search(r"tps = ([\d.]+)", output)
        if process.returncode or not found or "number of failed transactions: 0 " not in output:
            raise RuntimeError(f"pgbench failed:\n{output}")
        return Rate(together * float(found[1]), *latencies(Path(directory)))


def written(path: Path, name: str, together: int) -> Path:
    """Writes the script that books the requests of a name."""
    values = {"tenant": TENANT, "each": RESOURCES_PER_LANE, "name": name, "together": together}
    request = REQUEST.format(name=name)
    script = SCRIPT if together == 1 else SCRIPT_OF_MANY
    path.write_text(script.format(**values, request=request, turn=TURN))
    return path


def latencies(directory: Path) -> tuple[float, float]:
    """Returns p50 and p99 of the transactions in pgbench's logs, in milliseconds."""
    took = sorted(
        int(line.split()[2]) / 1000
        for log in directory.glob("log.*")
        for line in log.read_text().splitlines()
    )
    return took[len(took) // 2], took[len(took) * 99 // 100]
