-- A commit looks for the ranking that led to it among those for its request and those for none; not
-- among all that the tenant asked for that kind of work in a day.
DROP INDEX matching.ranking_lately;
CREATE INDEX ranking_of_request
    ON matching.ranking (tenant_id, service_type_id, booking_request_id, at DESC);
