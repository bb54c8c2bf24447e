"""The services as programs: how many of each, with which settings, and how to reach them."""

import sys
from collections.abc import Mapping
from functools import partial

from deploy.local import probes
from deploy.local.database import ServiceUrls, package_of
from deploy.local.errors import StackError
from deploy.local.ports import MAX_REPLICAS, SERVICES, Ports, http_name
from deploy.local.process import Program
from deploy.local.rundir import ROOT, RunDir
from deploy.local.servers import Servers

# Services that are called by others find them by these settings.
CALLED = ("availability", "matching", "assignment")
# By tenant, the secrets with which outside calendars sign their webhooks.
CALENDAR_SECRETS_FILE = "calendar-secrets.json"
CALENDAR_TENANT = "demo"


def parse_replicas(text: str) -> dict[str, int]:
    """Reads `availability=2,assignment=2`; every service not named has one process."""
    counts = dict.fromkeys(SERVICES, 1)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        if name not in counts or not number.isdecimal() or not 1 <= int(number) <= MAX_REPLICAS:
            raise StackError(
                f"REPLICAS={text}: write service=number, such as availability=2,assignment=2, "
                f"with services out of {', '.join(SERVICES)} and 1 to {MAX_REPLICAS} of each"
            )
        counts[name] = int(number)
    return counts


def process_names(replicas: Mapping[str, int]) -> list[tuple[str, str]]:
    """Returns service and process name of every process, such as `assignment-1`."""
    return [(name, f"{name}-{index}") for name in SERVICES for index in range(replicas[name])]


def service_ports(replicas: Mapping[str, int]) -> list[str]:
    """Returns the names of the ports the services will listen on."""
    names = [name for _, name in process_names(replicas)]
    return [
        *names,
        *(f"{name}-metrics" for name in names),
        *(http_name(replica) for replica in range(replicas["gateway"])),
    ]


def addresses(ports: Ports, replicas: Mapping[str, int]) -> dict[str, list[str]]:
    """Returns the addresses of every service's processes; "web" is the gateway's plain HTTP."""
    found: dict[str, list[str]] = {name: [] for name in SERVICES}
    for service, name in process_names(replicas):
        found[service].append(ports.address(name))
    found["web"] = [ports.address(http_name(number)) for number in range(replicas["gateway"])]
    return found


def target(several: list[str]) -> str:
    """Returns one gRPC target for all processes of a service."""
    return several[0] if len(several) == 1 else f"ipv4:{','.join(several)}"


def python_path() -> str:
    """Returns the path on which the services and the generated contracts lie."""
    return f"{ROOT}:{ROOT / 'gen'}"


def settings_of(
    service: str,
    name: str,
    *,
    ports: Ports,
    servers: Servers,
    urls: Mapping[str, ServiceUrls],
    targets: Mapping[str, str],
    run: RunDir,
) -> dict[str, str]:
    """Returns the settings that tell one process where everything is."""
    settings = {
        "ADDRESS": ports.address(name),
        "METRICS_ADDRESS": ports.address(f"{name}-metrics"),
        "NATS_URL": servers.nats_url,
        "REDIS_URL": servers.redis_url,
        "JWKS_PATH": str(run.path / "jwks.json"),
        # Not there until somebody writes it.
        "FLAGS_PATH": str(run.path / "flags.json"),
    }
    if service in urls:
        settings["DATABASE_URL"] = urls[service].app
        settings["WORKER_DATABASE_URL"] = urls[service].worker
    if service in ("gateway", "assignment", "matching"):
        settings["SIGNING_KEY_PATH"] = str(run.path / "keys" / "signing.pem")
    if service == "assignment":
        settings["SEALS_PATH"] = str(run.path / "audit-seals.jsonl")
    if service == "gateway":
        settings["HTTP_ADDRESS"] = ports.address(f"{name}-http")
        settings["CALENDAR_SECRETS_PATH"] = str(run.path / CALENDAR_SECRETS_FILE)
    for called in CALLED:
        if called != service:
            settings[f"{called.upper()}_ADDRESS"] = targets[called]
    return {f"FAIRSLOT_{service.upper()}_{key}": value for key, value in settings.items()}


def service_programs(
    *,
    run: RunDir,
    ports: Ports,
    replicas: Mapping[str, int],
    servers: Servers,
    urls: Mapping[str, ServiceUrls],
    env: Mapping[str, str],
) -> list[Program]:
    """Returns a program for every process; settings in `env` that we do not make pass through."""
    where = addresses(ports, replicas)
    targets = {name: target(several) for name, several in where.items()}
    calendar_secrets = run.path / CALENDAR_SECRETS_FILE
    if not calendar_secrets.exists():
        run.write_json(CALENDAR_SECRETS_FILE, {CALENDAR_TENANT: [run.secrets()["calcom"]]})
    programs = []
    for service, name in process_names(replicas):
        settings = settings_of(
            service,
            name,
            ports=ports,
            servers=servers,
            urls=urls,
            targets=targets,
            run=run,
        )
        programs.append(
            Program(
                name=name,
                command=(sys.executable, "-m", package_of(service)),
                ready=partial(probes.grpc_serving, ports.address(name)),
                env={**env, **settings, "PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1"},
            )
        )
    return programs
