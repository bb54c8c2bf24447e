"""Finds a Chromium, or installs the system's; says why where there is none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# With it a missing browser is a failure: CI always runs the browser tests.
REQUIRED = "FAIRSLOT_BROWSER_REQUIRED"
CHOSEN = "FAIRSLOT_CHROMIUM"
INSTALL_SECONDS = 300
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def found() -> str:
    """Returns the path of a Chromium; empty if there is none."""
    chosen = os.environ.get(CHOSEN, "")
    return chosen or next((path for name in NAMES if (path := shutil.which(name))), "")


def installed() -> str:
    """Installs the system's Chromium and returns its path; empty where that cannot be done."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return ""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        try:
            # Lists that cannot be brought up to date may still name a Chromium.
            subprocess.run(
                ["apt-get", "--quiet", *arguments],
                env=quiet,
                timeout=INSTALL_SECONDS,
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
    return found()


def required() -> str:
    """Returns the path of a Chromium, or skips the test with the reason."""
    path = found() or installed()
    if path and Path(path).exists():
        return path
    reason = (
        "no Chromium: the browser tests did not run. Install one (Debian: apt-get install "
        f"chromium), or name it in {CHOSEN}"
    )
    if os.environ.get(REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)
