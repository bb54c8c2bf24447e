"""Each process is told where it listens and where the others are."""

from pathlib import Path

import pytest

from deploy.local.database import ServiceUrls
from deploy.local.errors import StackError
from deploy.local.ports import Ports, default_ports
from deploy.local.rundir import RunDir
from deploy.local.servers import Servers
from deploy.local.services import (
    addresses,
    parse_replicas,
    process_names,
    service_ports,
    service_programs,
    target,
)

SERVERS = Servers("postgresql://admin@h/fairslot", "nats://h", "redis://h")
URLS = {"assignment": ServiceUrls("app-url", "worker-url", "owner-url")}


def test_one_process_each_unless_told() -> None:
    names = [name for _, name in process_names(parse_replicas(""))]
    assert names == ["availability-0", "matching-0", "assignment-0", "notify-0", "gateway-0"]


def test_several_processes_are_numbered_and_have_a_port_each() -> None:
    counts = parse_replicas("availability=2, assignment=3")
    names = [name for service, name in process_names(counts) if service == "assignment"]
    assert names == ["assignment-0", "assignment-1", "assignment-2"]
    assert {"assignment-2", "assignment-2-metrics"} <= set(service_ports(counts))


@pytest.mark.parametrize("text", ["availability", "availability=0", "availability=9", "cook=2"])
def test_replicas_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(StackError, match="REPLICAS"):
        parse_replicas(text)


def test_a_target_covers_all_processes() -> None:
    ports = Ports(default_ports())
    where = addresses(ports, parse_replicas("availability=2"))
    assert target(where["availability"]) == "ipv4:127.0.0.1:15100,127.0.0.1:15101"
    assert target(where["matching"]) == "127.0.0.1:15110"


def test_a_process_gets_its_own_settings_over_those_of_the_caller(tmp_path: Path) -> None:
    caller = {"FAIRSLOT_ASSIGNMENT_HOLD_SECONDS": "5", "FAIRSLOT_ASSIGNMENT_ADDRESS": "nonsense"}
    programs = service_programs(
        run=RunDir(tmp_path),
        ports=Ports(default_ports()),
        replicas=parse_replicas(""),
        servers=SERVERS,
        urls=URLS,
        env=caller,
    )
    env = next(program.env for program in programs if program.name == "assignment-0")
    assert env["FAIRSLOT_ASSIGNMENT_HOLD_SECONDS"] == "5"
    assert env["FAIRSLOT_ASSIGNMENT_ADDRESS"] == "127.0.0.1:15120"
    assert env["FAIRSLOT_ASSIGNMENT_DATABASE_URL"] == "app-url"
    assert env["FAIRSLOT_ASSIGNMENT_MATCHING_ADDRESS"] == "127.0.0.1:15110"
    assert "FAIRSLOT_ASSIGNMENT_ASSIGNMENT_ADDRESS" not in env
    # The way to migrate is for the stack alone.
    assert not any("owner-url" in value for value in env.values())
