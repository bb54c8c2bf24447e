"""Serves each call of MatchingService; what its messages mean is read and written here."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import grpc
from fairslot.matching.v1 import matching_pb2, matching_pb2_grpc
from fairslot.type.v1 import type_pb2
from google.type.interval_pb2 import Interval

from kit.call import current_call, current_caller
from kit.fault import Invalid
from kit.idempotency import fingerprint, key_of
from services.matching.domain import Month, MonthError, Question, Ranking, Window
from services.matching.engine import (
    DEFAULT_LIMIT,
    DEFAULT_MAX_REJECTIONS,
    Engine,
    Fairness,
    FairnessCall,
    FairnessRow,
    RankCall,
)
from services.matching.engine.batch import Batches
from services.matching.engine.decisions import DEFAULT_DECISIONS, DEFAULT_DIFFERENCES, Reviewing
from services.matching.peers.spans import moment, place, window
from services.matching.rules.fairness import Share
from services.matching.rules.settings import Settings, Unit
from services.matching.servicer.batch import batch_call, batch_message
from services.matching.servicer.candidates import candidate_message, next_step_message
from services.matching.servicer.decisions import comparison_message
from services.matching.servicer.settings import (
    date_message,
    policies_message,
    settings_in,
    settings_message,
)

Context = grpc.aio.ServicerContext[Any, Any]
Read = TypeVar("Read")
# Shares are shown to a millionth.
DECIMALS = 6


class MatchingServicer(matching_pb2_grpc.MatchingServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, engine: Engine, batches: Batches, reviewing: Reviewing) -> None:
        """Keeps the parts of the engine that answer."""
        self._engine = engine
        self._batches = batches
        self._reviewing = reviewing

    async def RankCandidates(  # noqa: N802
        self, request: matching_pb2.RankCandidatesRequest, context: Context
    ) -> matching_pb2.RankCandidatesResponse:
        """Ranks plans for a booking request, or for an inline question."""
        return ranking_message(await self._engine.rank(_rank_call(request)))

    async def ListPolicies(  # noqa: N802
        self, request: matching_pb2.ListPoliciesRequest, context: Context
    ) -> matching_pb2.ListPoliciesResponse:
        """Lists the policies with the tenant's weights, and the filters that come first."""
        return policies_message(await self._engine.settings(), self._engine.deciding())

    async def GetSettings(  # noqa: N802
        self, request: matching_pb2.GetSettingsRequest, context: Context
    ) -> matching_pb2.GetSettingsResponse:
        """Says how the tenant wants its work matched."""
        found = await self._engine.settings()
        return matching_pb2.GetSettingsResponse(settings=settings_message(found))

    async def UpdateSettings(  # noqa: N802
        self, request: matching_pb2.UpdateSettingsRequest, context: Context
    ) -> matching_pb2.UpdateSettingsResponse:
        """Changes how the tenant wants its work matched."""
        wanted, method = settings_in(request.settings), current_call().method

        def answer(made: Settings) -> bytes:
            message = matching_pb2.UpdateSettingsResponse(settings=settings_message(made))
            return message.SerializeToString()

        made = await self._engine.save_settings(
            wanted,
            etag=request.settings.etag,
            write=(method, key_of(request), fingerprint(method, request)),
            answer=answer,
        )
        return matching_pb2.UpdateSettingsResponse.FromString(made)

    async def PlanBatch(  # noqa: N802
        self, request: matching_pb2.PlanBatchRequest, context: Context
    ) -> AsyncIterator[matching_pb2.PlanBatchResponse]:
        """Plans several booking requests together; streams progress, items and a summary."""
        call = batch_call(request)
        if not call.policy:
            call = replace(call, policy=self._engine.deciding())
        settings = await self._engine.settings()
        async with aclosing(self._batches.plan(call, settings)) as said:
            async for one in said:
                yield batch_message(one)

    async def ReplayDecisions(  # noqa: N802
        self, request: matching_pb2.ReplayDecisionsRequest, context: Context
    ) -> matching_pb2.ReplayDecisionsResponse:
        """Decides past decisions again, on their kept inputs, by another policy."""
        found = await self._reviewing.replay(
            current_caller().tenant,
            _window(request.window, "window"),
            request.policy,
            limit=request.limit or DEFAULT_DECISIONS,
        )
        message = comparison_message(
            found, differences=request.max_differences or DEFAULT_DIFFERENCES
        )
        return matching_pb2.ReplayDecisionsResponse(comparison=message)

    async def GetShadowReport(  # noqa: N802
        self, request: matching_pb2.GetShadowReportRequest, context: Context
    ) -> matching_pb2.GetShadowReportResponse:
        """Says how the tenant's shadow policy would have decided."""
        found = await self._reviewing.report(
            current_caller().tenant, _window(request.window, "window")
        )
        return matching_pb2.GetShadowReportResponse(
            comparisons=[comparison_message(one) for one in found]
        )

    async def GetFairness(  # noqa: N802
        self, request: matching_pb2.GetFairnessRequest, context: Context
    ) -> matching_pb2.GetFairnessResponse:
        """Compares, for one month, what each person offered with what each was given."""
        try:
            month = Month.parse(request.month)
        except MonthError as error:
            raise Invalid.field("month", str(error)) from error
        call = FairnessCall(
            month=month,
            skill=request.skill,
            resource_ids=tuple(request.resource_ids),
            at_least_as_fresh=request.at_least_as_fresh,
        )
        return _fairness_message(await self._engine.fairness(call))


