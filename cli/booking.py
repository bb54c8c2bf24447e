"""Commands that book: hold, confirm, assign."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from fairslot.assignment.v1 import assignment_pb2

from cli import moments
from cli.screen import table
from cli.session import Session
from client import methods

Start = Annotated[str, typer.Argument(help=moments.HELP)]
Chosen = Annotated[list[str] | None, typer.Option("--resource", "-r", help="Who; else anybody.")]


def hold(
    context: typer.Context,
    *,
    start: Start,
    request: Annotated[str, typer.Option(help="The booking request to hold for.")] = "",
    service_type: Annotated[str, typer.Option(help="Or the kind of work.")] = "",
    resource: Chosen = None,
    seconds: Annotated[int, typer.Option(min=0, help="How long; 0: as usual.")] = 0,
) -> None:
    """Reserves a time for a short while; confirm makes it an assignment."""
    session: Session = context.obj
    if bool(request) == bool(service_type):
        raise typer.BadParameter("name either --request or --service-type")
    question = assignment_pb2.PlaceHoldRequest(
        booking_request_id=request,
        service_type_id=service_type,
        resource_ids=resource or [],
        start=moments.timestamp(moments.moment(start, now=session.now())),
    )
    if seconds:
        question.ttl.FromTimedelta(timedelta(seconds=seconds))
    answer = session.caller.call(methods.PLACE_HOLD, question).hold
    session.screen.show(
        answer,
        lambda: table(
            "held",
            ("token", "who", "start", "until"),
            [
                (
                    answer.token,
                    ", ".join(answer.resource_ids),
                    moments.shown(answer.start),
                    moments.shown(answer.expires_at),
                )
            ],
        ),
    )


def confirm(
    context: typer.Context,
    *,
    token: Annotated[str, typer.Argument(help="The hold's token.")],
    reason: Annotated[str, typer.Option(help="Why; kept for ever.")] = "confirmed by hand",
) -> None:
    """Makes a hold an assignment."""
    session: Session = context.obj
    question = assignment_pb2.ConfirmHoldRequest(hold_token=token, reason=reason)
    _show(session, session.caller.call(methods.CONFIRM_HOLD, question).assignment)


def assign(
    context: typer.Context,
    *,
    request: Annotated[str, typer.Argument(help="The booking request.")],
    start: Start,
    resource: Annotated[list[str], typer.Argument(help="Who serves it, one or several together.")],
    reason: Annotated[str, typer.Option(help="Why; kept for ever.")] = "assigned by hand",
) -> None:
    """Assigns resources to a booking request at once."""
    session: Session = context.obj
    question = assignment_pb2.AssignRequest(
        booking_request_id=request,
        resource_ids=resource,
        start=moments.timestamp(moments.moment(start, now=session.now())),
        reason=reason,
    )
    _show(session, session.caller.call(methods.ASSIGN, question).assignment)


def _show(session: Session, assignment: assignment_pb2.Assignment) -> None:
    row = (
        assignment.id,
        ", ".join(assignment.resource_ids),
        moments.shown(assignment.start),
        assignment.assignment_reason,
    )
    headings = ("assignment", "who", "start", "why")
    session.screen.show(assignment, lambda: table("assigned", headings, [row]))
