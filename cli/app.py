"""The command line itself: its options, its commands, and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from cli.booking import assign, confirm, hold
from cli.importing import bring_in
from cli.looking import explain, fairness, rank, search, watch
from cli.screen import Screen
from cli.session import Session
from client.refusal import Refusal

REFUSED, INTERRUPTED = 1, 130


def build() -> typer.Typer:
    """Returns the command with all that it can do."""
    app = typer.Typer(
        name="fairslot",
        help="Finds who can do what and when, and books it: fairly, with reasons.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(options)
    for command in (search, explain, rank, hold, confirm, assign, fairness, watch):
        app.command()(command)
    app.command("import")(bring_in)
    return app


def options(
    context: typer.Context,
    gateway: Annotated[
        str, typer.Option(envvar="FAIRSLOT_GATEWAY", help="URL of the gateway.")
    ] = "",
    token: Annotated[str, typer.Option(envvar="FAIRSLOT_TOKEN", help="Bearer token.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Answers as JSON, one a line.")] = False,
) -> None:
    """Keeps what every command needs; a session that was handed in (by a test) stays."""
    if context.obj is None:
        context.obj = Session(Screen(Console(), as_json), gateway, token)


def main() -> None:
    """Runs the command; a refusal is told with its reason, and the exit code is 1."""
    session_of_errors = Screen(Console(stderr=True), "--json" in sys.argv)
    try:
        build()()
    except Refusal as refusal:
        session_of_errors.refused(refusal)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
