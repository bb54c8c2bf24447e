-- Decisions are told like all else that happens: by an event of the transaction that keeps them.

GRANT INSERT ON matching.outbox TO fairslot_matching_worker;
