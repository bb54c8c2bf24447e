"""The directory that holds everything one stack writes: logs, keys, secrets, data and its lock."""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_RUN_DIR = ROOT / ".run"
LOCK_ATTEMPTS = 4
LOCK_PAUSE_SECONDS = 0.02
SECRET_NAMES = ("database", "postgres", "nats", "valkey", "calcom")


@dataclass(frozen=True)
class RunDir:
    """One stack's directory. Two stacks may run side by side in two of them."""

    path: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "RunDir":
        """Takes FAIRSLOT_RUN_DIR, relative to the working directory, or `.run` of the repo."""
        return cls.at(Path(env.get("FAIRSLOT_RUN_DIR") or DEFAULT_RUN_DIR))

    @classmethod
    def at(cls, path: Path) -> "RunDir":
        """Takes a directory by any of its names."""
        return cls(path.resolve())

    @property
    def is_default(self) -> bool:
        """Whether this is the repo's own directory, which has the ports people remember."""
        return self.path == DEFAULT_RUN_DIR

    @property
    def label(self) -> str:
        """Tells this directory from all others in places that stacks share."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:12]

    @property
    def log(self) -> Path:
        """One file per process."""
        return self.path / "log"

    @property
    def stack_file(self) -> Path:
        """Describes the running stack; exists only while it is ready."""
        return self.path / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Held by the runner for as long as it lives; holds its process id."""
        return self.path / "runner.lock"

    @property
    def moved_data(self) -> Path:
        """Where the data of PostgreSQL goes when its user cannot enter this directory."""
        return Path("/var/tmp") / f"fairslot-{self.label}"

    def prepare(self) -> None:
        """Makes the directory and its closed rooms; PostgreSQL's user may pass through it."""
        if not self.path.exists():
            self.path.mkdir(parents=True)
            self.path.chmod(0o711)
        for closed in (self.log, self.path / "keys"):
            closed.mkdir(mode=0o700, exist_ok=True)

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads one of the directory's files; empty when there is none yet."""
        try:
            content = json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return {}
        if not isinstance(content, dict):
            raise StackError(f"{self.path / name} is damaged; `make reset` forgets everything here")
        return content

    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Writes one of the directory's files in one step, for its owner's eyes only."""
        return self.write(name, json.dumps(content, indent=2) + "\n")

    def write(self, name: str, text: str) -> Path:
        """Writes a text file in one step: readers see the old or the new one, whole."""
        target = self.path / name
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(target)
        return target

    def secrets(self) -> Mapping[str, str]:
        """Returns the passwords of this directory's servers, made when first asked for."""
        known = self.read_json("secrets.json")
        missing = {name: secrets.token_hex(16) for name in SECRET_NAMES if name not in known}
        if missing:
            self.write_json("secrets.json", {**known, **missing})
        return {**known, **missing}

    def runner_pid(self) -> int | None:
        """Returns the process that runs a stack here right now, if any."""
        try:
            with self.lock_file.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read() or 0)
        except FileNotFoundError:
            pass
        return None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the directory; the kernel lets go of it however this process ends."""
        with self.lock_file.open("a+") as file:
            # More than once, because whoever asks for the runner holds the lock for an instant.
            for attempt in range(LOCK_ATTEMPTS):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(LOCK_PAUSE_SECONDS * attempt)
            else:
                raise StackError(
                    f"a stack is already running in {self.path} (process {self.runner_pid()}); "
                    "`make down` stops it, another FAIRSLOT_RUN_DIR starts one beside it"
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def forget(self) -> None:
        """Removes everything a stack ever wrote here, moved data included."""
        if self.path.exists():
            shutil.rmtree(self.path)
        self.forget_moved_data()

    def forget_moved_data(self) -> None:
        """Removes what a stack of this directory had to keep elsewhere."""
        if self.moved_data.exists():
            shutil.rmtree(self.moved_data)
