"""What the ledger commits in a second, beside pgbench, an empty call and a plain constraint."""
