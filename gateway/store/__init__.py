"""The gateway's tables: what outside calendars told, and where each booking stands."""

from gateway.store.calendar import Inbox, InboxRows
from gateway.store.secrets import CalendarSecrets

__all__ = ["CalendarSecrets", "Inbox", "InboxRows"]
