"""Answers what is switched on for a tenant: OpenFeature over a JSON file that is read again when it
changes, `{"flag": {"default": value, "tenants": {"demo": value}}}`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

TENANTS, DEFAULT = "tenants", "default"


class Flags:
    """The flags of a service. Without a file every flag has the default its reader names."""

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else None
        self._read_at = -1
        # OpenFeature keeps providers by domain; each object has its own.
        self._domain = f"fairslot-{id(self)}"
        self._client = api.get_client(self._domain)

    def on(self, name: str, tenant: str, *, default: bool) -> bool:
        """Says whether something is switched on for a tenant."""
        self._refresh()
        return self._client.get_boolean_value(name, default, EvaluationContext(tenant))

    def text(self, name: str, tenant: str, *, default: str) -> str:
        """Returns what a tenant's flag says."""
        self._refresh()
        return self._client.get_string_value(name, default, EvaluationContext(tenant))

    def _refresh(self) -> None:
        changed_at = self._path.stat().st_mtime_ns if self._path and self._path.exists() else 0
        if changed_at == self._read_at:
            return
        self._read_at = changed_at
        try:
            values = json.loads(self._path.read_text()) if self._path and changed_at else {}
        except ValueError:
            # Half written or wrong: what held so far holds on.
            return
        flags = {
            name: InMemoryFlag(DEFAULT, one, {}, context_evaluator=_of_tenant)
            for name, one in values.items()
        }
        api.set_provider_and_wait(InMemoryProvider(flags), self._domain)


def _of_tenant(flag: InMemoryFlag[Any], context: EvaluationContext) -> FlagResolutionDetails[Any]:
    own = flag.variants.get(TENANTS, {})
    if context.targeting_key in own:
        return FlagResolutionDetails(own[context.targeting_key], reason=Reason.TARGETING_MATCH)
    return FlagResolutionDetails(flag.variants[DEFAULT], reason=Reason.STATIC)
