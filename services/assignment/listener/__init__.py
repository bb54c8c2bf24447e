"""What the ledger listens to: its own queue of work, and what availability says of its catalog."""

from services.assignment.listener.catalog import CatalogListener
from services.assignment.listener.tasks import TaskListener

__all__ = ["CatalogListener", "TaskListener"]
