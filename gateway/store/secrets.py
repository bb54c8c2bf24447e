"""The secrets of calendar webhooks: a file that is read again when it changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

# The new one and the one before it.
SECRETS_MAX = 2


class CalendarSecrets:
    """Secrets by tenant, from {"tenant": ["new", "old"]}; rotation takes no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, int] = (0, 0)
        self._secrets: Mapping[str, Sequence[str]] = {}

    def of(self, tenant: str = "") -> Mapping[str, Sequence[str]]:
        """Returns the secrets of one tenant, or of all."""
        stat = self._path.stat()
        if self._read != (stat.st_mtime_ns, stat.st_ino):
            told = json.loads(self._path.read_text())
            self._secrets = {
                name: [str(secret) for secret in secrets][:SECRETS_MAX]
                for name, secrets in told.items()
            }
            self._read = (stat.st_mtime_ns, stat.st_ino)
        if not tenant:
            return self._secrets
        return {tenant: self._secrets.get(tenant, ())}
