"""Runs the gateway as a process."""

from gateway.app import open_service
from kit.service import run

if __name__ == "__main__":
    run(open_service)
