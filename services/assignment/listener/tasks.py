"""Takes tasks of automatic assignment from the queue and has each done once."""

import random

from fairslot.assignment.v1 import events_pb2
from google.protobuf.message import DecodeError

from kit.bus import Bus
from kit.event import Event
from kit.logs import logger
from kit.signing import Signer
from services.assignment.engine import TRIES_MAX, AutoAssigning
from services.assignment.listener.working import work

log = logger("assignment")

SUBJECT = f"{events_pb2.AutoAssignQueued.DESCRIPTOR.full_name}.*"
DURABLE = "auto-assign"
# What one task may take each time it is tried.
TASK_SECONDS = 20.0


class TaskListener:
    """The workers of one process; those of all processes share one queue."""

    def __init__(
        self,
        bus: Bus,
        auto: AutoAssigning,
        signer: Signer,
        *,
        stream: str,
        workers: int,
        rng: random.Random,
    ) -> None:
        """Takes where tasks come from, who does them, and what signs the questions to peers."""
        self._bus = bus
        self._auto = auto
        self._signer = signer
        self._stream = stream
        self._workers = workers
        self._rng = rng

    async def run(self) -> None:
        """Works for ever."""
        await work(
            self._bus,
            self._stream,
            SUBJECT,
            durable=DURABLE,
            workers=self._workers,
            handle=self._handle,
            rng=self._rng,
        )

    async def _handle(self, event: Event, tries: int) -> None:
        try:
            said = events_pb2.AutoAssignQueued.FromString(event.body)
        except DecodeError as error:
            log.error("a task cannot be read", position=event.position, error=repr(error))
            return
        task = await self._auto.find(
            event.tenant, run_id=said.run_id, request_id=said.booking_request_id
        )
        if task is None:
            return
        try:
            await self._signer.calling(
                lambda: self._auto.serve(task, tries=tries),
                tenant=event.tenant,
                subject=task.actor,
                method="AutoAssign",
                request_id=said.run_id,
                seconds=TASK_SECONDS,
            )
        except Exception as error:
            if tries < TRIES_MAX:
                raise
            log.error("a task is given up", run=said.run_id, tries=tries, exc_info=error)
            await self._auto.give_up(task)
