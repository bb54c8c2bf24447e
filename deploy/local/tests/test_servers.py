"""The servers stop cleanly, leave no orphans, run side by side, and as root or not."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.background import background, spawn, stop, wait_ready
from deploy.local.ports import HOST, Ports
from deploy.local.postgres import PLAIN_USER, can_enter, copied_programs, wheel_directory
from deploy.local.recovery import birth
from deploy.local.rundir import ROOT, RunDir
from deploy.local.servers import Servers, started_here
from deploy.local.stack import SERVERS_FILE

ORPHANS_TIMEOUT_SECONDS = 5.0
STOP_SECONDS = 1.0
START_TIMEOUT_SECONDS = 60

pytestmark = pytest.mark.skipif(
    len(started_here(os.environ)) < 3, reason="the environment points at servers that run already"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory every user may pass through."""
    with tempfile.TemporaryDirectory(prefix="fairslot-servers-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def wait_gone(pids: dict[str, int]) -> None:
    """Returns when no process is left; fails when they stay."""
    deadline = time.monotonic() + ORPHANS_TIMEOUT_SECONDS
    while left := {name for name, pid in pids.items() if birth(pid)}:
        assert time.monotonic() < deadline, f"orphans: {left}"
        time.sleep(0.01)


def test_a_killed_runner_leaves_no_orphans_and_the_next_start_finds_the_data(place: Path) -> None:
    run = RunDir(place / "run")
    runner = spawn(run, ["servers"], bound=True)
    first = wait_ready(run, runner, SERVERS_FILE)
    with psycopg.connect(first["database_url"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
    runner.kill()
    # As when memory runs out: its children are still there when the next one starts.
    with contextlib.suppress(ProcessLookupError):
        os.kill(first["pids"]["postgres"], signal.SIGKILL)
    runner.wait()
    # Without a pause: the second start has to wait for the dying processes of the first.
    with background(run, ["servers"], SERVERS_FILE) as second:
        wait_gone(first["pids"])
        with psycopg.connect(second["database_url"]) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)
        begun = time.monotonic()
        assert stop(run)
        assert time.monotonic() - begun < STOP_SECONDS
    wait_gone(second["pids"])
    assert not (run.path / SERVERS_FILE).exists()


def test_a_second_stack_runs_beside_the_first(place: Path, servers: Servers) -> None:
    run = RunDir(place / "run")
    with background(run, ["servers"], SERVERS_FILE) as second:
        assert second["database_url"] != servers.database_url
        for url in (second["database_url"], servers.database_url):
            psycopg.connect(url).close()
        # Not so in the same directory.
        refused = command(run, "servers")
        assert refused.returncode == 1
        assert "already running" in refused.stderr


def test_a_taken_port_is_explained_and_nothing_is_left(place: Path) -> None:
    run = RunDir(place / "run")
    run.prepare()
    with socket.socket() as holder:
        holder.bind((HOST, Ports.of(run, {})["valkey"]))
        refused = command(run, "servers")
    assert refused.returncode == 1
    assert "FAIRSLOT_VALKEY_PORT" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (run.path / SERVERS_FILE).exists()


def command(run: RunDir, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command of deploy.local to its end."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments],
        env={**os.environ, "FAIRSLOT_RUN_DIR": str(run.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
        check=False,
    )


def test_lost_passwords_are_explained(place: Path) -> None:
    run = RunDir(place / "run")
    with background(run, ["servers"], SERVERS_FILE):
        pass
    (run.path / "secrets.json").unlink()
    refused = command(run, "servers")
    assert refused.returncode == 1
    assert "make reset" in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that root alone can enter")
def test_roots_own_directory_is_no_obstacle(place: Path) -> None:
    place.chmod(0o700)
    run = RunDir(place / "run")
    try:
        with background(run, ["servers"], SERVERS_FILE) as found:
            psycopg.connect(found["database_url"]).close()
            assert run.moved_data.exists()
        # Passwords and data go together, wherever they lie.
        shutil.rmtree(run.path)
        with background(run, ["servers"], SERVERS_FILE) as found:
            psycopg.connect(found["database_url"]).close()
    finally:
        run.forget()
    assert not run.moved_data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as somebody else")
def test_programs_in_roots_own_directory_are_copied_for_the_user_who_runs_them(
    place: Path,
) -> None:
    user = pwd.getpwnam(PLAIN_USER)
    programs = copied_programs(wheel_directory(), place)
    assert copied_programs(wheel_directory(), place) == programs
    for name in ("initdb", "postgres"):
        # Through its libraries, which lie elsewhere than in a usual installation.
        shown = subprocess.run(
            [programs / name, "--version"],
            user=user.pw_uid,
            env={},
            capture_output=True,
            check=True,
        )
        assert b"PostgreSQL" in shown.stdout


def plain_python(uid: int) -> str:
    """Returns a Python of this version that an ordinary user may run; skips if there is none."""
    for candidate in (Path(sys.executable), Path(f"/usr/bin/python3.{sys.version_info.minor}")):
        if candidate.exists() and can_enter(candidate.resolve(), uid):
            return str(candidate)
    pytest.skip("an ordinary user cannot run any Python of this version here")


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_can_run_it(place: Path) -> None:
    user = pwd.getpwnam(PLAIN_USER)
    packages = sysconfig.get_path("purelib")
    python = plain_python(user.pw_uid)
    if not can_enter(Path(packages), user.pw_uid):
        pytest.skip("an ordinary user cannot read the installed wheels here")
    copy, run = place / "repo", RunDir(place / "run")
    shutil.copytree(ROOT / "deploy", copy / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    run.path.mkdir()
    os.chown(run.path, user.pw_uid, user.pw_gid)
    runner = subprocess.Popen(
        [python, "-m", "deploy.local", "servers"],
        env={
            "FAIRSLOT_RUN_DIR": str(run.path),
            "PATH": f"{sysconfig.get_path('scripts')}:{os.defpath}",
            "PYTHONPATH": f"{copy}:{packages}",
        },
        cwd=copy,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        stdout=subprocess.DEVNULL,
    )
    try:
        found = wait_ready(run, runner, SERVERS_FILE)
        psycopg.connect(found["database_url"]).close()
        owner = Path(f"/proc/{found['pids']['postgres']}").stat().st_uid
        assert owner == user.pw_uid
    finally:
        with contextlib.suppress(ProcessLookupError):
            runner.send_signal(signal.SIGINT)
        assert runner.wait(START_TIMEOUT_SECONDS) == 0
