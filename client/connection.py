"""Calls the gateway with a token: deadlines, one idempotency key per write, typed refusals."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from fairslot.gateway.v1.planner_pb2 import Change
from google.protobuf.message import Message

from client.methods import Method
from client.refusal import Refusal
from client.watch import watching

TIMEOUT_SECONDS = 5.0
ATTEMPTS_MAX = 4
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 1.0
RETRY_AFTER_MAX_SECONDS = 5.0

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True)
class Call:
    """One finished call as an observer sees it, retries included; times are monotonic seconds."""

    method: str
    request: Message
    reply: bytes
    refusal: Refusal | None
    invoked_seconds: float
    completed_seconds: float


Observer = Callable[[Call], None]


def new_key() -> str:
    """Makes an idempotency key that nobody else makes."""
    return str(uuid.uuid4())


def open_channel(gateway: str) -> grpc.aio.Channel:
    """Opens a channel to a gateway URL: http:// in the clear, https:// with the system's roots.

    Retries are this client's own, because only it knows that the key stays the same.
    """
    url = urlsplit(gateway)
    # A pool of its own: channels of one process that share a target would share one connection.
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    if url.scheme == "https":
        target = f"{url.hostname}:{url.port or 443}"
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=options)
    return grpc.aio.insecure_channel(f"{url.hostname}:{url.port or 80}", options=options)


class Client:
    """One caller: a channel and a token. Cheap, so that many may share one channel."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        token: str,
        observer: Observer | None = None,
        make_key: Callable[[], str] = new_key,
        rng: random.Random | None = None,
    ) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._observer = observer
        self._make_key = make_key
        self._rng = rng or random.Random()
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {}

    async def call(
        self, method: Method[Q, R], request: Q, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> R:
        """Makes one call and returns its reply; each attempt has `timeout_seconds`.

        A write without request_id gets one before it is first sent. It is sent again under that
        key when a part is down, the key is being worked on, or the answer is late.

        Raises:
            Refusal: the call was refused, or no attempt was answered.
        """
        # Message has no such field as a type, only some of its kinds have it.
        write: Any = request
        if "request_id" in request.DESCRIPTOR.fields_by_name and not write.request_id:
            write.request_id = self._make_key()
        return method.reply.FromString(await self._attempts(method, request, timeout_seconds))

    async def _attempts(self, method: Method[Q, R], request: Q, timeout_seconds: float) -> bytes:
        invoked, reply, refusal = time.monotonic(), b"", None
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                reply, refusal = await self._send(method.path, request, timeout_seconds), None
                break
            except grpc.aio.AioRpcError as error:
                refusal = Refusal.of(error)
                if attempt == ATTEMPTS_MAX or not refusal.repeatable:
                    break
            await asyncio.sleep(self._pause_seconds(attempt, refusal))
        if self._observer:
            now = time.monotonic()
            self._observer(Call(method.name, request, reply, refusal, invoked, now))
        if refusal:
            raise refusal
        return reply

    async def _send(self, path: str, request: Message, timeout_seconds: float) -> bytes:
        send = self._calls.get(path)
        if send is None:
            # The reply stays bytes here, so that an observer can compare what was really sent.
            send = self._channel.unary_unary(path, request_serializer=_serialized)
            self._calls[path] = send
        reply: bytes = await send(request, timeout=timeout_seconds, metadata=self._metadata)
        return reply

    def _pause_seconds(self, attempt: int, refusal: Refusal) -> float:
        """Waits as long as the server says, else longer each time with full jitter."""
        if refusal.retry_after_seconds is not None:
            return min(refusal.retry_after_seconds, RETRY_AFTER_MAX_SECONDS)
        longest_seconds: float = min(BACKOFF_FIRST_SECONDS * 2**attempt, BACKOFF_MAX_SECONDS)
        return self._rng.random() * longest_seconds

    def watch(
        self, topics: Sequence[str] = (), *, resume_token: str = "", heartbeats: bool = False
    ) -> AsyncIterator[Change]:
        """Yields changes of the caller's tenant for as long as it is read.

        Goes on after a lost connection where it was, so a change may come twice but none is left
        out. A RESYNC is yielded: reload everything, then read on. Heartbeats only if asked for.

        Raises:
            Refusal: the watch is not allowed, or could not be opened for a long time.
        """
        return watching(
            self._channel,
            self._metadata,
            topics,
            resume_token=resume_token,
            heartbeats=heartbeats,
            rng=self._rng,
        )


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


@asynccontextmanager
async def open_client(
    gateway: str, token: str, *, observer: Observer | None = None
) -> AsyncIterator[Client]:
    """Opens a channel to a gateway URL for one caller and closes it at the end."""
    async with open_channel(gateway) as channel:
        yield Client(channel, token=token, observer=observer)
