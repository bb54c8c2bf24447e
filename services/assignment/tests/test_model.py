"""The ledger against a small model of it: whatever is done in whatever order, both agree."""

from __future__ import annotations

import asyncio
import itertools

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from services.assignment.store.upkeep import sweep
from services.assignment.tests.books import key, open_books, reason, slot, violations
from services.assignment.tests.model import Model, Taken

RESOURCES = ("r1", "r2", "r3")
# Hours; with a quarter of an hour on either side the first two meet, and so do the next two.
STARTS = (0.0, 1.25, 4.0, 5.0)
ACTORS = ("ann", "bob")
RESOLVED = {"RELEASED": "HOLD_ALREADY_RELEASED", "EXPIRED": "HOLD_EXPIRED"}


class Machine(RuleBasedStateMachine):
    """Does the same to the ledger and to the model."""

    database = None
    loop: asyncio.AbstractEventLoop
    tenants = itertools.count()
    requests = Bundle("requests")
    allocations = Bundle("allocations")

    def __init__(self) -> None:
        super().__init__()
        self.tenant = f"t{next(self.tenants)}"
        self.model = Model()
        self.opening = open_books(self.database.url, size=2)
        self.books = self.run(self.opening.__aenter__())
        self.admin = psycopg.connect(self.database.admin_url, autocommit=True)

    def run(self, work):
        return self.loop.run_until_complete(work)

    def key(self, method: str, actor: str = "ann"):
        return key(method, tenant=self.tenant, actor=actor)

    @rule(target=requests)
    def wants(self):
        return self.run(self.books.request(write=self.key("CreateRequest")))

    @rule(
        target=allocations,
        plan=st.sets(st.sampled_from(RESOURCES), min_size=1),
        start=st.sampled_from(STARTS),
        request=st.one_of(st.just(""), requests),
        actor=st.sampled_from(ACTORS),
    )
    def holds(self, plan, start, request, actor):
        return self._place(frozenset(plan), start, request, actor, hold=True)

    @rule(
        target=allocations,
        plan=st.sets(st.sampled_from(RESOURCES), min_size=1),
        start=st.sampled_from(STARTS),
        request=requests,
        actor=st.sampled_from(ACTORS),
    )
    def assigns(self, plan, start, request, actor):
        return self._place(frozenset(plan), start, request, actor, hold=False)

    def _place(self, plan, start, request, actor, *, hold: bool) -> str:
        expected, becomes = self.model.place(plan, start, request, actor, hold=hold)
        own = self.model.own(request)
        call = self.books.hold if hold else self.books.assign
        write = self.key("PlaceHold" if hold else "Assign", actor)
        outcome = self.run(call(*sorted(plan), at=slot(start), request=request, write=write))
        assert reason(outcome) == expected
        if outcome.allocation is None:
            return ""
        if becomes:
            becomes.state, becomes.version = "ASSIGNED", becomes.version + 1
            return outcome.allocation.id
        if own:
            own.state, own.version = "RELEASED", own.version + 1
        state = "HELD" if hold else "ASSIGNED"
        self.model.taken[outcome.allocation.id] = Taken(
            plan, start, request, actor, state, held=hold
        )
        # Dead holds that were in the way, or the request's own, are written down by now.
        return outcome.allocation.id

    @rule(name=allocations)
    def lapses(self, name):
        own = self.model.taken.get(name)
        if own and own.state == "HELD":
            own.lapsed = True
            self.admin.execute(
                "UPDATE assignment.allocation SET hold_expires_at = clock_timestamp()"
                " WHERE tenant_id = %s AND allocation_id = %s",
                (self.tenant, name),
            )

    @rule(name=allocations)
    def extends(self, name):
        own = self.model.taken.get(name)
        outcome = self.run(self.books.extend(name, write=self.key("ExtendHold")))
        if own is None or not own.held:
            assert reason(outcome) == "NOT_FOUND"
        elif own.state == "HELD" and own.lapsed:
            assert reason(outcome) == "HOLD_EXPIRED"
        elif own.state == "HELD" and own.extensions == 2:
            assert reason(outcome) == "HOLD_NOT_EXTENDABLE"
        elif own.state == "HELD":
            assert reason(outcome) == "OK"
            own.extensions, own.version = own.extensions + 1, own.version + 1
        else:
            assert reason(outcome) == RESOLVED.get(own.state, "HOLD_ALREADY_CONFIRMED")

    @rule(
        name=allocations,
        plan=st.sets(st.sampled_from(RESOURCES), min_size=1),
        start=st.sampled_from(STARTS),
        stale=st.booleans(),
    )
    def moves(self, name, plan, start, stale):
        own = self.model.taken.get(name)
        version = own.version + 1 if own and stale else 0
        outcome = self.run(
            self.books.reassign(
                name, *sorted(plan), at=slot(start), version=version, write=self.key("Reassign")
            )
        )
        if own is None or own.state not in ("ASSIGNED", "CANCELLED", "COMPLETED"):
            assert reason(outcome) == "NOT_FOUND"
        elif stale:
            assert reason(outcome) == "STALE_ETAG"
        elif own.state != "ASSIGNED":
            assert reason(outcome) == "ASSIGNMENT_NOT_ACTIVE"
        elif any(
            a.meets(frozenset(plan), start) for a in self.model.taken.values() if a is not own
        ):
            assert reason(outcome) == "SLOT_TAKEN"
        else:
            assert reason(outcome) == "OK"
            own.plan, own.start, own.version = frozenset(plan), start, own.version + 1

    @rule(name=allocations, stale=st.booleans())
    def completes(self, name, stale):
        own = self.model.taken.get(name)
        version = own.version + 1 if own and stale else 0
        outcome = self.run(
            self.books.complete(name, version=version, write=self.key("CompleteAssignment"))
        )
        if own is None or own.state not in ("ASSIGNED", "CANCELLED", "COMPLETED"):
            assert reason(outcome) == "NOT_FOUND"
        elif own.state == "COMPLETED":
            assert reason(outcome) == "OK"
        elif stale:
            assert reason(outcome) == "STALE_ETAG"
        elif own.state == "CANCELLED":
            assert reason(outcome) == "ASSIGNMENT_NOT_ACTIVE"
        else:
            assert reason(outcome) == "OK"
            own.state, own.version = "COMPLETED", own.version + 1

    @rule(request=requests, party=st.integers(1, 9))
    def edits(self, request, party):
        state = self.model.state_of(request)
        outcome = self.run(
            self.books.update(request, party_size=party, write=self.key("UpdateRequest"))
        )
        assert reason(outcome) == ("OK" if state == "OPEN" else "REQUEST_NOT_OPEN")
        if outcome.request:
            assert outcome.request.party_size == party

    @rule(name=allocations)
    def confirms(self, name):
        outcome = self.run(self.books.confirm(name, write=self.key("ConfirmHold")))
        own = self.model.taken.get(name)
        if own is None or not own.held:
            assert reason(outcome) == "NOT_FOUND"
        elif own.state == "HELD" and own.lapsed:
            assert reason(outcome) == "HOLD_EXPIRED"
        elif own.state in RESOLVED:
            assert reason(outcome) == RESOLVED[own.state]
        elif own.state == "CANCELLED":
            assert reason(outcome) in ("HOLD_ALREADY_CONFIRMED", "NOT_FOUND")
        else:
            assert reason(outcome) == "OK"
            own.version += own.state == "HELD"
            own.state = "ASSIGNED" if own.state == "HELD" else own.state

    @rule(name=allocations)
    def releases(self, name):
        own = self.model.taken.get(name)
        outcome = self.run(self.books.release(name, write=self.key("ReleaseHold")))
        if own and own.state == "HELD":
            assert reason(outcome) == "OK"
            if not own.lapsed:
                own.state, own.version = "RELEASED", own.version + 1
        elif own and own.state in RESOLVED:
            assert reason(outcome) == "OK"
        else:
            assert reason(outcome) in ("NOT_FOUND", "HOLD_ALREADY_CONFIRMED")

    @rule(name=allocations, stale=st.booleans(), close=st.booleans())
    def cancels(self, name, stale, close):
        own = self.model.taken.get(name)
        version = own.version + 1 if own and stale else own.version if own else 0
        outcome = self.run(
            self.books.cancel(name, version=version, close=close, write=self.key("Cancel"))
        )
        if own is None or own.state not in ("ASSIGNED", "CANCELLED", "COMPLETED"):
            assert reason(outcome) == "NOT_FOUND"
        elif own.state == "CANCELLED":
            assert reason(outcome) == "OK"
        elif stale:
            assert reason(outcome) == "STALE_ETAG"
        elif own.state == "COMPLETED":
            assert reason(outcome) == "ASSIGNMENT_NOT_ACTIVE"
        else:
            assert reason(outcome) == "OK"
            own.state, own.version = "CANCELLED", own.version + 1
            if close and own.request:
                self.model.closed.add(own.request)

    @rule(request=requests)
    def gives_up(self, request):
        state = self.model.state_of(request)
        own = self.model.own(request)
        outcome = self.run(
            self.books.ledger.cancel_request(
                self.key("CancelRequest"), request_id=request, version=0, reason="no"
            )
        )
        served = state in ("ASSIGNED", "COMPLETED")
        assert reason(outcome) == ("REQUEST_NOT_OPEN" if served else "OK")
        if state == "HELD" and own:
            own.state, own.version = "RELEASED", own.version + 1
        if not served:
            self.model.closed.add(request)

    @rule()
    def is_swept(self):
        async def once() -> None:
            async with await psycopg.AsyncConnection.connect(
                self.database.worker_url, autocommit=True
            ) as worker:
                await sweep(worker)

        self.run(once())

    @invariant()
    def agrees(self):
        rows = self.admin.execute(
            "SELECT allocation_id, state, version, resource_ids FROM assignment.allocation"
            " WHERE tenant_id = %s",
            (self.tenant,),
        ).fetchall()
        assert len(rows) == len(self.model.taken)
        for name, state, version, resource_ids in rows:
            own = self.model.taken[name]
            if own.state == "HELD" and own.lapsed and state == "EXPIRED":
                # Told by whoever came by first; the model does not say when.
                own.state, own.version = "EXPIRED", own.version + 1
            assert (state, version) == (own.state, own.version), name
            assert set(resource_ids) == own.plan
        for request in {a.request for a in self.model.taken.values()} - {""}:
            found = self.run(self.books.reads.request(self.tenant, request))
            assert found.state == self.model.state_of(request)

    def teardown(self):
        try:
            assert violations(self.database.admin_url, self.tenant) == {}
        finally:
            self.admin.close()
            self.run(self.opening.__aexit__(None, None, None))


def test_the_ledger_agrees_with_its_model(ledger_database):
    Machine.database = ledger_database
    with asyncio.Runner() as runner:
        Machine.loop = runner.get_loop()
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
