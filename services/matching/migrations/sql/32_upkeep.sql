-- What is past its time is forgotten beside the calls, across tenants.

CREATE INDEX decision_by_age ON matching.decision (at);
CREATE INDEX shadow_pair_by_age ON matching.shadow_pair (at);
CREATE INDEX outbox_by_age ON matching.outbox (at) WHERE published;

GRANT DELETE ON matching.decision, matching.outbox TO fairslot_matching_worker;
