"""Asks matching what could be had instead, and why a plan suits."""

from collections import Counter

import grpc
from fairslot.matching.v1 import matching_pb2, matching_pb2_grpc
from fairslot.type.v1 import type_pb2

from kit.channel import call
from services.assignment.domain import Candidate, Question, Ranking, Span
from services.assignment.peers.moments import interval, latlng, moment

# Plans of one slot that are looked through for the one to explain.
EXPLAINED_MAX = 100
# Resources whose reasons are counted where nobody can serve a request.
REJECTIONS_MAX = 1_000


class MatchingPeer:
    """Speaks to matching over one channel, on behalf of whoever is calling."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Keeps a stub on the channel, which the caller opens and closes."""
        self._matching = matching_pb2_grpc.MatchingServiceStub(channel)

    async def rank(self, question: Question, *, window: Span, limit: int) -> tuple[Candidate, ...]:
        """Returns the best candidates of a window."""
        request = matching_pb2.RankCandidatesRequest(
            request=_inline(question, window), limit=limit, max_rejections=0
        )
        reply = await call(self._matching.RankCandidates, request)
        return tuple(map(_candidate, reply.candidates))

    async def ranking(self, request_id: str, *, policy: str, limit: int) -> Ranking:
        """Returns the best candidates of a booking request, and why resources were left out."""
        request = matching_pb2.RankCandidatesRequest(
            booking_request_id=request_id,
            policy=policy,
            limit=limit,
            max_rejections=REJECTIONS_MAX,
        )
        reply = await call(self._matching.RankCandidates, request)
        return Ranking(
            candidates=tuple(map(_candidate, reply.candidates)),
            rejections=Counter(
                type_pb2.Obstacle.Code.Name(reason)
                for rejection in reply.rejections
                for reason in rejection.reasons
            ),
            result=reply.result,
        )

    async def explain(
        self, question: Question, *, resource_ids: tuple[str, ...], slot: Span, ignored: str = ""
    ) -> str | None:
        """Returns why a plan suits a slot, if matching ranks it at all; the time of the allocation
        `ignored` counts as free.
        """
        request = matching_pb2.RankCandidatesRequest(
            slot=interval(slot),
            resource_ids=resource_ids,
            limit=EXPLAINED_MAX,
            max_rejections=0,
            ignore_assignment_id=ignored,
        )
        if question.booking_request_id:
            request.booking_request_id = question.booking_request_id
        else:
            request.request.CopyFrom(_inline(question, slot))
        reply = await call(self._matching.RankCandidates, request)
        wanted = sorted(resource_ids)
        for candidate in reply.candidates:
            if sorted(candidate.resource_ids) == wanted and candidate.explanation:
                return str(candidate.explanation)
        return None


def _inline(question: Question, window: Span) -> matching_pb2.InlineRequest:
    return matching_pb2.InlineRequest(
        service_type_id=question.service_type_id,
        window=interval(window),
        party_size=question.party_size,
        place=latlng(question.place),
        required_skills=question.required_skills,
        resource_ids=question.resource_ids,
        zone=question.zone,
    )


def _candidate(message: matching_pb2.Candidate) -> Candidate:
    return Candidate(
        resource_ids=tuple(message.resource_ids),
        slot=Span(moment(message.start), moment(message.end)),
        match_percent=message.match_percent,
        explanation=message.explanation,
    )
