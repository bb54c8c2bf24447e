"""The environment is made with the quicker Python, and with none that will not do."""

import sys

from deploy.interpreter import ROUNDS, quickest, seconds_of


def test_another_is_taken_where_it_is_clearly_quicker():
    assert quickest("mine", ["own"], {"mine": 1.0, "own": 0.6}.get) == "own"
    assert quickest("mine", ["own"], {"mine": 1.0, "own": 0.9}.get) == "mine"
    assert quickest("mine", ["own"], {"mine": 0.6, "own": 1.0}.get) == "mine"


def test_what_will_not_do_is_passed_by():
    assert quickest("mine", ["gone"], {"mine": 1.0}.get) == "mine"
    # Nothing to compare with: the one that runs does.
    assert quickest("mine", ["own"], {"own": 0.1}.get) == "mine"


def test_one_slow_moment_decides_nothing():
    moments = iter([5.0, 0.9] + [1.0, 0.9] * (ROUNDS - 1))
    assert quickest("mine", ["own"], lambda _: next(moments)) == "mine"


def test_interpreters_are_measured_as_they_are(tmp_path):
    assert 0 < seconds_of(sys.executable) < 5
    assert seconds_of(str(tmp_path / "none")) is None
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert seconds_of(str(old)) is None
