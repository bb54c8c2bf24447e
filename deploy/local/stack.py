"""The stack on one machine as context managers: the servers alone, or all of it."""

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.database import (
    ServiceUrls,
    create_database,
    database_name,
    secret_for,
    set_up,
)
from deploy.local.edge import envoy_program
from deploy.local.ports import HOST, SERVICES
from deploy.local.process import Report
from deploy.local.rundir import RunDir
from deploy.local.servers import EXTERNAL, Servers, server_ports, start_servers
from deploy.local.services import (
    CALENDAR_SECRETS_FILE,
    addresses,
    parse_replicas,
    process_names,
    service_ports,
    service_programs,
)
from deploy.local.session import Session, open_session, say_nothing
from deploy.local.tokens import Minter, ready_made_tokens
from deploy.local.world import check_world, load_world

SERVERS_FILE = "servers.json"
STACK_FILE = "stack.json"
# What the example world's loader reads while `stack.json` does not say yet that all is ready.
LOADING_FILE = "stack.loading.json"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack that is ready: the fields of `stack.json`, and what only Python callers need."""

    run: RunDir
    gateway: str
    metrics: Mapping[str, str]
    grpc: Mapping[str, str]
    tokens: Mapping[str, str]
    servers: Servers
    pids: Callable[[], Mapping[str, int]]
    # Waits for as long as the stack runs, and raises StackError when it cannot go on.
    failed: Callable[[], "asyncio.Future[None]"]

    @property
    def minter(self) -> Minter:
        """Signs tokens this stack accepts."""
        return Minter.of(self.run)

    def described(self) -> dict[str, object]:
        """Returns the content of `stack.json`."""
        return {
            "gateway": self.gateway,
            "metrics": dict(self.metrics),
            "grpc": dict(self.grpc),
            "tokens": dict(self.tokens),
            "calendar_secrets": self.run.read_json(CALENDAR_SECRETS_FILE),
            "pids": dict(self.pids()),
            "runner": os.getpid(),
            "run_dir": str(self.run.path),
            **dataclasses.asdict(self.servers),
        }


@contextlib.asynccontextmanager
async def running_servers(
    run_dir: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    report: Report = say_nothing,
) -> AsyncIterator[tuple[Servers, Session]]:
    """Runs PostgreSQL, NATS and Valkey, and describes them in `servers.json`."""
    async with open_session(run_dir, env, report) as session:
        session.ports.require_free(server_ports(session.env))
        async with session.group() as group:
            servers = await start_servers(
                group, run=session.run, ports=session.ports, env=session.env
            )
            content = {"runner": os.getpid(), "pids": session.pids(), **dataclasses.asdict(servers)}
            session.run.write_json(SERVERS_FILE, content)
            yield servers, session


@contextlib.asynccontextmanager
async def running_stack(
    run_dir: Path | None = None,
    *,
    world: str = "none",
    replicas: str = "",
    env: Mapping[str, str] | None = None,
    report: Report = say_nothing,
) -> AsyncIterator[Stack]:
    """Runs everything and yields when all of it is ready and the example world is loaded.

    Args:
        run_dir: where the stack keeps its things; FAIRSLOT_RUN_DIR or `.run` when None.
        world: the example world to load, unless this directory has it already.
        replicas: how many processes, such as `availability=2,assignment=2`; else one each.
        env: settings over those of this process, for the stack and all its services.
        report: takes a line for each thing that happens.

    Raises:
        StackError: a port is taken, a program did not start, or another stack runs there.
    """
    counts = parse_replicas(replicas)
    check_world(world)
    async with open_session(run_dir, env, report) as session, contextlib.AsyncExitStack() as open_:
        ports = session.ports
        ports.require_free(
            [*server_ports(session.env), *service_ports(counts), "gateway", "envoy-admin"]
        )
        server_group = await open_.enter_async_context(session.group())
        servers, tokens = await asyncio.gather(
            start_servers(server_group, run=session.run, ports=ports, env=session.env),
            asyncio.to_thread(ready_made_tokens, session.run),
        )
        servers, urls = await asyncio.to_thread(prepared_database, session, servers)
        where = addresses(ports, counts)
        service_group = await open_.enter_async_context(session.group())
        programs = service_programs(
            run=session.run,
            ports=ports,
            replicas=counts,
            servers=servers,
            urls=urls,
            env=session.env,
        )
        # Envoy starts after the services: once it is ready, it has found all of them healthy.
        envoy, _ = await asyncio.gather(
            asyncio.to_thread(envoy_program, session.run, ports, where),
            service_group.start(*programs),
        )
        edge_group = await open_.enter_async_context(session.group())
        await edge_group.start(envoy)
        stack = Stack(
            run=session.run,
            gateway=f"http://{HOST}:{ports['gateway']}",
            metrics={
                name: f"http://{ports.address(f'{name}-metrics')}/metrics"
                for _, name in process_names(counts)
            },
            grpc={service: where[service][0] for service in SERVICES},
            tokens=tokens,
            servers=servers,
            pids=session.pids,
            failed=lambda: asyncio.ensure_future(session.failed()),
        )
        await publish(stack, session, world)
        yield stack


def prepared_database(
    session: Session, servers: Servers
) -> tuple[Servers, Mapping[str, ServiceUrls]]:
    """Brings the stack's database up to date; returns its URLs."""
    begun = time.monotonic()
    external = bool(session.env.get(EXTERNAL["postgres"]))
    secret = secret_for(servers.database_url, session.run.secrets()["database"], external=external)
    name = database_name(session.run, servers.database_url, external=external)
    url = create_database(servers.database_url, name)
    urls = set_up(url, secret=secret)
    session.report(f"database ready after {time.monotonic() - begun:.2f} s")
    return dataclasses.replace(servers, database_url=url), urls


async def publish(stack: Stack, session: Session, world: str) -> None:
    """Loads the example world, then lets `stack.json` say that all is ready."""
    loading = stack.run.write_json(LOADING_FILE, stack.described())
    await load_world(
        world, run=stack.run, stack_file=loading, env=session.env, report=session.report
    )
    loading.unlink()

    def describe() -> None:
        stack.run.write_json(STACK_FILE, stack.described())

    describe()
    # A process that was started again has a new number.
    session.changed = describe
