"""The ledger's tables as far as ordinary queries read them; migrations/sql has them whole."""

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, literal_column
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

SCHEMA = MetaData(schema="assignment")
MOMENT = TIMESTAMP(timezone=True)

allocation = Table(
    "allocation",
    SCHEMA,
    Column("tenant_id", Text),
    Column("allocation_id", Text),
    Column("state", Text),
    Column("request_id", Text),
    Column("resource_ids", ARRAY(Text)),
    Column("slot_start", MOMENT),
    Column("slot_end", MOMENT),
    Column("version", BigInteger),
    Column("risks", JSONB),
)
# An allocation as answers tell it.
allocation_record = literal_column("assignment.allocation_record(allocation)", JSONB)

# Booking requests as they stand at this moment.
request_now = Table(
    "request_now",
    SCHEMA,
    Column("tenant_id", Text),
    Column("request_id", Text),
    Column("state_now", Text),
    Column("created_at", MOMENT),
    Column("record", JSONB),
)
