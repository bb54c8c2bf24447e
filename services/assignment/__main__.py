"""Runs assignment as this process: `python -m services.assignment`."""

from kit.service import run
from services.assignment.app import open_service

if __name__ == "__main__":
    run(open_service)
