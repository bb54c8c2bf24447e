"""The commands over grpcio-testing's channel: what they ask, and how they show what comes."""

import io
import json
import threading
import time
from datetime import UTC, datetime

import grpc
import grpc_testing
import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger
from fairslot.assignment.v1 import request_pb2
from fairslot.availability.v1 import availability_pb2 as free
from fairslot.availability.v1 import catalog_pb2, schedule_pb2
from fairslot.gateway.v1 import planner_pb2
from fairslot.matching.v1 import matching_pb2
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from rich.console import Console

from cli.app import build
from cli.screen import Screen
from cli.session import Session
from client.refusal import Refusal

NOW = datetime(2027, 3, 1, 8, tzinfo=UTC)
MODULES = (ledger, request_pb2, free, catalog_pb2, schedule_pb2, planner_pb2, matching_pb2)
SERVICES = {
    name: service
    for module in MODULES
    for name, service in module.DESCRIPTOR.services_by_name.items()
}


class Terminal:
    """Runs one command in a thread and answers its calls."""

    def __init__(self):
        clock = grpc_testing.strict_real_time()
        self.channel = grpc_testing.channel(list(SERVICES.values()), clock)
        self.out = io.StringIO()
        self.raised = None
        self.metadata = {}

    def run(self, *words):
        as_json = "--json" in words
        console = Console(file=self.out, width=200, force_terminal=False)
        session = Session(
            Screen(console, as_json), "http://gate", "tok", lambda _: self.channel, lambda: NOW
        )

        def go():
            try:
                build()(
                    [one for one in words if one != "--json"], obj=session, standalone_mode=False
                )
            except BaseException as error:
                self.raised = error

        self.thread = threading.Thread(target=go, daemon=True)
        self.thread.start()
        return self

    def asked(self, service, method):
        """Waits for the command's call of a method; returns its question."""
        found = SERVICES[service].methods_by_name[method]
        if found.server_streaming:
            metadata, question, self.call = self.channel.take_unary_stream(found)
        else:
            metadata, question, self.call = self.channel.take_unary_unary(found)
        self.metadata = dict(metadata)
        self.call.send_initial_metadata(())
        return question

    def answer(self, message):
        self.call.terminate(message, (), grpc.StatusCode.OK, "")
        return self

    def refuse(self, code, reason, **metadata):
        packed = Packed()
        packed.Pack(ErrorInfo(reason=reason, domain="fairslot", metadata=metadata))
        status = Status(code=code.value[0], message="no", details=[packed])
        trailers = (("grpc-status-details-bin", status.SerializeToString()),)
        self.call.terminate(None, trailers, code, "no")
        return self

    def until(self, text):
        """Waits until the command has written a text."""
        end = time.monotonic() + 10
        while text not in self.out.getvalue():
            assert time.monotonic() < end, self.out.getvalue()
            time.sleep(0.01)

    def said(self):
        """Waits for the end; returns what was written."""
        self.thread.join(10)
        assert not self.thread.is_alive()
        if isinstance(self.raised, Exception):
            raise self.raised
        return self.out.getvalue()


@pytest.fixture
def terminal():
    return Terminal()


def at(message, hour):
    message.FromDatetime(NOW.replace(hour=hour))


def test_search_asks_for_a_window_and_shows_slots(terminal):
    terminal.run("search", "visit", "--from", "+1h", "--to", "2027-03-02T00:00Z", "-r", "r1")
    question = terminal.asked("AvailabilityService", "SearchSlots")
    assert terminal.metadata["authorization"] == "Bearer tok"
    assert question.service_type_id == "visit"
    assert question.window.start_time.ToJsonString() == "2027-03-01T09:00:00Z"
    assert question.window.end_time.ToJsonString() == "2027-03-02T00:00:00Z"
    assert list(question.resource_ids) == ["r1"]
    slot = free.Slot(capacity=4, candidates=["r1", "r7"])
    at(slot.start, 10)
    said = terminal.answer(free.SearchSlotsResponse(slots=[slot], result="1 slot")).said()
    assert "1 slot" in said
    assert "r1, r7" in said


def test_json_is_the_answer_itself(terminal):
    terminal.run("--json", "search", "visit")
    terminal.asked("AvailabilityService", "SearchSlots")
    said = terminal.answer(free.SearchSlotsResponse(result="none")).said()
    assert json.loads(said)["result"] == "none"
    assert json.loads(said)["slots"] == []


def test_explain_names_the_obstacles(terminal):
    terminal.run("explain", "visit", "2027-03-01T10:00Z", "--minutes", "30")
    question = terminal.asked("AvailabilityService", "ExplainSlot")
    assert question.slot.end_time.ToJsonString() == "2027-03-01T10:30:00Z"
    verdicts = [{"resource_id": "r1", "free": True}, {"resource_id": "r2"}]
    answer = free.ExplainSlotResponse(verdicts=verdicts)
    answer.verdicts[1].obstacles.add(code="TIME_OFF")
    said = terminal.answer(answer).said()
    assert "TIME_OFF" in said


