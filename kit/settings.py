"""Reads a service's settings from the environment: one list with defaults and comments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service can be told; a service's own settings extend it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # Where it listens; port 0 takes any free one.
    address: str = "127.0.0.1:0"
    # Where /metrics is served; empty: nowhere.
    metrics_address: str = ""
    # The public keys that sign tokens.
    jwks_path: Path = Path("jwks.json")
    # What tokens must say of who made them, and for whom.
    issuer: str = "fairslot"
    audience: str = "fairslot"
    # Certificate, key and the authority of clients (PEM files); empty: plain text.
    tls_certificate_path: str = ""
    tls_key_path: str = ""
    tls_client_authority_path: str = ""
    # How long calls in flight may finish after SIGTERM.
    grace_seconds: float = 5.0
    # How long to say NOT_SERVING before refusing connections; several health intervals in
    # production.
    drain_seconds: float = 0.0
    # A JSON file with what is switched on for whom, read again when it changes; empty: defaults.
    flags_path: str = ""
    # Lowest level of log lines that are written.
    log_level: str = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes values from load() alone, so that two services in one process never read each
        other's.
        """
        return (init_settings,)


S = TypeVar("S", bound=ServiceSettings)


def load(kind: type[S], env: Mapping[str, str], *, service: str) -> S:
    """Returns the settings found in `env` under FAIRSLOT_<SERVICE>_<FIELD>; an unusable value is
    refused by name.
    """
    prefix = f"FAIRSLOT_{service.upper()}_"
    values = {
        key.removeprefix(prefix).lower(): value
        for key, value in env.items()
        if key.startswith(prefix)
    }
    return kind(**values)  # type: ignore[arg-type]