def _rank_call(request: matching_pb2.RankCandidatesRequest) -> RankCall:
    return RankCall(
        booking_request_id=request.booking_request_id,
        question=_question(request.request) if request.HasField("request") else None,
        slot=_window(request.slot, "slot") if request.HasField("slot") else None,
        resource_ids=tuple(request.resource_ids),
        policy=request.policy,
        limit=request.limit if request.HasField("limit") else DEFAULT_LIMIT,
        max_rejections=(
            request.max_rejections if request.HasField("max_rejections") else DEFAULT_MAX_REJECTIONS
        ),
        at_least_as_fresh=request.at_least_as_fresh,
        as_if_now=_moment(request) if request.HasField("as_if_now") else None,
        ignored_allocation_id=request.ignore_assignment_id,
    )


def _question(asked: matching_pb2.InlineRequest) -> Question:
    return Question(
        service_type_id=asked.service_type_id,
        window=_window(asked.window, "request.window"),
        party_size=asked.party_size,
        required_skills=tuple(asked.required_skills),
        resource_ids=tuple(asked.resource_ids),
        zone=asked.zone,
        place=place(asked.place) if asked.HasField("place") else None,
        customer_hash=asked.customer_hash,
    )


def _window(asked: Interval, field: str) -> Window:
    return _read(lambda: window(asked), field)


def _moment(request: matching_pb2.RankCandidatesRequest) -> datetime:
    return _read(lambda: moment(request.as_if_now), "as_if_now")


def _read(read: Callable[[], Read], field: str) -> Read:
    """Reads a moment; one outside the years 1 to 9999 is refused by its field."""
    try:
        return read()
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "is not a moment of the years 1 to 9999") from error


def ranking_message(ranking: Ranking) -> matching_pb2.RankCandidatesResponse:
    """Returns the message of a ranking; the same ranking always gives the same bytes."""
    return matching_pb2.RankCandidatesResponse(
        candidates=[candidate_message(one) for one in ranking.candidates],
        rejections=[
            matching_pb2.Rejection(
                resource_id=one.resource_id,
                reasons=[type_pb2.Obstacle.Code.Value(reason) for reason in one.reasons],
            )
            for one in ranking.rejections
        ],
        rejected_count=ranking.rejected_count,
        policy=ranking.policy,
        optimality=matching_pb2.RankCandidatesResponse.Optimality.Value(ranking.optimality),
        gap_percent=ranking.gap_percent,
        next_steps=[next_step_message(one) for one in ranking.next_steps],
        freshness=ranking.freshness,
        result=ranking.result,
    )


def _fairness_message(fairness: Fairness) -> matching_pb2.GetFairnessResponse:
    return matching_pb2.GetFairnessResponse(
        rows=[
            matching_pb2.FairnessRow(
                resource_id=row.resource_id,
                display_name=row.display_name,
                offered_days=row.offered_days,
                **_given(row, fairness.unit),
                target_share=_quotient(row.share.offered, row.share.offered_all),
                actual_share=_quotient(row.share.given, row.share.given_all),
                gap=_gap(row.share),
                within_tolerance=row.share.within_tolerance,
            )
            for row in fairness.rows
        ],
        month=str(fairness.month),
        time_zone=fairness.time_zone,
        tolerance_percent=fairness.tolerance_percent,
        unit=matching_pb2.Settings.FairnessUnit.Value(fairness.unit),
        cutover=date_message(fairness.cutover),
    )


def _given(row: FairnessRow, unit: Unit) -> dict[str, int]:
    if unit is Unit.HOURS:
        return {
            "offered_minutes": row.share.offered,
            "delivered_minutes": row.delivered,
            "committed_minutes": row.committed,
        }
    return {"delivered_days": row.delivered, "committed_days": row.committed}


def _gap(share: Share) -> float:
    if not share.comparable:
        return 0.0
    difference = share.given * share.offered_all - share.offered * share.given_all
    return _quotient(difference, share.offered_all * share.given_all)


def _quotient(part: int, whole: int) -> float:
    """Rounds for reading; whatever is decided is decided on the whole numbers."""
    return round(part / whole, DECIMALS) if whole else 0.0
