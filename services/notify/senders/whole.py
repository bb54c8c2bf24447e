"""Publishes several events as one: all or none, and only where the stream is as was thought."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

import nats.errors
from nats.aio.client import Client
from nats.js import api

from kit.bus import PUBLISH_SECONDS
from kit.event import Event


class Lost(Exception):
    """Another writer moved the stream on: an expected position no longer holds."""


async def publish_together(client: Client, events: Sequence[Event], *, after: int) -> int:
    """Publishes all or none, and only if the stream still ends at `after`; returns its new end.

    Raises Lost where another writer moved the stream on, or the answer did not come: the
    stream then ends where it ended, or after these events. They are of one stream that was made
    with `whole`, and at most 1,000, which is as many
    as NATS takes.
    """
    headers = [dict(event.headers) for event in events]
    headers[0][api.Header.EXPECTED_LAST_SEQUENCE] = str(after)
    if len(events) > 1:
        batch = uuid.uuid4().hex
        for number, header in enumerate(headers, start=1):
            header[api.Header.BATCH_ID] = batch
            header[api.Header.BATCH_SEQUENCE] = str(number)
        headers[-1][api.Header.BATCH_COMMIT] = "1"
    try:
        for event, header in zip(events[:-1], headers[:-1], strict=True):
            await client.publish(event.subject, event.body, headers=header)
        answer = await client.request(
            events[-1].subject, events[-1].body, timeout=PUBLISH_SECONDS, headers=headers[-1]
        )
    except nats.errors.Error as error:
        raise Lost("the stream did not answer") from error
    acknowledged = json.loads(answer.data)
    if "error" in acknowledged:
        raise Lost(acknowledged["error"].get("description", "the stream refused"))
    return int(acknowledged["seq"])
