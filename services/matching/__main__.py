"""Runs matching as this process: `python -m services.matching`."""

from kit.service import run
from services.matching.app import open_service

if __name__ == "__main__":
    run(open_service)
