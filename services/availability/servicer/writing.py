"""Does a write once per idempotency key, whatever it writes."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

from kit.call import current_call, current_caller
from kit.db import retrying
from kit.idempotency import fingerprint, key_of, run_once
from services.availability.engine import Edit, Editing

SCHEMA = "availability"
Answer = TypeVar("Answer", bound=Message)


class Writing:
    """Runs edits on behalf of the current caller."""

    def __init__(self, editing: Editing) -> None:
        """Keeps what opens edits."""
        self._editing = editing

    async def once(
        self,
        request: Message,
        answer: type[Answer],
        work: Callable[[Edit], Awaitable[Answer]],
    ) -> Answer:
        """Returns the answer of `work`, done in one transaction, or the one stored before."""
        caller, method = current_caller(), current_call().method
        key, payload = key_of(request), fingerprint(method, request)

        async def attempt() -> bytes:
            async with self._editing.edit(caller) as edit:

                async def bytes_of_work() -> bytes:
                    return bytes((await work(edit)).SerializeToString())

                return await run_once(
                    edit.connection,
                    schema=SCHEMA,
                    caller=caller,
                    method=method,
                    key=key,
                    request_hash=payload,
                    work=bytes_of_work,
                )

        return answer.FromString(await retrying(attempt))
