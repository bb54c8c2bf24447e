"""Flags: defaults, a tenant's own value, and a file that changes while the service runs."""

import json
import os

from kit.flags import Flags


def test_without_a_file_the_reader_decides():
    flags = Flags()
    assert flags.on("merging", "demo", default=True)
    assert not flags.on("merging", "demo", default=False)
    assert flags.text("policy", "demo", default="v2") == "v2"


def test_a_tenant_has_its_own_value_and_changes_are_seen(tmp_path):
    path = tmp_path / "flags.json"
    flags, other = Flags(str(path)), Flags()
    assert flags.on("merging", "demo", default=True)
    path.write_text(json.dumps({"merging": {"default": True, "tenants": {"demo": False}}}))
    assert not flags.on("merging", "demo", default=True)
    assert flags.on("merging", "else", default=False)
    assert other.on("merging", "demo", default=True)
    path.write_text(json.dumps({"merging": {"default": False}, "policy": {"default": "v1"}}))
    os.utime(path, ns=(1, 2))
    assert not flags.on("merging", "else", default=True)
    assert flags.text("policy", "else", default="v2") == "v1"


def test_a_value_of_the_wrong_sort_counts_as_not_set(tmp_path):
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"merging": {"default": "perhaps"}}))
    assert Flags(str(path)).on("merging", "demo", default=True)


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path):
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"merging": {"default": False}}))
    flags = Flags(str(path))
    assert not flags.on("merging", "demo", default=True)
    path.write_text('{"merging"')
    os.utime(path, ns=(1, 2))
    assert not flags.on("merging", "demo", default=True)
