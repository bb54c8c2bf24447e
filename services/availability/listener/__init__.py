"""What availability listens to: the ledger's events, and the catalog's of other replicas."""

from services.availability.listener.events import CATALOG_STREAM, CATALOG_SUBJECTS
from services.availability.listener.following import Follower
from services.availability.listener.projecting import Projector

__all__ = ["CATALOG_STREAM", "CATALOG_SUBJECTS", "Follower", "Projector"]
