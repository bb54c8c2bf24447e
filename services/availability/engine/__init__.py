"""What availability does: edits and reads of the catalog, searches, checks and explanations."""

from services.availability.engine.answers import Cache, Matrix, Paging, SlotPage, Trace
from services.availability.engine.asking import Ask, window_invalid
from services.availability.engine.blocks import Blocks
from services.availability.engine.calendar_edits import Wish
from services.availability.engine.checking import Check, Checked, Checking, Offered
from services.availability.engine.counting import Counting
from services.availability.engine.daily import Daily
from services.availability.engine.editing import Edit, Editing
from services.availability.engine.figures import Figures
from services.availability.engine.gate import Gate
from services.availability.engine.glimpsing import Glimpses
from services.availability.engine.insight import By, Insight, Use
from services.availability.engine.outcomes import Rejection
from services.availability.engine.paging import name_after, name_token
from services.availability.engine.reaching import Reaching
from services.availability.engine.reading import Expanded, Reading
from services.availability.engine.recording import check_etag
from services.availability.engine.searching import Searching
from services.availability.engine.surveying import Surveying
from services.availability.engine.warming import Warming
from services.availability.engine.world import World
from services.availability.engine.worlds import Worlds

__all__ = [
    "Ask",
    "Blocks",
    "By",
    "Cache",
    "Check",
    "Checked",
    "Checking",
    "Counting",
    "Daily",
    "Edit",
    "Editing",
    "Expanded",
    "Figures",
    "Gate",
    "Glimpses",
    "Insight",
    "Matrix",
    "Offered",
    "Paging",
    "Reaching",
    "Reading",
    "Rejection",
    "Searching",
    "SlotPage",
    "Surveying",
    "Trace",
    "Use",
    "Warming",
    "Wish",
    "World",
    "Worlds",
    "check_etag",
    "name_after",
    "name_token",
    "window_invalid",
]
