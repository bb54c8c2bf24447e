"""The command that brings things in: a file of resources, kinds of work and requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from fairslot.assignment.v1 import request_pb2
from fairslot.availability.v1 import catalog_pb2, schedule_pb2
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from rich.progress import Progress

from cli.caller import Caller
from cli.session import Session
from client import Refusal, methods

FILE_BYTES_MAX = 50_000_000
KNOWN = "ALREADY_EXISTS"
Step = tuple[str, Callable[[Caller], Message]]


def bring_in(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".json or .ics")],
    resource: Annotated[str, typer.Option(help="Whose calendar an .ics file is.")] = "",
) -> None:
    """Imports a file: kinds of work, resources and requests as JSON, or a calendar (.ics).

    The JSON is {"serviceTypes": [...], "resources": [...], "schedules": {"resource id": [rules]},
    "requests": [...]}, each as in the API. What is there already is left alone.
    """
    session: Session = context.obj
    if file.stat().st_size > FILE_BYTES_MAX:
        raise typer.BadParameter(f"the file is larger than {FILE_BYTES_MAX} bytes")
    if file.suffix.lower() == ".ics":
        _calendar(session, file, resource)
        return
    try:
        steps = list(_steps(json.loads(file.read_text(encoding="utf-8"))))
    except (ValueError, TypeError, AttributeError, ParseError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from error
    new, known, refused = 0, 0, []
    with Progress(console=session.screen.console, disable=session.screen.as_json) as progress:
        bar = progress.add_task("importing", total=len(steps))
        for name, make in steps:
            try:
                make(session.caller)
                new += 1
            except Refusal as refusal:
                if refusal.reason == KNOWN:
                    known += 1
                else:
                    refused.append((name, refusal))
            progress.advance(bar)
    if session.screen.as_json:
        told = [{"what": name, "reason": one.reason, "why": one.message} for name, one in refused]
        session.screen.line({"new": new, "known": known, "refused": told})
    else:
        session.screen.console.print(f"{new} new, {known} known, {len(refused)} refused")
        for name, one in refused:
            session.screen.console.print(f"  {name}: {one}", markup=False)
    if refused:
        raise typer.Exit(1)


def _steps(told: dict[str, Any]) -> Iterator[Step]:
    """Yields what is to be made, in an order in which each finds what it needs."""
    for one in told.get("serviceTypes", []):
        kind = ParseDict(one, catalog_pb2.ServiceType())
        question = catalog_pb2.CreateServiceTypeRequest(service_type=kind)
        yield f"service type {kind.id}", _making(methods.CREATE_SERVICE_TYPE, question)
    for one in told.get("resources", []):
        resource = ParseDict(one, catalog_pb2.Resource())
        made = catalog_pb2.CreateResourceRequest(resource=resource)
        yield f"resource {resource.id}", _making(methods.CREATE_RESOURCE, made)
    for name, rules in told.get("schedules", {}).items():
        week = ParseDict({"rules": rules}, schedule_pb2.SetWeeklyScheduleRequest(resource_id=name))
        yield f"schedule of {name}", _making(methods.SET_WEEKLY_SCHEDULE, week)
    for one in told.get("requests", []):
        request = ParseDict(one, request_pb2.BookingRequest())
        wanted = request_pb2.CreateRequestRequest(request=request)
        yield f"request {request.id}", _making(methods.CREATE_REQUEST, wanted)


def _making(method: Any, question: Message) -> Callable[[Caller], Message]:
    def make(caller: Caller) -> Message:
        answer: Message = caller.call(method, question)
        return answer

    return make


def _calendar(session: Session, file: Path, resource: str) -> None:
    if not resource:
        raise typer.BadParameter("say whose calendar it is: --resource")
    question = schedule_pb2.ImportCalendarRequest(
        resource_id=resource, calendar_id=file.name, text=file.read_text(encoding="utf-8")
    )
    answer = session.caller.call(methods.IMPORT_CALENDAR, question)
    if session.screen.as_json:
        session.screen.line(MessageToDict(answer))
        return
    told = f"{answer.applied} entered, {answer.ignored} known, {answer.removed} taken back"
    session.screen.console.print(told)
