"""The template: whole for any set of endpoints, and drawn from the contracts."""

import json
import re

import pytest
from fairslot.assignment.v1 import assignment_pb2

from gateway.envoy import render
from gateway.envoy.contracts import contracts_of, for_envoy, read_descriptors
from gateway.tests.edge import DESCRIPTORS


def rendered(endpoints):
    return render(
        listener_host="0.0.0.0",
        listener_port=8080,
        admin_port=9901,
        jwks_path="jwks.json",
        descriptors_path=str(DESCRIPTORS),
        endpoints=endpoints,
    )


def clusters(text):
    line = re.search(r"^  clusters: (.*)$", text, re.MULTILINE)
    assert line
    return {one["name"]: one for one in json.loads(line[1])}


@pytest.fixture(scope="module")
def contracts():
    return contracts_of(read_descriptors(DESCRIPTORS))


def test_names_are_resolved_and_addresses_are_taken_as_they_are():
    got = clusters(rendered({"assignment": [("assignment.default.svc", 9000)]}))
    assert got["assignment"]["type"] == "STRICT_DNS"
    got = clusters(rendered({"assignment": [("::1", 1), ("127.0.0.1", 2)]}))
    assert got["assignment"]["type"] == "STATIC"


def test_a_context_without_endpoints_still_has_its_cluster():
    got = clusters(rendered({}))
    assert set(got) == {"assignment", "availability", "gateway", "matching", "notify", "web"}
    assert got["assignment"]["load_assignment"]["endpoints"] == [{"lb_endpoints": []}]


def test_only_reads_may_be_sent_twice(contracts):
    reads = {method.name for one in contracts for method in one.methods if method.reads}
    assert {"GetAssignment", "ListResources", "SearchSlots", "RankCandidates"} <= reads
    writes = (
        "Create",
        "Update",
        "Delete",
        "Place",
        "Confirm",
        "Release",
        "Assign",
        "Cancel",
        "Set",
    )
    assert not [name for name in reads if name.startswith(writes)]
    assert "WatchChanges" not in reads


def test_the_one_field_that_is_the_body_is_known_by_its_json_name(contracts):
    fields = {m.name: m.response_field for one in contracts for m in one.methods}
    assert fields["PlaceHold"] == "hold"
    assert fields["UpdateServiceType"] == "serviceType"
    assert fields["ListResources"] == ""


def test_what_the_edge_reads_keeps_messages_and_forms_but_not_what_envoy_refuses():
    descriptors = read_descriptors(DESCRIPTORS)
    smaller = for_envoy(descriptors, {"fairslot.assignment.v1"})
    names = [file.name for file in smaller.file]
    assert "fairslot/assignment/v1/assignment.proto" in names
    assert "fairslot/matching/v1/matching.proto" in names  # imported
    assert "buf/validate/validate.proto" not in names
    assert len(names) == len(set(names))
    assert not [m for one in contracts_of(smaller) for m in one.methods if m.response_field]
    full = sum(len(one.message_type) for one in descriptors.file if "assignment" in one.name)
    kept = sum(len(one.message_type) for one in smaller.file if "assignment" in one.name)
    assert kept == full >= len(assignment_pb2.DESCRIPTOR.message_types_by_name)
