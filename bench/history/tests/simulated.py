"""Makes histories of a correct ledger from a seed, with what it stored and told."""

import heapq
import random
from dataclasses import dataclass, field, replace

from bench.history import Allocation, Event, Evidence, Op, Outcome, Seen

RESOURCES = [f"r{number}" for number in range(6)]
SITTING = 120
BUFFER = 15
HOLD_SECONDS = 8.0


@dataclass
class Simulation:
    """A ledger in one thread; every call takes effect at one moment between its two ends."""

    rng: random.Random
    ops: list[Op] = field(default_factory=list)
    allocations: dict[str, Allocation] = field(default_factory=dict)
    expiry: dict[str, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    now: float = 0.0

    def tell(self, allocation: Allocation) -> None:
        """Stores a state and writes it to the outbox."""
        self.allocations[allocation.id] = allocation
        version = 1 + sum(event.id == allocation.id for event in self.events)
        self.events.append(
            Event(
                id=allocation.id,
                version=version,
                state=allocation.state,
                resource_ids=allocation.resource_ids,
                taken=allocation.taken,
                at=self.now,
                expires_at=self.expiry.get(allocation.id, float("inf")),
            )
        )

    def sweep(self) -> None:
        """Expires what is over."""
        for allocation in list(self.allocations.values()):
            if allocation.state == "HELD" and self.expiry[allocation.id] <= self.now:
                self.tell(replace(allocation, state="EXPIRED"))

    def record(self, process: int, rpc: str, key: str, outcome: Outcome, **more: object) -> Op:
        """Writes a call down with ends around the present moment."""
        op = Op(
            process=process,
            rpc=rpc,
            key=key,
            params=b"",
            invoked=self.now - self.rng.uniform(0.01, 1),
            completed=self.now + self.rng.uniform(0.01, 1),
            outcome=outcome,
            **more,  # type: ignore[arg-type]
        )
        self.ops.append(op)
        return op

    def place(self, number: int, attempt: int) -> str:
        """Tries to hold a random slot; returns the allocation or nothing."""
        self.sweep()
        request, key = f"q{number}", f"place-{number}-{attempt}"
        resources = tuple(sorted(self.rng.sample(RESOURCES, self.rng.choice((1, 1, 1, 2)))))
        start = 60 * self.rng.randrange(30)
        taken = (start - BUFFER, start + SITTING + BUFFER)
        free = not any(
            allocation.state in {"HELD", "ASSIGNED"}
            and set(allocation.resource_ids) & set(resources)
            and allocation.taken[0] < taken[1]
            and taken[0] < allocation.taken[1]
            for allocation in self.allocations.values()
        )
        if not free:
            self.record(
                number,
                "PlaceHold",
                key,
                Outcome.FAIL,
                reason="SLOT_TAKEN",
                booking_request_id=request,
            )
            return ""
        name = f"a{number}-{attempt}"
        self.expiry[name] = self.now + HOLD_SECONDS
        self.tell(Allocation(name, "HELD", resources, start, start + SITTING, taken, request))
        lost = self.rng.random() < 0.05
        self.record(
            number,
            "PlaceHold",
            key,
            Outcome.INFO if lost else Outcome.OK,
            response=b"" if lost else name.encode(),
            booking_request_id=request,
            allocation_id="" if lost else name,
            resource_ids=resources,
            start=start,
            end=start + SITTING,
            expires=self.expiry[name],
        )
        return "" if lost else name

    def confirm(self, number: int, name: str, key: str) -> None:
        """Confirms a hold if it still lives, and now and then says so twice."""
        self.sweep()
        allocation = self.allocations[name]
        alive = allocation.state == "HELD"
        if alive:
            allocation = replace(allocation, state="ASSIGNED")
            self.tell(allocation)
        for _ in range(self.rng.choice((1, 1, 1, 2))):
            self.record(
                number,
                "ConfirmHold",
                key,
                Outcome.OK if alive else Outcome.FAIL,
                reason="" if alive else "HOLD_EXPIRED",
                response=b"ok " + name.encode() if alive else b"",
                booking_request_id=f"q{number}",
                allocation_id=name,
                taken=allocation.taken if alive else None,
            )

    def free(self, number: int, name: str) -> None:
        """Cancels what is assigned."""
        allocation = self.allocations[name]
        if allocation.state != "ASSIGNED":
            return
        self.tell(replace(allocation, state="CANCELLED"))
        self.record(
            number,
            "CancelAssignment",
            f"cancel-{name}",
            Outcome.OK,
            booking_request_id=f"q{number}",
            allocation_id=name,
        )

    def read(self, number: int, name: str) -> None:
        """Reads what was confirmed."""
        kept = self.allocations[name].state != "HELD"
        outcome = Outcome.OK if kept else Outcome.FAIL
        self.record(number, "GetAssignment", "", outcome, allocation_id=name)


def simulate(seed: int, requests: int = 80) -> Evidence:
    """Plays callers who hold, confirm, forget, repeat and cancel."""
    rng = random.Random(seed)
    simulation = Simulation(rng)
    agenda = [(rng.uniform(0, 60), number, "place", "", 0) for number in range(requests)]
    heapq.heapify(agenda)
    while agenda:
        simulation.now, number, what, name, attempt = heapq.heappop(agenda)
        # The next call of the same caller comes after the answer to this one.
        soon = simulation.now + rng.uniform(2.1, 5)
        if what == "place":
            name = simulation.place(number, attempt)
            if name and rng.random() < 0.85:
                heapq.heappush(agenda, (soon, number, "confirm", name, attempt))
            elif not name and attempt < 3:
                heapq.heappush(agenda, (soon, number, "place", "", attempt + 1))
        elif what == "confirm":
            simulation.confirm(number, name, f"confirm-{name}")
            if simulation.allocations[name].state == "ASSIGNED":
                heapq.heappush(agenda, (soon, number, "read", name, attempt))
        elif what == "read":
            simulation.read(number, name)
            if rng.random() < 0.2:
                heapq.heappush(agenda, (soon, number, "free", name, attempt))
        else:
            simulation.free(number, name)
    simulation.now += 2 * HOLD_SECONDS
    simulation.sweep()
    return told(simulation)


def told(simulation: Simulation) -> Evidence:
    """Adds watchers who saw it all, some of it twice."""
    expected = [("holds", event.id, event.version) for event in simulation.events]
    seen: dict[str, list[Seen]] = {}
    for watcher in ("w1", "w2", "w3"):
        seen[watcher] = []
        for known in expected:
            for _ in range(simulation.rng.choice((1, 1, 1, 1, 2))):
                seen[watcher].append(Seen(*known))
    return Evidence(
        ops=simulation.ops,
        allocations=list(simulation.allocations.values()),
        events=simulation.events,
        expected_changes=expected,
        seen=seen,
    )
