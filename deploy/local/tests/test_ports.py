"""Each stack has ports of its own, and a port that is taken is named together with its setting."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.ports import (
    BLOCK_COUNT,
    BLOCK_FIRST,
    BLOCK_SIZE,
    HOST,
    Ports,
    block_ports,
    default_ports,
    setting_of,
)
from deploy.local.rundir import DEFAULT_RUN_DIR, RunDir

FIRST_EPHEMERAL_PORT = 32_768


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run directory that is not the repo's own."""
    run = RunDir(tmp_path / "run")
    run.prepare()
    return run


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port somebody is bound to without listening, which no connection attempt can see."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def test_default_ports_are_distinct_and_never_handed_out_by_the_kernel() -> None:
    ports = default_ports()
    assert len(set(ports.values())) == len(ports)
    assert max(ports.values()) < FIRST_EPHEMERAL_PORT
    assert (ports["gateway"], ports["postgres"]) == (8080, 15432)


def test_a_block_holds_all_ports() -> None:
    last = BLOCK_FIRST + (BLOCK_COUNT - 1) * BLOCK_SIZE
    ports = block_ports(last)
    assert set(ports) == set(default_ports())
    assert last <= min(ports.values()) <= max(ports.values()) < last + BLOCK_SIZE
    assert max(ports.values()) < FIRST_EPHEMERAL_PORT


def test_the_repos_own_directory_has_the_default_ports() -> None:
    assert Ports.of(RunDir(DEFAULT_RUN_DIR), {})["gateway"] == default_ports()["gateway"]


def test_another_directory_remembers_its_block(run: RunDir) -> None:
    first = Ports.of(run, {})
    assert first["gateway"] >= BLOCK_FIRST
    assert Ports.of(run, {}) == first


def test_every_port_can_be_set(run: RunDir) -> None:
    env = {"FAIRSLOT_GATEWAY_PORT": "9000", "FAIRSLOT_ASSIGNMENT_1_METRICS_PORT": "9001"}
    ports = Ports.of(run, env)
    assert (ports["gateway"], ports["assignment-1-metrics"]) == (9000, 9001)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_refused(run: RunDir, text: str) -> None:
    with pytest.raises(StackError, match="FAIRSLOT_NATS_PORT"):
        Ports.of(run, {"FAIRSLOT_NATS_PORT": text})


@pytest.mark.parametrize("name", ["gateway", "postgres", "matching-0"])
def test_a_taken_port_is_named_with_its_setting(run: RunDir, name: str, taken_port: int) -> None:
    ports = Ports.of(run, {setting_of(name): str(taken_port)})
    with pytest.raises(StackError) as refusal:
        ports.require_free(["nats", name])
    assert str(taken_port) in str(refusal.value)
    assert setting_of(name) in str(refusal.value)
    assert "NATS" not in str(refusal.value)
