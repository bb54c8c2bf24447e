"""The shipped page is the one its sources make, is small, and names no registry."""

import gzip
import hashlib
import json
import re
from pathlib import Path

GATEWAY = Path(__file__).resolve().parent.parent
WEB, STATIC = GATEWAY / "web", GATEWAY / "static"
# As gateway/web/vite.config.js lists them.
SOURCES = (
    "index.html",
    "lock.mjs",
    "package-lock.json",
    "package.json",
    "tsconfig.json",
    "vite.config.js",
)
SCRIPT_BYTES_MAX = 150_000
LINES_MAX = 300
COLUMNS_MAX = 100


def sources() -> list[str]:
    found = [path.relative_to(WEB).as_posix() for path in (WEB / "src").rglob("*.*")]
    return sorted([*SOURCES, *found])


def test_the_bundle_is_made_of_these_sources():
    made_of = dict(
        reversed(line.split("  ", 1))
        for line in (STATIC / "sources.sha256").read_text().splitlines()
    )
    now = {name: hashlib.sha256((WEB / name).read_bytes()).hexdigest() for name in sources()}
    assert made_of == now, "the page is old: `make page` builds it (needs Node)"


def test_the_page_names_what_is_there():
    index = (STATIC / "index.html").read_text()
    named = re.findall(r"/assets/[\w.-]+", index)
    there = {f"/assets/{path.name}" for path in (STATIC / "assets").iterdir()}
    assert set(named) == there
    assert "//" not in re.sub(r"http://www\.w3\.org/2000/svg", "", index), "it asks nobody else"


def test_its_script_is_small():
    scripts = list((STATIC / "assets").glob("*.js"))
    assert sum(len(gzip.compress(path.read_bytes())) for path in scripts) < SCRIPT_BYTES_MAX


def test_the_lock_has_versions_and_hashes_and_no_address():
    text = (WEB / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert all(one.get("integrity") for name, one in packages.items() if name)
    assert all(re.fullmatch(r"[0-9.]+", wanted) for wanted in direct(packages).values())


def direct(packages):
    return packages[""]["devDependencies"]


def test_sources_stay_small_and_say_what_they_are_for():
    for name in sources():
        if not name.startswith("src/"):
            continue
        lines = (WEB / name).read_text().splitlines()
        assert len(lines) <= LINES_MAX, name
        assert re.match(r"//|<!--|/\*", lines[0]), f"{name} does not open with what it is for"
        wide = [line for line in lines if len(line) > COLUMNS_MAX]
        assert name.endswith((".css", "Icon.svelte")) or not wide, (name, wide)
