"""Every unary call of the public API as a typed value: where it goes, what it takes and gives."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from fairslot.assignment.v1 import assignment_pb2, request_pb2
from fairslot.availability.v1 import availability_pb2, catalog_pb2, schedule_pb2
from fairslot.matching.v1 import matching_pb2
from fairslot.notify.v1 import webhook_pb2
from google.protobuf.message import Message

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Q, R]):
    """One unary call: its path, the message it takes and the message it gives."""

    path: str
    question: type[Q]
    reply: type[R]

    @property
    def name(self) -> str:
        """The bare name, as in PlaceHold."""
        return self.path.rpartition("/")[2]


CATALOG_SERVICE = "/fairslot.availability.v1.CatalogService"
CREATE_RESOURCE = Method(
    f"{CATALOG_SERVICE}/CreateResource",
    catalog_pb2.CreateResourceRequest,
    catalog_pb2.CreateResourceResponse,
)
BATCH_CREATE_RESOURCES = Method(
    f"{CATALOG_SERVICE}/BatchCreateResources",
    catalog_pb2.BatchCreateResourcesRequest,
    catalog_pb2.BatchCreateResourcesResponse,
)
GET_RESOURCE = Method(
    f"{CATALOG_SERVICE}/GetResource",
    catalog_pb2.GetResourceRequest,
    catalog_pb2.GetResourceResponse,
)
LIST_RESOURCES = Method(
    f"{CATALOG_SERVICE}/ListResources",
    catalog_pb2.ListResourcesRequest,
    catalog_pb2.ListResourcesResponse,
)
UPDATE_RESOURCE = Method(
    f"{CATALOG_SERVICE}/UpdateResource",
    catalog_pb2.UpdateResourceRequest,
    catalog_pb2.UpdateResourceResponse,
)
DELETE_RESOURCE = Method(
    f"{CATALOG_SERVICE}/DeleteResource",
    catalog_pb2.DeleteResourceRequest,
    catalog_pb2.DeleteResourceResponse,
)
CREATE_SERVICE_TYPE = Method(
    f"{CATALOG_SERVICE}/CreateServiceType",
    catalog_pb2.CreateServiceTypeRequest,
    catalog_pb2.CreateServiceTypeResponse,
)
GET_SERVICE_TYPE = Method(
    f"{CATALOG_SERVICE}/GetServiceType",
    catalog_pb2.GetServiceTypeRequest,
    catalog_pb2.GetServiceTypeResponse,
)
LIST_SERVICE_TYPES = Method(
    f"{CATALOG_SERVICE}/ListServiceTypes",
    catalog_pb2.ListServiceTypesRequest,
    catalog_pb2.ListServiceTypesResponse,
)
UPDATE_SERVICE_TYPE = Method(
    f"{CATALOG_SERVICE}/UpdateServiceType",
    catalog_pb2.UpdateServiceTypeRequest,
    catalog_pb2.UpdateServiceTypeResponse,
)
DELETE_SERVICE_TYPE = Method(
    f"{CATALOG_SERVICE}/DeleteServiceType",
    catalog_pb2.DeleteServiceTypeRequest,
    catalog_pb2.DeleteServiceTypeResponse,
)
GET_TENANT = Method(
    f"{CATALOG_SERVICE}/GetTenant",
    catalog_pb2.GetTenantRequest,
    catalog_pb2.GetTenantResponse,
)
UPDATE_TENANT = Method(
    f"{CATALOG_SERVICE}/UpdateTenant",
    catalog_pb2.UpdateTenantRequest,
    catalog_pb2.UpdateTenantResponse,
)

SCHEDULE_SERVICE = "/fairslot.availability.v1.ScheduleService"
SET_WEEKLY_SCHEDULE = Method(
    f"{SCHEDULE_SERVICE}/SetWeeklySchedule",
    schedule_pb2.SetWeeklyScheduleRequest,
    schedule_pb2.SetWeeklyScheduleResponse,
)
GET_SCHEDULE = Method(
    f"{SCHEDULE_SERVICE}/GetSchedule",
    schedule_pb2.GetScheduleRequest,
    schedule_pb2.GetScheduleResponse,
)
CREATE_EXCEPTION = Method(
    f"{SCHEDULE_SERVICE}/CreateException",
    schedule_pb2.CreateExceptionRequest,
    schedule_pb2.CreateExceptionResponse,
)
DELETE_EXCEPTION = Method(
    f"{SCHEDULE_SERVICE}/DeleteException",
    schedule_pb2.DeleteExceptionRequest,
    schedule_pb2.DeleteExceptionResponse,
)
CREATE_TIME_OFF = Method(
    f"{SCHEDULE_SERVICE}/CreateTimeOff",
    schedule_pb2.CreateTimeOffRequest,
    schedule_pb2.CreateTimeOffResponse,
)
DELETE_TIME_OFF = Method(
    f"{SCHEDULE_SERVICE}/DeleteTimeOff",
    schedule_pb2.DeleteTimeOffRequest,
    schedule_pb2.DeleteTimeOffResponse,
)
UPSERT_EXTERNAL_BUSY = Method(
    f"{SCHEDULE_SERVICE}/UpsertExternalBusy",
    schedule_pb2.UpsertExternalBusyRequest,
    schedule_pb2.UpsertExternalBusyResponse,
)
DELETE_EXTERNAL_BUSY = Method(
    f"{SCHEDULE_SERVICE}/DeleteExternalBusy",
    schedule_pb2.DeleteExternalBusyRequest,
    schedule_pb2.DeleteExternalBusyResponse,
)
IMPORT_CALENDAR = Method(
    f"{SCHEDULE_SERVICE}/ImportCalendar",
    schedule_pb2.ImportCalendarRequest,
    schedule_pb2.ImportCalendarResponse,
)

AVAILABILITY_SERVICE = "/fairslot.availability.v1.AvailabilityService"
SEARCH_SLOTS = Method(
    f"{AVAILABILITY_SERVICE}/SearchSlots",
    availability_pb2.SearchSlotsRequest,
    availability_pb2.SearchSlotsResponse,
)
EXPLAIN_SLOT = Method(
    f"{AVAILABILITY_SERVICE}/ExplainSlot",
    availability_pb2.ExplainSlotRequest,
    availability_pb2.ExplainSlotResponse,
)

MATCHING_SERVICE = "/fairslot.matching.v1.MatchingService"
RANK_CANDIDATES = Method(
    f"{MATCHING_SERVICE}/RankCandidates",
    matching_pb2.RankCandidatesRequest,
    matching_pb2.RankCandidatesResponse,
)
GET_FAIRNESS = Method(
    f"{MATCHING_SERVICE}/GetFairness",
    matching_pb2.GetFairnessRequest,
    matching_pb2.GetFairnessResponse,
)
UPDATE_MATCHING_SETTINGS = Method(
    f"{MATCHING_SERVICE}/UpdateSettings",
    matching_pb2.UpdateSettingsRequest,
    matching_pb2.UpdateSettingsResponse,
)
REPLAY_DECISIONS = Method(
    f"{MATCHING_SERVICE}/ReplayDecisions",
    matching_pb2.ReplayDecisionsRequest,
    matching_pb2.ReplayDecisionsResponse,
)
GET_SHADOW_REPORT = Method(
    f"{MATCHING_SERVICE}/GetShadowReport",
    matching_pb2.GetShadowReportRequest,
    matching_pb2.GetShadowReportResponse,
)

REQUEST_SERVICE = "/fairslot.assignment.v1.RequestService"
CREATE_REQUEST = Method(
    f"{REQUEST_SERVICE}/CreateRequest",
    request_pb2.CreateRequestRequest,
    request_pb2.CreateRequestResponse,
)
GET_REQUEST = Method(
    f"{REQUEST_SERVICE}/GetRequest",
    request_pb2.GetRequestRequest,
    request_pb2.GetRequestResponse,
)
LIST_REQUESTS = Method(
    f"{REQUEST_SERVICE}/ListRequests",
    request_pb2.ListRequestsRequest,
    request_pb2.ListRequestsResponse,
)
CANCEL_REQUEST = Method(
    f"{REQUEST_SERVICE}/CancelRequest",
    request_pb2.CancelRequestRequest,
    request_pb2.CancelRequestResponse,
)

ASSIGNMENT_SERVICE = "/fairslot.assignment.v1.AssignmentService"
PLACE_HOLD = Method(
    f"{ASSIGNMENT_SERVICE}/PlaceHold",
    assignment_pb2.PlaceHoldRequest,
    assignment_pb2.PlaceHoldResponse,
)
VALIDATE_HOLD = Method(
    f"{ASSIGNMENT_SERVICE}/ValidateHold",
    assignment_pb2.ValidateHoldRequest,
    assignment_pb2.ValidateHoldResponse,
)
CONFIRM_HOLD = Method(
    f"{ASSIGNMENT_SERVICE}/ConfirmHold",
    assignment_pb2.ConfirmHoldRequest,
    assignment_pb2.ConfirmHoldResponse,
)
RELEASE_HOLD = Method(
    f"{ASSIGNMENT_SERVICE}/ReleaseHold",
    assignment_pb2.ReleaseHoldRequest,
    assignment_pb2.ReleaseHoldResponse,
)
ASSIGN = Method(
    f"{ASSIGNMENT_SERVICE}/Assign",
    assignment_pb2.AssignRequest,
    assignment_pb2.AssignResponse,
)
CANCEL_ASSIGNMENT = Method(
    f"{ASSIGNMENT_SERVICE}/CancelAssignment",
    assignment_pb2.CancelAssignmentRequest,
    assignment_pb2.CancelAssignmentResponse,
)
GET_ASSIGNMENT = Method(
    f"{ASSIGNMENT_SERVICE}/GetAssignment",
    assignment_pb2.GetAssignmentRequest,
    assignment_pb2.GetAssignmentResponse,
)
LIST_ASSIGNMENTS = Method(
    f"{ASSIGNMENT_SERVICE}/ListAssignments",
    assignment_pb2.ListAssignmentsRequest,
    assignment_pb2.ListAssignmentsResponse,
)

WEBHOOK_SERVICE = "/fairslot.notify.v1.WebhookService"
CREATE_ENDPOINT = Method(
    f"{WEBHOOK_SERVICE}/CreateEndpoint",
    webhook_pb2.CreateEndpointRequest,
    webhook_pb2.CreateEndpointResponse,
)
LIST_ENDPOINTS = Method(
    f"{WEBHOOK_SERVICE}/ListEndpoints",
    webhook_pb2.ListEndpointsRequest,
    webhook_pb2.ListEndpointsResponse,
)
DELETE_ENDPOINT = Method(
    f"{WEBHOOK_SERVICE}/DeleteEndpoint",
    webhook_pb2.DeleteEndpointRequest,
    webhook_pb2.DeleteEndpointResponse,
)
ROTATE_SECRET = Method(
    f"{WEBHOOK_SERVICE}/RotateSecret",
    webhook_pb2.RotateSecretRequest,
    webhook_pb2.RotateSecretResponse,
)
LIST_DELIVERIES = Method(
    f"{WEBHOOK_SERVICE}/ListDeliveries",
    webhook_pb2.ListDeliveriesRequest,
    webhook_pb2.ListDeliveriesResponse,
)
REDELIVER = Method(
    f"{WEBHOOK_SERVICE}/Redeliver",
    webhook_pb2.RedeliverRequest,
    webhook_pb2.RedeliverResponse,
)
