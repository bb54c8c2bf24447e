"""Runs availability as this process: `python -m services.availability`."""

from kit.service import run
from services.availability.app import open_service

if __name__ == "__main__":
    run(open_service)
