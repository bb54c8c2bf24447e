"""What the gateway process serves: watches over gRPC, and plain HTTP for browsers and webhooks."""

from gateway.servicer.calendar import CalendarServicer
from gateway.servicer.description import description
from gateway.servicer.planner import PlannerServicer
from gateway.servicer.web import Web, pages
from gateway.servicer.webhooks import CalcomWebhook

__all__ = ["CalcomWebhook", "CalendarServicer", "PlannerServicer", "Web", "description", "pages"]
