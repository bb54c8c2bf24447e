"""Assignment: the ledger, one truth about who has what time."""