def test_rank_shows_percent_and_why(terminal):
    terminal.run("rank", "q1", "--limit", "3")
    question = terminal.asked("MatchingService", "RankCandidates")
    assert (question.booking_request_id, question.limit) == ("q1", 3)
    one = matching_pb2.Candidate(resource_ids=["r1"], match_percent=87, explanation="near and fair")
    said = terminal.answer(matching_pb2.RankCandidatesResponse(candidates=[one])).said()
    assert "87 %" in said
    assert "near and fair" in said


def test_a_hold_is_placed_under_a_key_and_shows_its_token(terminal):
    terminal.run("hold", "2027-03-01T10:00Z", "--request", "q1", "-r", "r1", "--seconds", "90")
    question = terminal.asked("AssignmentService", "PlaceHold")
    assert question.request_id
    assert question.ttl.seconds == 90
    said = terminal.answer(ledger.PlaceHoldResponse(hold=ledger.Hold(token="t0k"))).said()
    assert "t0k" in said


def test_confirm_and_assign_show_the_assignment(terminal):
    terminal.run("confirm", "t0k", "--reason", "agreed")
    question = terminal.asked("AssignmentService", "ConfirmHold")
    assert (question.hold_token, question.reason) == ("t0k", "agreed")
    made = ledger.Assignment(id="a1", assignment_reason="agreed")
    assert "a1" in terminal.answer(ledger.ConfirmHoldResponse(assignment=made)).said()
    terminal.run("assign", "q1", "2027-03-01T10:00Z", "r1", "r2")
    question = terminal.asked("AssignmentService", "Assign")
    assert list(question.resource_ids) == ["r1", "r2"]
    assert "a1" in terminal.answer(ledger.AssignResponse(assignment=made)).said()


def test_a_refusal_is_raised_with_its_reason(terminal):
    terminal.run("assign", "q1", "2027-03-01T10:00Z", "r1")
    terminal.asked("AssignmentService", "Assign")
    with pytest.raises(Refusal) as caught:
        terminal.refuse(grpc.StatusCode.ABORTED, "SLOT_TAKEN", resource="r1").said()
    assert caught.value.reason == "SLOT_TAKEN"
    out = io.StringIO()
    Screen(Console(file=out), True).refused(caught.value)
    assert json.loads(out.getvalue())["metadata"] == {"resource": "r1"}


def test_fairness_shows_shares(terminal):
    terminal.run("fairness", "--month", "2027-03")
    assert terminal.asked("MatchingService", "GetFairness").month == "2027-03"
    answer = matching_pb2.GetFairnessResponse(month="2027-03", time_zone="UTC")
    answer.rows.add(display_name="Ada", offered_days=10, target_share=0.5, actual_share=0.25)
    said = terminal.answer(answer).said()
    assert "50.0%" in said
    assert "Ada" in said


def test_watch_tells_changes_and_goes_on_where_it_was(terminal):
    terminal.run("--json", "watch", "--topic", "holds", "--count", "2")
    question = terminal.asked("PlannerService", "WatchChanges")
    assert list(question.topics) == ["holds"]
    beat = planner_pb2.Change(topic="feed", kind="HEARTBEAT", position="e-1")
    one = planner_pb2.Change(topic="holds", kind="HELD", id="h1", position="e-2")
    terminal.call.send_response(beat)
    terminal.call.send_response(one)
    terminal.until("HELD")
    terminal.call.terminate((), grpc.StatusCode.UNAVAILABLE, "gone")
    question = terminal.asked("PlannerService", "WatchChanges")
    assert question.resume_token == "e-2"
    two = planner_pb2.Change(topic="holds", kind="RELEASED", id="h1", position="e-3")
    terminal.call.send_response(two)
    told = [json.loads(line) for line in terminal.said().splitlines()]
    assert [line["kind"] for line in told] == ["HELD", "RELEASED"]


def test_import_makes_what_is_new_and_leaves_what_is_known(terminal, tmp_path):
    file = tmp_path / "world.json"
    told = {"serviceTypes": [{"id": "visit", "duration": "3600s"}], "resources": [{"id": "r1"}]}
    file.write_text(json.dumps(told))
    terminal.run("--json", "import", str(file))
    assert terminal.asked("CatalogService", "CreateServiceType").service_type.id == "visit"
    terminal.refuse(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    assert terminal.asked("CatalogService", "CreateResource").resource.id == "r1"
    terminal.answer(catalog_pb2.CreateResourceResponse())
    assert json.loads(terminal.said()) == {"new": 1, "known": 1, "refused": []}


def test_a_calendar_is_imported_for_a_resource(terminal, tmp_path):
    file = tmp_path / "ada.ics"
    file.write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    terminal.run("import", str(file), "--resource", "r1")
    question = terminal.asked("ScheduleService", "ImportCalendar")
    assert (question.resource_id, question.text[:5]) == ("r1", "BEGIN")
    said = terminal.answer(schedule_pb2.ImportCalendarResponse(applied=3)).said()
    assert "3 entered" in said


@pytest.mark.parametrize(
    "words",
    [
        ("search", "visit", "--from", "someday"),
        ("hold", "now"),
        ("hold", "now", "--request", "q1", "--service-type", "visit"),
        ("import", "nowhere.json"),
        ("rank",),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_call(terminal, words):
    with pytest.raises(Exception, match=r"."):
        terminal.run(*words).said()
