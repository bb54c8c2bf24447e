"""Calls the gateway from a terminal: one at a time, each write under a key of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from fairslot.gateway.v1.planner_pb2 import Change, WatchChangesRequest
from google.protobuf.message import Message

from client.methods import Method
from client.refusal import Refusal
from client.watch import PATH as WATCH

TIMEOUT_SECONDS = 10.0
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
# Writes carry a key, so whatever was not answered may be sent again.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def open_channel(gateway: str) -> grpc.Channel:
    """Opens a channel to a gateway's URL: http:// in the clear, https:// with system roots."""
    url = urlsplit(gateway)
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG))]
    if url.scheme == "https":
        target = f"{url.hostname}:{url.port or 443}"
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=options)
    return grpc.insecure_channel(f"{url.hostname}:{url.port or 80}", options=options)


class Caller:
    """One person at a terminal."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),)

    def call(self, method: Method[Q, R], question: Q) -> R:
        """Makes one call; raises Refusal where it is refused."""
        # Message has no such field as a type, only some of its kinds have it.
        write: Any = question
        if "request_id" in question.DESCRIPTOR.fields_by_name and not write.request_id:
            write.request_id = str(uuid.uuid4())
        send = self._channel.unary_unary(
            method.path,
            request_serializer=method.question.SerializeToString,
            response_deserializer=method.reply.FromString,
        )
        try:
            answer: R = send(question, timeout=TIMEOUT_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            raise refusal_of(error) from error
        return answer

    def watch(self, topics: Sequence[str], resume_token: str) -> Iterator[Change]:
        """Yields changes, heartbeats too; goes on where it was when the connection is lost."""
        opened = self._channel.unary_stream(
            WATCH,
            request_serializer=WatchChangesRequest.SerializeToString,
            response_deserializer=Change.FromString,
        )
        while True:
            question = WatchChangesRequest(topics=topics, resume_token=resume_token)
            try:
                for change in opened(question, metadata=self._metadata):
                    resume_token = change.position or resume_token
                    yield change
                return
            except grpc.RpcError as error:
                refusal = refusal_of(error)
                if refusal.code is not grpc.StatusCode.UNAVAILABLE or not resume_token:
                    raise refusal from error


def refusal_of(error: Any) -> Refusal:
    """Returns what a failed call says; an error of gRPC is a finished call too."""
    return Refusal.of(error)
