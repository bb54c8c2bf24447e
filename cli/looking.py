"""Commands that only look: search, explain, rank, fairness, watch."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from fairslot.availability.v1 import availability_pb2
from fairslot.gateway.v1.planner_pb2 import Change
from fairslot.matching.v1 import matching_pb2
from fairslot.type.v1 import type_pb2
from google.protobuf.json_format import MessageToDict

from cli import moments
from cli.screen import table
from cli.session import Session
from client import methods

Resources = Annotated[list[str] | None, typer.Option("--resource", "-r", help="Only these.")]
From = Annotated[str, typer.Option("--from", help=moments.HELP)]
To = Annotated[str, typer.Option("--to", help=moments.HELP)]
Party = Annotated[int, typer.Option(help="How many come.")]


def search(
    context: typer.Context,
    *,
    service_type: Annotated[str, typer.Argument(help="The kind of work.")],
    start: From = "now",
    end: To = "+7d",
    resource: Resources = None,
    skill: Annotated[list[str] | None, typer.Option(help="Also these skills.")] = None,
    party: Party = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many slots.")] = 20,
) -> None:
    """Lists the slots at which somebody is free."""
    session: Session = context.obj
    now = session.now()
    question = availability_pb2.SearchSlotsRequest(
        service_type_id=service_type,
        window=moments.interval(moments.moment(start, now=now), moments.moment(end, now=now)),
        resource_ids=resource or [],
        required_skills=skill or [],
        party_size=party,
        page_size=limit,
    )
    answer = session.caller.call(methods.SEARCH_SLOTS, question)
    session.screen.show(
        answer,
        lambda: table(
            answer.result,
            ("start", "end", "free>", "first choices"),
            (
                (
                    moments.shown(slot.start),
                    moments.shown(slot.end),
                    slot.capacity or ("merge" if slot.mergeable else 0),
                    ", ".join(slot.candidates),
                )
                for slot in answer.slots
            ),
        ),
    )


def explain(
    context: typer.Context,
    *,
    service_type: Annotated[str, typer.Argument(help="The kind of work.")],
    start: Annotated[str, typer.Argument(help=moments.HELP)],
    minutes: Annotated[int, typer.Option(min=1, help="How long.")] = 60,
    resource: Resources = None,
    party: Party = 0,
) -> None:
    """Says of every resource whether it is free at a time, and why not."""
    session: Session = context.obj
    at = moments.moment(start, now=session.now())
    question = availability_pb2.ExplainSlotRequest(
        service_type_id=service_type,
        slot=moments.interval(at, at + timedelta(minutes=minutes)),
        resource_ids=resource or [],
        party_size=party,
    )
    answer = session.caller.call(methods.EXPLAIN_SLOT, question)
    code = type_pb2.Obstacle.Code.Name
    session.screen.show(
        answer,
        lambda: table(
            answer.result,
            ("resource", "free", "why not"),
            (
                (
                    verdict.resource_id,
                    "yes" if verdict.free else "no",
                    ", ".join(code(one.code) for one in verdict.obstacles),
                )
                for verdict in answer.verdicts
            ),
        ),
    )


def rank(
    context: typer.Context,
    *,
    request: Annotated[str, typer.Argument(help="The booking request.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many candidates.")] = 10,
    policy: Annotated[str, typer.Option(help="A policy's name; else the tenant's own.")] = "",
) -> None:
    """Ranks who could serve a booking request, and says why."""
    session: Session = context.obj
    question = matching_pb2.RankCandidatesRequest(
        booking_request_id=request, limit=limit, policy=policy
    )
    answer = session.caller.call(methods.RANK_CANDIDATES, question)
    session.screen.show(
        answer,
        lambda: table(
            answer.result,
            ("match>", "who", "start", "why"),
            (
                (
                    f"{one.match_percent} %",
                    ", ".join(one.resource_ids),
                    moments.shown(one.start),
                    one.explanation,
                )
                for one in answer.candidates
            ),
        ),
    )


def fairness(
    context: typer.Context,
    *,
    month: Annotated[str, typer.Option(help="Such as 2027-03; else this month.")] = "",
    skill: Annotated[str, typer.Option(help="Only resources with this skill.")] = "",
) -> None:
    """Compares what everybody offered in a month with what they were given."""
    session: Session = context.obj
    question = matching_pb2.GetFairnessRequest(
        month=month or session.now().astimezone().strftime("%Y-%m"), skill=skill
    )
    answer = session.caller.call(methods.GET_FAIRNESS, question)
    session.screen.show(
        answer,
        lambda: table(
            f"{answer.month} in {answer.time_zone}, tolerance {answer.tolerance_percent} %",
            ("who", "offered>", "delivered>", "committed>", "target>", "actual>", "within"),
            (
                (
                    row.display_name or row.resource_id,
                    row.offered_days,
                    row.delivered_days,
                    row.committed_days,
                    f"{row.target_share:.1%}",
                    f"{row.actual_share:.1%}",
                    "yes" if row.within_tolerance else "no",
                )
                for row in answer.rows
            ),
        ),
    )


def watch(
    context: typer.Context,
    *,
    topic: Annotated[list[str] | None, typer.Option(help="Only these topics.")] = None,
    resume: Annotated[str, typer.Option(help="The position of the last change seen.")] = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0: never.")] = 0,
) -> None:
    """Tells changes as they happen, until Ctrl-C."""
    session: Session = context.obj
    seen = 0
    for change in session.caller.watch(topic or [], resume):
        if change.kind == Change.HEARTBEAT:
            continue
        if session.screen.as_json:
            session.screen.line(MessageToDict(change))
        else:
            kind = Change.Kind.Name(change.kind)
            state = change.payload.fields["reason"].string_value
            session.screen.console.print(
                moments.shown(change.at), f"{change.topic:<12}{kind:<10}", change.id, state
            )
        seen += 1
        if seen == count:
            return
