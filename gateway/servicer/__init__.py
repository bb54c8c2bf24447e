"""What the gateway process serves: watches over gRPC, and plain HTTP for browsers and webhooks."""

from gateway.servicer.planner import PlannerServicer
from gateway.servicer.web import Web, pages

__all__ = ["PlannerServicer", "Web", "pages"]
