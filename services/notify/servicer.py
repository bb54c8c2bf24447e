"""Serves WebhookService: turns messages into work on endpoints and back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import grpc
from fairslot.notify.v1 import webhook_pb2 as pb
from fairslot.notify.v1 import webhook_pb2_grpc
from google.protobuf.message import Message

from kit.call import current_call, current_caller
from kit.db import retrying
from kit.fault import Invalid
from kit.idempotency import fingerprint, key_of, run_once
from services.notify.domain import Delivery, Endpoint
from services.notify.engine import Hooks
from services.notify.engine.hooks import HookWork, Place

Context = grpc.aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer", bound=Message)
SCHEMA = "notify"
PAGE_SIZE = 100
OVERLAP = timedelta(days=1)


class WebhookServicer(webhook_pb2_grpc.WebhookServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, hooks: Hooks) -> None:
        """Keeps what opens a caller's work."""
        self._hooks = hooks

    async def CreateEndpoint(  # noqa: N802
        self, request: pb.CreateEndpointRequest, context: Context
    ) -> pb.CreateEndpointResponse:
        """Creates an endpoint and shows its secret."""
        asked = request.endpoint

        async def work(hooks: HookWork) -> pb.CreateEndpointResponse:
            made = await hooks.create(
                name=asked.id, url=asked.url, topics=asked.topics, description=asked.description
            )
            return pb.CreateEndpointResponse(endpoint=endpoint_message(made, secret=made.secret))

        return await self._once(request, pb.CreateEndpointResponse, work)

    async def ListEndpoints(  # noqa: N802
        self, request: pb.ListEndpointsRequest, context: Context
    ) -> pb.ListEndpointsResponse:
        """Lists the endpoints."""
        limit, after = request.page_size or PAGE_SIZE, place_of(request.page_token)
        async with self._hooks.work(current_caller()) as hooks:
            found = await hooks.endpoints(limit=limit, after=after)
        token = token_of(found[-1].created_at, found[-1].id) if len(found) == limit else ""
        return pb.ListEndpointsResponse(
            endpoints=[endpoint_message(one) for one in found], next_page_token=token
        )

    async def DeleteEndpoint(  # noqa: N802
        self, request: pb.DeleteEndpointRequest, context: Context
    ) -> pb.DeleteEndpointResponse:
        """Deletes an endpoint."""

        async def work(hooks: HookWork) -> pb.DeleteEndpointResponse:
            await hooks.delete(request.id)
            return pb.DeleteEndpointResponse()

        return await self._once(request, pb.DeleteEndpointResponse, work)

    async def RotateSecret(  # noqa: N802
        self, request: pb.RotateSecretRequest, context: Context
    ) -> pb.RotateSecretResponse:
        """Gives an endpoint a new secret and shows it."""
        overlap = request.overlap.ToTimedelta() if request.HasField("overlap") else OVERLAP

        async def work(hooks: HookWork) -> pb.RotateSecretResponse:
            found = await hooks.rotate(request.id, overlap)
            return pb.RotateSecretResponse(endpoint=endpoint_message(found, secret=found.secret))

        return await self._once(request, pb.RotateSecretResponse, work)

    async def ListDeliveries(  # noqa: N802
        self, request: pb.ListDeliveriesRequest, context: Context
    ) -> pb.ListDeliveriesResponse:
        """Lists deliveries with their latest attempts."""
        limit, after = request.page_size or PAGE_SIZE, place_of(request.page_token)
        state = pb.Delivery.State.Name(request.state) if request.state else ""
        async with self._hooks.work(current_caller()) as hooks:
            found = await hooks.deliveries(
                endpoint_id=request.endpoint_id, state=state, limit=limit, after=after
            )
        token = token_of(found[-1].created_at, found[-1].id) if len(found) == limit else ""
        return pb.ListDeliveriesResponse(
            deliveries=[delivery_message(one) for one in found], next_page_token=token
        )

    async def Redeliver(  # noqa: N802
        self, request: pb.RedeliverRequest, context: Context
    ) -> pb.RedeliverResponse:
        """Makes a delivery due again."""

        async def work(hooks: HookWork) -> pb.RedeliverResponse:
            found = await hooks.redeliver(request.id)
            return pb.RedeliverResponse(delivery=delivery_message(found))

        return await self._once(request, pb.RedeliverResponse, work)

    async def _once(
        self,
        request: Message,
        answer: type[Answer],
        work: Callable[[HookWork], Awaitable[Answer]],
    ) -> Answer:
        """Returns the answer of `work`, done in one transaction, or the one stored before."""
        caller, method = current_caller(), current_call().method
        key, payload = key_of(request), fingerprint(method, request)

        async def attempt() -> bytes:
            async with self._hooks.work(caller) as hooks:

                async def bytes_of_work() -> bytes:
                    return bytes((await work(hooks)).SerializeToString())

                return await run_once(
                    hooks.connection,
                    schema=SCHEMA,
                    caller=caller,
                    method=method,
                    key=key,
                    request_hash=payload,
                    work=bytes_of_work,
                )

        return answer.FromString(await retrying(attempt))


def endpoint_message(endpoint: Endpoint, *, secret: str = "") -> pb.Endpoint:
    """Returns an endpoint as it is told; its secret only where it was just made."""
    message = pb.Endpoint(
        id=endpoint.id,
        url=endpoint.url,
        topics=endpoint.topics,
        description=endpoint.description,
        secret=secret,
        active=endpoint.active,
    )
    message.created_at.FromDatetime(endpoint.created_at)
    if endpoint.previous_expires_at is not None:
        message.previous_secret_expires_at.FromDatetime(endpoint.previous_expires_at)
    return message


def delivery_message(delivery: Delivery) -> pb.Delivery:
    """Returns a delivery as it is told."""
    message = pb.Delivery(
        id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        message_id=delivery.message_id,
        type=delivery.type,
        state=pb.Delivery.State.Value(delivery.state),
        attempt_count=delivery.attempt_count,
        body=delivery.body,
    )
    message.created_at.FromDatetime(delivery.created_at)
    if delivery.next_attempt_at is not None:
        message.next_attempt_at.FromDatetime(delivery.next_attempt_at)
    for attempt in delivery.attempts:
        told = message.attempts.add(status=attempt.status, error=attempt.error)
        told.at.FromDatetime(attempt.at)
        told.took.FromTimedelta(attempt.took)
    return message


def token_of(at: datetime, name: str) -> str:
    """Returns the page token of a place in a list."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), name]).encode()).decode()


def place_of(token: str) -> Place | None:
    """Returns the place a page token means; refuses what is not one of ours."""
    if not token:
        return None
    try:
        at, name = json.loads(base64.urlsafe_b64decode(token))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(name, str) or "\0" in name:
            raise ValueError(token)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid.field("page_token", "is not a page token of ours") from error
    return moment, name
