"""What availability keeps in PostgreSQL: the truth of the catalog, and a copy of the ledger's."""

from services.availability.store.asked import AskedDays, asked_in, asked_text
from services.availability.store.blocks import LIFE, Saved, SharedBlocks, open_blocks
from services.availability.store.calendars import CalendarRows
from services.availability.store.catalog import CatalogRows, TakenError
from services.availability.store.changes import ChangeRows
from services.availability.store.glances import Catalog, Glance, catalog_in, catalog_text
from services.availability.store.projection import LedgerMove, Position, Projection
from services.availability.store.schedules import ScheduleRows
from services.availability.store.upkeep import Upkeep
from services.availability.store.worlds import Difference, Everything, WorldRows

__all__ = [
    "LIFE",
    "AskedDays",
    "CalendarRows",
    "Catalog",
    "CatalogRows",
    "ChangeRows",
    "Difference",
    "Everything",
    "Glance",
    "LedgerMove",
    "Position",
    "Projection",
    "Saved",
    "ScheduleRows",
    "SharedBlocks",
    "TakenError",
    "Upkeep",
    "WorldRows",
    "asked_in",
    "asked_text",
    "catalog_in",
    "catalog_text",
    "open_blocks",
]
