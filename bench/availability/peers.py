"""The peer to beat: the best pure SQL for the slot question, in two forms, on the same data."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from bench.workload import (
    BUFFER_MINUTES,
    DURATION_MINUTES,
    WORKING_RANGES,
    Cell,
    answer_hash,
    workers,
)

SCHEMA = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE schedule (id int PRIMARY KEY, tz text NOT NULL);
CREATE TABLE working_hours (schedule_id int, isodow int, st interval, en interval);
CREATE TABLE resource (id int PRIMARY KEY, schedule_id int NOT NULL);
CREATE TABLE busy (resource_id int, during tstzrange NOT NULL);
CREATE TABLE busy_i (resource_id int, b0 int, b1 int);
CREATE TABLE work_i (schedule_id int, mr int4multirange);
"""
INDEXES = """
CREATE INDEX ON busy USING gist (resource_id, during);
CREATE INDEX ON busy_i (resource_id, b0);
ANALYZE;
"""
# Working time in minutes since 1970, expanded before the clock starts: in the peer's favour.
WORK = """
INSERT INTO work_i
SELECT s.id, range_agg(int4range(
    extract(epoch FROM greatest((d.d + h.st) AT TIME ZONE s.tz, %(w0)s))::int / 60,
    extract(epoch FROM least((d.d + h.en) AT TIME ZONE s.tz, %(w1)s))::int / 60))
FROM schedule s JOIN working_hours h ON h.schedule_id = s.id
CROSS JOIN LATERAL generate_series((%(w0)s AT TIME ZONE s.tz)::date::timestamp,
    (%(w1)s AT TIME ZONE s.tz)::date::timestamp, interval '1 day') d(d)
WHERE extract(isodow FROM d.d) = h.isodow
  AND (d.d + h.st) AT TIME ZONE s.tz < %(w1)s AND (d.d + h.en) AT TIME ZONE s.tz > %(w0)s
GROUP BY s.id
"""
MOMENTS = """
WITH wk AS MATERIALIZED (
  SELECT s.id sid, range_agg(tstzrange(greatest((d.d + h.st) AT TIME ZONE s.tz, %(w0)s),
      least((d.d + h.en) AT TIME ZONE s.tz, %(w1)s))) mr
  FROM schedule s JOIN working_hours h ON h.schedule_id = s.id
  CROSS JOIN LATERAL generate_series((%(w0)s AT TIME ZONE s.tz)::date::timestamp,
      (%(w1)s AT TIME ZONE s.tz)::date::timestamp, interval '1 day') d(d)
  WHERE extract(isodow FROM d.d) = h.isodow
    AND (d.d + h.st) AT TIME ZONE s.tz < %(w1)s AND (d.d + h.en) AT TIME ZONE s.tz > %(w0)s
  GROUP BY s.id),
bz AS (
  SELECT resource_id,
    range_agg(tstzrange(lower(during) - %(buffer)s, upper(during) + %(buffer)s)) mr
  FROM busy WHERE during && tstzrange(%(w0)s - %(buffer)s, %(w1)s + %(buffer)s)
  GROUP BY resource_id),
fr AS (
  SELECT r.id rid, unnest(CASE WHEN bz.mr IS NULL THEN wk.mr ELSE wk.mr - bz.mr END) f
  FROM resource r JOIN wk ON wk.sid = r.schedule_id LEFT JOIN bz ON bz.resource_id = r.id)
SELECT extract(epoch FROM s)::int / 60, count(*)::int, array_agg(rid ORDER BY rid)
FROM fr CROSS JOIN LATERAL generate_series(
    CASE WHEN date_bin(%(step)s, lower(f), 'epoch'::timestamptz) = lower(f) THEN lower(f)
    ELSE date_bin(%(step)s, lower(f), 'epoch'::timestamptz) + %(step)s END,
    upper(f) - %(duration)s, %(step)s) s
GROUP BY s ORDER BY s
"""
MINUTES = """
WITH bz AS (
  SELECT resource_id, range_agg(int4range(b0 - %(buffer)s, b1 + %(buffer)s)) mr
  FROM busy_i WHERE b0 < %(m1)s + %(buffer)s AND b1 > %(m0)s - %(buffer)s GROUP BY resource_id),
fr AS (
  SELECT r.id rid, unnest(CASE WHEN bz.mr IS NULL THEN wk.mr ELSE wk.mr - bz.mr END) f
  FROM resource r JOIN work_i wk ON wk.schedule_id = r.schedule_id
  LEFT JOIN bz ON bz.resource_id = r.id)
SELECT s, count(*)::int, array_agg(rid ORDER BY rid)
FROM fr CROSS JOIN LATERAL generate_series(
    (lower(f) + %(g)s - 1) / %(g)s * %(g)s, upper(f) - %(duration)s, %(g)s) s
GROUP BY s ORDER BY s
"""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to ask in SQL, with what it is bound to."""

    name: str
    statement: str
    values: Mapping[str, Any]


class Peer:
    """PostgreSQL with the workload in indexed, analysed tables."""

    def __init__(self, url: str, cell: Cell) -> None:
        """Connects with what serves the queries best."""
        self._cell = cell
        self._connection = psycopg.connect(
            url,
            autocommit=True,
            options="-c jit=off -c work_mem=128MB -c timezone=UTC",
        )

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def fill(self) -> None:
        """Writes the workload."""
        team = list(workers(self._cell))
        zones = list(dict.fromkeys(worker.time_zone for worker in team))
        with self._connection.cursor() as cursor:
            cursor.execute(SCHEMA)
            cursor.executemany("INSERT INTO schedule VALUES (%s, %s)", enumerate(zones))
            cursor.executemany(
                "INSERT INTO working_hours VALUES (%s, %s, %s, %s)",
                [
                    (number, day, timedelta(minutes=start), timedelta(minutes=end))
                    for number in range(len(zones))
                    for day in range(1, 6)
                    for start, end in WORKING_RANGES
                ],
            )
            with cursor.copy("COPY resource FROM STDIN") as copy:
                for number, worker in enumerate(team):
                    copy.write_row((number, zones.index(worker.time_zone)))
            with cursor.copy("COPY busy_i FROM STDIN") as copy:
                for number, worker in enumerate(team):
                    for start, end in worker.busy.tolist():
                        copy.write_row((number, start, end))
            cursor.execute(
                "INSERT INTO busy SELECT resource_id,"
                " tstzrange(to_timestamp(b0 * 60::bigint), to_timestamp(b1 * 60::bigint))"
                " FROM busy_i"
            )
            cursor.execute(WORK, self._moments())
            for statement in INDEXES.strip().split(";\n"):
                cursor.execute(statement)

    def forms(self) -> Sequence[Form]:
        """Gives both forms, bound to the workload's question."""
        m0, m1 = self._cell.window
        buffer, duration = timedelta(minutes=BUFFER_MINUTES), timedelta(minutes=DURATION_MINUTES)
        step = timedelta(minutes=self._cell.granularity)
        return (
            Form(
                "tstzmultirange",
                MOMENTS,
                {**self._moments(), "buffer": buffer, "duration": duration, "step": step},
            ),
            Form(
                "int4multirange",
                MINUTES,
                {
                    "m0": m0,
                    "m1": m1,
                    "g": self._cell.granularity,
                    "buffer": BUFFER_MINUTES,
                    "duration": DURATION_MINUTES,
                },
            ),
        )

    def seconds(self, form: Form) -> float:
        """Gives how long one query takes, up to its rows in this process."""
        with self._connection.cursor(binary=True) as cursor:
            began = time.perf_counter()
            cursor.execute(form.statement, form.values, prepare=True)
            cursor.fetchall()
            return time.perf_counter() - began

    def hash_of(self, form: Form) -> str:
        """Gives the hash of a form's answer."""
        with self._connection.cursor(binary=True) as cursor:
            rows = cursor.execute(form.statement, form.values).fetchall()
        return answer_hash(
            np.array([row[0] for row in rows]),
            np.array([row[1] for row in rows]),
            np.array([one for row in rows for one in row[2]]),
        )

    def _moments(self) -> dict[str, datetime]:
        m0, m1 = self._cell.window
        return {
            "w0": datetime.fromtimestamp(m0 * 60, UTC),
            "w1": datetime.fromtimestamp(m1 * 60, UTC),
        }
