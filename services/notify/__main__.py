"""Runs notify as a process."""

from kit.service import run
from services.notify.app import open_service

if __name__ == "__main__":
    run(open_service)
