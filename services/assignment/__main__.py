"""Runs assignment as this process, or with `verify` proves its audit log: `python -m
services.assignment [verify [--seals FILE]]`.
"""

import argparse
import os
import sys
from pathlib import Path

from kit.service import run
from services.assignment.app import open_service
from services.assignment.store import sealing

DATABASE = "FAIRSLOT_ASSIGNMENT_WORKER_DATABASE_URL"
SEALS = "FAIRSLOT_ASSIGNMENT_SEALS_PATH"


def verify(url: str, seals: str) -> int:
    """Prints what is wrong with the audit log of each tenant; returns 1 if anything is."""
    heads = sealing.heads_in(Path(seals)) if seals else []
    found = sealing.broken(url, heads)
    lines = []
    for tenant, wrong in found.items():
        lines += [f"{tenant}: {'broken' if wrong else 'whole'}", *(f"  {what}" for what in wrong)]
    lines.append(f"{len(found)} tenants, {len(heads)} heads from outside the database")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if any(found.values()) else 0


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m services.assignment")
    commands = parser.add_subparsers(dest="command")
    verifying = commands.add_parser("verify", help="prove the audit log against its seals")
    verifying.add_argument("--database", default=os.environ.get(DATABASE), help=f"or {DATABASE}")
    verifying.add_argument("--seals", default=os.environ.get(SEALS, ""), help=f"or {SEALS}")
    chosen = parser.parse_args()
    if chosen.command != "verify":
        run(open_service)
        return
    if not chosen.database:
        parser.error(f"name a database, or set {DATABASE}")
    sys.exit(verify(chosen.database, chosen.seals))


if __name__ == "__main__":
    main()
