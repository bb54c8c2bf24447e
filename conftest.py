"""Fixtures for all tests: real servers, fresh databases, tokens, and the whole stack."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.background import background
from deploy.local.database import (
    create_database,
    drop_database,
    secret_for,
    set_up,
    urls_of,
)
from deploy.local.rundir import RunDir
from deploy.local.servers import EXTERNAL, Servers, started_here
from deploy.local.stack import SERVERS_FILE, STACK_FILE
from deploy.local.tokens import Minter

# Two of what may be doubled, so that every story also runs across processes.
STACK_REPLICAS = "availability=2,assignment=2"
# Webhooks of the tests go to receivers on this machine.
STACK_ENV = {"FAIRSLOT_NOTIFY_WEBHOOK_NETWORKS": "127.0.0.0/8"}
# Where data may lie in memory, and with how much room: what the servers of the tests write stays
# far below it. A stack and whatever is killed or filled up keep theirs on the disk.
MEMORY = "/dev/shm"
MEMORY_BYTES_MIN = 4 * 1024**3
PREFIX = "fairslot-test-"
# What the passwords of the roles come from, on a server that lives no longer than the tests.
OWN_ROLE_SECRET = "for the roles of test databases"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that points the tests at a stack that runs already."""
    parser.addoption("--target", help="stack.json of a running stack to test instead of a new one")


@dataclass(frozen=True)
class Database:
    """A fresh database with the schema of one service, and the URLs of its roles."""

    name: str
    url: str
    worker_url: str
    owner_url: str
    admin_url: str


@dataclass(frozen=True)
class RunningStack:
    """A stack under test: what its `stack.json` says, and the key to make tokens for it."""

    described: dict[str, Any]
    minter: Minter
    # Where its services look for flags; not there until somebody writes it.
    flags_file: Path

    @property
    def gateway(self) -> str:
        """The public URL."""
        return str(self.described["gateway"])

    @property
    def grpc(self) -> dict[str, str]:
        """The address of the first process of every service."""
        return dict(self.described["grpc"])

    @property
    def tokens(self) -> dict[str, str]:
        """The ready-made tokens by name."""
        return dict(self.described["tokens"])

    @property
    def database_url(self) -> str:
        """The administrator's URL of the stack's database."""
        return str(self.described["database_url"])


def memory() -> str | None:
    """Returns a directory in memory with room for the data of the tests' servers, if there is one.

    A database for each test is made and dropped there in a third of the time that a disk takes.
    """
    try:
        room = os.statvfs(MEMORY)
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
    # Servers may be copied there, and run.
    usable = os.access(MEMORY, os.W_OK) and not room.f_flag & os.ST_NOEXEC
    enough = min(room.f_bavail * room.f_frsize, available) >= MEMORY_BYTES_MIN
    return MEMORY if usable and enough else None


def forget_the_killed(place: str) -> None:
    """Removes what tests that were killed left there: memory is not theirs to keep."""
    for left in Path(place).glob(f"{PREFIX}*"):
        process = Path("/proc") / left.name.removeprefix(PREFIX).partition("-")[0]
        if left.is_dir() and left.stat().st_uid == os.getuid() and not process.exists():
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def run_dir() -> Iterator[RunDir]:
    """A run directory for this test session; PostgreSQL's own user may pass through it."""
    place = memory()
    if place is not None:
        forget_the_killed(place)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=place) as name:
        path = Path(name)
        path.chmod(0o711)
        run = RunDir(path)
        run.prepare()
        yield run
        run.forget_moved_data()


@pytest.fixture(scope="session")
def servers(run_dir: RunDir) -> Iterator[Servers]:
    """PostgreSQL, NATS and Valkey: started for this session, or those the environment names."""
    if not started_here(os.environ):
        yield Servers(*(os.environ[setting] for setting in EXTERNAL.values()))
        return
    with background(run_dir, ["servers"], SERVERS_FILE) as found:
        yield Servers(found["database_url"], found["nats_url"], found["redis_url"])


@pytest.fixture(scope="session")
def role_secret(servers: Servers) -> str:
    """What the passwords of the roles come from; a shared server has its own."""
    external = bool(os.environ.get(EXTERNAL["postgres"]))
    return secret_for(servers.database_url, OWN_ROLE_SECRET, external=external)


@pytest.fixture(scope="session")
def templates(servers: Servers, role_secret: str) -> Iterator[Callable[[str], str]]:
    """Returns, per service, the name of a migrated database to copy; made when first asked for."""
    made: dict[str, str] = {}

    def template(service: str) -> str:
        if service not in made:
            name = f"fairslot_template_{service}_{os.getpid()}"
            drop_database(servers.database_url, name)
            url = create_database(servers.database_url, name)
            set_up(url, secret=role_secret, services=[service])
            made[service] = name
        return made[service]

    yield template
    for name in made.values():
        drop_database(servers.database_url, name)


@pytest.fixture
def database(
    servers: Servers,
    role_secret: str,
    templates: Callable[[str], str],
    run_dir: RunDir,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[str], Database]]:
    """Returns a function from a service's name to a fresh, migrated database of its own."""
    made: list[str] = []
    numbers = itertools.count()

    def fresh(service: str) -> Database:
        # The test's number in this process tells its databases from all others.
        name = f"fairslot_test_{os.getpid()}_{id(request.node)}_{next(numbers)}"
        url = create_database(servers.database_url, name, template=templates(service))
        made.append(name)
        urls = urls_of(service, admin_url=url, secret=role_secret)
        return Database(name, urls.app, urls.worker, urls.owner, url)

    yield fresh
    if started_here(os.environ) and not run_dir.path.is_relative_to(MEMORY):
        # They go with their server, whose data is thrown away: where a file system is slow to make
        # files soon after it deleted others, dropping each would take as long as many a test.
        return
    for name in made:
        drop_database(servers.database_url, name)


@pytest.fixture(scope="session")
def tokens(run_dir: RunDir) -> Minter:
    """Signs tokens: `tokens.mint("demo", ["planner"])`; services verify by `tokens.jwks_path`."""
    return Minter.of(run_dir)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    """The whole stack without a world: started for this session, or the one `--target` names."""
    target = request.config.getoption("--target")
    if target:
        run = RunDir.at(Path(target).parent)
        yield RunningStack(run.read_json(STACK_FILE), Minter.of(run), run.path / "flags.json")
        return
    with tempfile.TemporaryDirectory(prefix="fairslot-stack-") as name:
        Path(name).chmod(0o711)
        run = RunDir(Path(name))
        arguments = ["up", "--world", "none", "--replicas", STACK_REPLICAS]
        with background(run, arguments, STACK_FILE, env=STACK_ENV) as described:
            yield RunningStack(described, Minter.of(run), run.path / "flags.json")
        run.forget_moved_data()
