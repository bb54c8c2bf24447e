"""A service as a value, and the one way to serve it: alone in a process, beside others, or in a
test.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2_grpc

from kit import logs
from kit.health import Check, Health
from kit.identity import Verifier
from kit.interceptors import Edge
from kit.metrics import CallMetrics, served
from kit.settings import ServiceSettings
from kit.stopping import stopped

# Calls leave little in circles; the default thresholds would look for them every few calls.
COLLECT_AFTER = (20_000, 20, 20)
RECEIVE_BYTES_MAX = 4 * 1024 * 1024

OPTIONS: tuple[tuple[str, Any], ...] = (
    # Past 1,000 calls waiting to be accepted the core answers a bare CANCELLED, which nobody may
    # retry.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 30_000),
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a process needs to know of a service to run it."""

    name: str
    settings: ServiceSettings
    # Each adds one servicer to the server.
    register: tuple[Callable[[grpc.aio.Server], None], ...]
    # Run beside the server; when one ends in an error the process stops and is restarted.
    tasks: tuple[Callable[[], Awaitable[None]], ...] = ()
    # What must hold for the service to be of use.
    checks: Mapping[str, Check] = field(default_factory=dict)
    metrics: CallMetrics = field(default_factory=CallMetrics)
    # More options for this service's server; they come after and win over OPTIONS.
    options: tuple[tuple[str, Any], ...] = ()
    # Requests whose rules are compiled before anybody asks: the first caller need not wait for it.
    compiled_ahead: tuple[type[Message], ...] = ()
    # Called when the service is told to stop, before its streams are cut.
    on_leave: tuple[Callable[[], Awaitable[None]], ...] = ()


Opener = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Service]]


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    """Serves until the block ends; yields the address with the port that was bound."""
    settings = service.settings
    verifier = Verifier(
        jwks_path=settings.jwks_path, issuer=settings.issuer, audience=settings.audience
    )
    edge = Edge(verifier=verifier, metrics=service.metrics)
    for request in service.compiled_ahead:
        edge.validator.collect_violations(request())
    verifier.rehearse()
    server = grpc.aio.server(interceptors=(edge,), options=(*OPTIONS, *service.options))
    health = Health(name=service.name, checks=service.checks)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    for register in service.register:
        register(server)
    host = settings.address.rpartition(":")[0]
    port = _bind(server, settings)
    with served(service.metrics.registry, settings.metrics_address):
        try:
            async with asyncio.TaskGroup() as group:
                await health.look()
                background = [group.create_task(_named(t)) for t in (*service.tasks, health.watch)]
                try:
                    await server.start()
                    yield f"{host}:{port}"
                finally:
                    await _leave(service, server, health)
                    await stopped(background)
        except BaseExceptionGroup as group_error:
            # One failure, of a task or of the block itself, is raised as what it is.
            if len(group_error.exceptions) == 1:
                raise group_error.exceptions[0] from group_error
            raise


async def _leave(service: Service, server: grpc.aio.Server, health: Health) -> None:
    await health.leave()
    await asyncio.sleep(service.settings.drain_seconds)
    for leave in service.on_leave:
        await leave()
    await server.stop(service.settings.grace_seconds)


async def _named(task: Callable[[], Awaitable[None]]) -> None:
    await task()


def _bind(server: grpc.aio.Server, settings: ServiceSettings) -> int:
    if not settings.tls_certificate_path:
        return server.add_insecure_port(settings.address)
    authority = settings.tls_client_authority_path
    credentials = grpc.ssl_server_credentials(
        [
            (
                Path(settings.tls_key_path).read_bytes(),
                Path(settings.tls_certificate_path).read_bytes(),
            )
        ],
        root_certificates=Path(authority).read_bytes() if authority else None,
        require_client_auth=bool(authority),
    )
    return server.add_secure_port(settings.address, credentials)


def run(open_service: Opener) -> None:
    """Runs one service as this process until SIGTERM or SIGINT; a second signal ends it at once."""
    uvloop.run(_run(open_service))
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed by now; taking the interpreter apart would only cost time at every stop.
    os._exit(0)


async def _run(open_service: Opener) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    env = os.environ
    logs.configure(_log_level(env))
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(env))
        # What was made at the start stays for good: the collector need not look at it again.
        # Done before anybody calls, who would wait for it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        address = await stack.enter_async_context(serving(service))
        logs.logger(service.name).info("listening", address=address)
        await stop.wait()


def _log_level(env: Mapping[str, str]) -> str:
    return env.get("FAIRSLOT_LOG_LEVEL", "INFO")
