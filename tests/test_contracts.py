"""Contracts and code agree: every RPC is served and guarded, every reason is declared."""

from __future__ import annotations

import ast
import itertools
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from fairslot.type.v1 import access_pb2, refusal_pb2
from google.api import annotations_pb2

from kit import fault

ROOT = Path(__file__).resolve().parent.parent
FILES = [
    ".".join(path.relative_to(ROOT / "protos").with_suffix("").parts) + "_pb2"
    for path in sorted((ROOT / "protos").rglob("*.proto"))
]
SERVICES = [
    service
    for name in FILES
    for service in import_module(name).DESCRIPTOR.services_by_name.values()
]
METHODS = [method for service in SERVICES for method in service.methods]
# Answered in columns or for other services: over gRPC alone.
MACHINES_ONLY = {"SearchSlotMatrix", "CheckPlan", "GetOfferedDays", "GetWorkload", "MeasureWays"}
FAULTS = {kind.__name__ for kind in fault.KINDS.values()}
REASONS = set(refusal_pb2.Refusal.Reason.keys()) - {"REASON_UNSPECIFIED"}
CODE = [
    path
    for folder in ("kit", "services", "gateway")
    for path in (ROOT / folder).rglob("*.py")
    if "tests" not in path.parts
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_call_says_who_may_make_it_and_how_over_http(method):
    options = method.GetOptions()
    assert options.Extensions[access_pb2.access].roles, "nobody may call it"
    over_http = options.HasExtension(annotations_pb2.http)
    assert over_http == (method.name not in MACHINES_ONLY)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.full_name)
def test_every_call_is_served(service):
    context = service.full_name.split(".")[1]
    package = "gateway" if context == "gateway" else f"services.{context}"
    folder = ROOT / package.replace(".", "/")
    nodes = [
        node
        for path in [*folder.glob("servicer*.py"), *folder.glob("servicer/*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
    ]
    defined = {n.name for n in nodes if isinstance(n, ast.AsyncFunctionDef | ast.FunctionDef)}
    # A stream of ready-made bytes is registered by the method's name.
    defined |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert {method.name for method in service.methods} <= defined


def raised(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in FAULTS
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def test_every_reason_that_is_given_is_declared():
    for path in CODE:
        assert raised(path) <= REASONS, path


def test_no_reason_is_declared_that_nothing_gives():
    given = set().union(*(raised(path) for path in CODE))
    texts = "\n".join(
        p.read_text() for p in ROOT.rglob("services/**/*.py") if "tests" not in p.parts
    )
    texts += "\n".join(path.read_text() for path in (ROOT / "services").rglob("*.sql"))
    texts += "\n".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    missing = {reason for reason in REASONS - given if reason not in texts}
    assert not missing


def test_reasons_match_the_kinds_they_are_raised_with():
    names = {member.name for member in fault.grpc.StatusCode}
    declared = [
        line.strip()
        for line in (ROOT / "protos/fairslot/type/v1/refusal.proto").read_text().splitlines()
    ]
    for comment, value in itertools.pairwise(declared):
        if comment.startswith("// ") and value.endswith(";") and value[0].isupper():
            if value.startswith("REASON_"):
                continue
            code = comment[3:].split(".")[0]
            assert code in names, f"{value} does not say its status code"


def test_generated_code_is_not_committed():
    tracked = subprocess.run(
        ["git", "ls-files", "gen"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert tracked == ""
