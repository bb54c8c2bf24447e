"""House rules that no other tool holds: sizes, opening sentences, names, forbidden words."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70
# Of code: empty lines and comments are free.
KIT_LINES_MAX = 1_900
NOWHERE = {"utils", "util", "helpers", "helper", "common", "misc", "stuff"}
# Put together so that this file does not say what it forbids.
HOSTS = re.compile("|".join(["py" + "pi[.]org", "python" + "hosted", "registry[.]np" + "mjs"]))
UNFINISHED = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]))


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


MODULES = [path for path in tracked("*.py") if path.stat().st_size]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_opens_with_a_sentence_and_stays_small(path):
    text = path.read_text()
    tree = ast.parse(text)
    opening = ast.get_docstring(tree)
    assert opening, "the module does not say what it is for"
    first = opening.split("\n\n")[0]
    assert first.rstrip().endswith((".", ":")), "the first paragraph is not a sentence"
    lines = len(text.splitlines())
    assert lines <= FILE_LINES_MAX, f"{lines} lines: split by idea"
    assert path.stem not in NOWHERE, "a name that accepts anything"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"


def test_no_file_names_a_registry_or_leaves_work_for_later():
    for path in tracked():
        if path.suffix in {".png", ".woff2", ".gz", ".xlsx"} or "third_party" in path.parts:
            continue
        text = path.read_text(errors="replace")
        assert not HOSTS.search(text), f"{path} names a registry's host"
        assert not UNFINISHED.search(text), f"{path} leaves work for later"
        # A path of the machine it was written on, never one of a user's.
        assert "/work" + "/main" not in text, f"{path} names a path of one machine"


def test_the_kit_stays_a_kit():
    texts = [path.read_text() for path in (ROOT / "kit").glob("*.py")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    assert sum(bool(line) and not line.startswith("#") for line in lines) <= KIT_LINES_MAX


def test_the_lock_has_hashes_and_no_addresses():
    text = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
