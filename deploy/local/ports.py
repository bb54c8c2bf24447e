"""Which port each process of a stack listens on: fixed for `.run`, a block of its own elsewhere."""

import errno
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy.local.errors import StackError
from deploy.local.rundir import RunDir

HOST = "127.0.0.1"
SERVICES = ("availability", "matching", "assignment", "notify", "gateway")
MAX_REPLICAS = 8
HIGHEST_PORT = 65_535

# All below 32768, where Linux starts to hand out ports to outgoing connections.
DEFAULT_PORTS = {
    "gateway": 8080,
    "envoy-admin": 9901,
    "postgres": 15432,
    "nats": 14222,
    "nats-monitor": 18222,
    "valkey": 16379,
}
DEFAULT_SERVICE_BASE = 15100
DEFAULT_METRICS_BASE = 15200
DEFAULT_HTTP_BASE = 15300
PORTS_PER_SERVICE = 10

BLOCK_FIRST = 20_000
BLOCK_SIZE = 100
BLOCK_COUNT = 100


def setting_of(name: str) -> str:
    """Returns the environment variable that moves the port of a process."""
    return f"FAIRSLOT_{re.sub('[^A-Z0-9]', '_', name.upper())}_PORT"


def service_names() -> Iterable[tuple[int, int, str]]:
    """Yields service number, replica number and name of every process there may be."""
    for number, service in enumerate(SERVICES):
        for replica in range(MAX_REPLICAS):
            yield number, replica, f"{service}-{replica}"


def http_name(replica: int) -> str:
    """Returns the name of the port on which a gateway process serves plain HTTP."""
    return f"gateway-{replica}-http"


def default_ports() -> dict[str, int]:
    """Returns the ports of the repo's own stack."""
    ports = dict(DEFAULT_PORTS)
    for number, replica, name in service_names():
        offset = number * PORTS_PER_SERVICE + replica
        ports[name] = DEFAULT_SERVICE_BASE + offset
        ports[f"{name}-metrics"] = DEFAULT_METRICS_BASE + offset
    for replica in range(MAX_REPLICAS):
        ports[http_name(replica)] = DEFAULT_HTTP_BASE + replica
    return ports


def block_ports(first: int) -> dict[str, int]:
    """Returns the ports of a stack that has the block starting at `first`."""
    names = [*DEFAULT_PORTS]
    for _, _, name in service_names():
        names += [name, f"{name}-metrics"]
    names += [http_name(replica) for replica in range(MAX_REPLICAS)]
    return {name: first + offset for offset, name in enumerate(names)}


def is_free(port: int) -> bool:
    """Tells whether this process could listen there; a connection could not tell that."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def find_block(run: RunDir) -> int:
    """Returns the first port of a block nobody listens in; raises StackError when there is none.

    The search begins at a place that depends on the directory, so that stacks that start at the
    same moment rarely look at the same block.
    """
    start = int(run.label, 16)
    for attempt in range(BLOCK_COUNT):
        first = BLOCK_FIRST + (start + attempt) % BLOCK_COUNT * BLOCK_SIZE
        if all(is_free(port) for port in block_ports(first).values()):
            return first
    raise StackError(
        f"no free block of {BLOCK_SIZE} ports between {BLOCK_FIRST} and "
        f"{BLOCK_FIRST + BLOCK_COUNT * BLOCK_SIZE}; stop a stack that is no longer needed"
    )


@dataclass(frozen=True)
class Ports:
    """The port of every process by its name, such as `nats` or `assignment-0-metrics`."""

    by_name: Mapping[str, int]

    @classmethod
    def of(cls, run: RunDir, env: Mapping[str, str]) -> "Ports":
        """Returns the ports of a directory: the remembered ones, under what `env` overrides."""
        if run.is_default:
            ports = default_ports()
        else:
            known = run.read_json("ports.json")
            if not known:
                known = {"first": find_block(run)}
                run.write_json("ports.json", known)
            ports = block_ports(known["first"])
        return cls({name: overridden(name, port, env) for name, port in ports.items()})

    def __getitem__(self, name: str) -> int:
        return self.by_name[name]

    def address(self, name: str) -> str:
        """Returns host and port as one string."""
        return f"{HOST}:{self[name]}"

    def require_free(self, names: Iterable[str]) -> None:
        """Raises StackError that names the port and its setting when somebody listens there."""
        taken = [name for name in names if not is_free(self[name])]
        if taken:
            raise StackError("; ".join(self.explain_taken(name) for name in taken))

    def explain_taken(self, name: str) -> str:
        """Returns the sentence for a port that another program has."""
        return (
            f"port {self[name]} for {name} is taken by another program; "
            f"stop that program, or set {setting_of(name)} to a free port"
        )


def overridden(name: str, port: int, env: Mapping[str, str]) -> int:
    """Returns the port `env` names for a process, or the given one."""
    text = env.get(setting_of(name), "")
    if not text:
        return port
    if not text.isdecimal() or not 0 < int(text) <= HIGHEST_PORT:
        raise StackError(f"{setting_of(name)}={text} is not a port between 1 and {HIGHEST_PORT}")
    return int(text)
