-- The ledger's tables. The tenant comes first in every key; every reference carries it.

-- One row per resource the ledger has ever taken time of. Writers of a resource's time lock its row
-- first, in ascending resource_no: that order is what keeps plans of several resources free of
-- deadlock.
CREATE TABLE assignment.resource (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_no bigint GENERATED ALWAYS AS IDENTITY,
    resource_id text NOT NULL CHECK (resource_id <> ''),
    generation bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, resource_no),
    UNIQUE (tenant_id, resource_id)
) WITH (fillfactor = 50);

-- What somebody wants. allocation_id is the one hold or assignment that serves it.
CREATE TABLE assignment.request (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    request_id text NOT NULL CHECK (request_id <> ''),
    version bigint NOT NULL DEFAULT 1,
    state text NOT NULL CHECK (state IN ('OPEN', 'HELD', 'ASSIGNED', 'COMPLETED', 'CANCELLED')),
    allocation_id text,
    service_type_id text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    party_size integer NOT NULL CHECK (party_size >= 0),
    customer_hash text NOT NULL,
    -- The rest of what was asked, in the words of BookingRequest: place, required_skills, ...
    wish jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id),
    CHECK (window_start < window_end),
    CHECK ((state IN ('HELD', 'ASSIGNED', 'COMPLETED')) = (allocation_id IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX request_by_age ON assignment.request (tenant_id, created_at, request_id);

-- A plan that took a slot: first a hold, then (with the same id) an assignment.
CREATE TABLE assignment.allocation (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    allocation_id text NOT NULL CHECK (allocation_id <> ''),
    version bigint NOT NULL,
    state text NOT NULL
        CHECK (state IN ('HELD', 'ASSIGNED', 'RELEASED', 'EXPIRED', 'CANCELLED', 'COMPLETED')),
    request_id text,
    service_type_id text NOT NULL,
    -- The plan as it was asked for; resource_nos are the same resources in ascending order.
    resource_ids text[] NOT NULL,
    resource_nos bigint[] NOT NULL,
    slot_start timestamptz NOT NULL,
    slot_end timestamptz NOT NULL,
    occupied_start timestamptz NOT NULL,
    occupied_end timestamptz NOT NULL,
    party_size integer NOT NULL,
    place jsonb,
    customer_hash text NOT NULL,
    hold_token_hash bytea,
    held_at timestamptz,
    hold_expires_at timestamptz,
    reason text NOT NULL DEFAULT '',
    created_by text NOT NULL,
    assigned_by text,
    assigned_at timestamptz,
    cancel_reason text,
    PRIMARY KEY (tenant_id, allocation_id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES assignment.request,
    CHECK (slot_start < slot_end),
    CHECK (occupied_start <= slot_start AND slot_end <= occupied_end),
    -- Listing by window looks back this far for slots that began before it.
    CHECK (slot_end - slot_start <= interval '31 days'),
    CHECK (state <> 'HELD' OR (hold_token_hash IS NOT NULL AND hold_expires_at IS NOT NULL)),
    CHECK (state NOT IN ('ASSIGNED', 'CANCELLED', 'COMPLETED') OR assigned_at IS NOT NULL),
    CHECK (state NOT IN ('ASSIGNED', 'COMPLETED') OR reason <> '')
) WITH (fillfactor = 70);
CREATE INDEX allocation_by_start ON assignment.allocation (tenant_id, slot_start, allocation_id);
-- Few slots last more than a day; only for these must a look at a window begin long before it.
CREATE INDEX allocation_long ON assignment.allocation (tenant_id, slot_start)
    WHERE slot_end - slot_start > interval '1 day';
CREATE INDEX allocation_by_request ON assignment.allocation (tenant_id, request_id)
    WHERE request_id IS NOT NULL;
-- A second wall behind the lock on the request: it never has two live ones.
CREATE UNIQUE INDEX one_live_per_request ON assignment.allocation (tenant_id, request_id)
    WHERE request_id IS NOT NULL AND state IN ('HELD', 'ASSIGNED', 'COMPLETED');
CREATE INDEX allocation_by_expiry ON assignment.allocation (hold_expires_at) WHERE state = 'HELD';
CREATE INDEX allocation_by_customer ON assignment.allocation (tenant_id, customer_hash)
    WHERE state = 'HELD' AND customer_hash <> '';

-- Time taken. A row exists exactly while its allocation takes the time, so a refusal, a release and
-- an expiry leave nothing behind in the index, and a confirmation does not touch it.
CREATE TABLE assignment.claim (
    tenant_id text NOT NULL,
    resource_no bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    allocation_id text NOT NULL,
    -- Claims of one resource never overlap, so their start tells them apart.
    PRIMARY KEY (tenant_id, resource_no, starts_at),
    FOREIGN KEY (tenant_id, resource_no) REFERENCES assignment.resource,
    -- Checked at commit: claims are tried first, so that a refused plan writes nothing else.
    FOREIGN KEY (tenant_id, allocation_id) REFERENCES assignment.allocation
        DEFERRABLE INITIALLY DEFERRED,
    CHECK (starts_at < ends_at AND isfinite(starts_at) AND isfinite(ends_at)),
    -- The last word on double booking. resource_no is unique over all tenants.
    CONSTRAINT no_double_book EXCLUDE USING gist (
        int8range(resource_no, resource_no, '[]') WITH &&,
        tstzrange(starts_at, ends_at, '[)') WITH &&
    )
);

-- What was answered to which key. A ring of days: a key is looked up in all of them, the day that
-- comes next is emptied while it is at least three days old. So no table is ever made or dropped.
CREATE TABLE assignment.idem (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    principal text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    ring smallint NOT NULL,
    request_hash bytea NOT NULL,
    outcome jsonb NOT NULL,
    -- The fresh candidates given with a refusal; asked for after it was committed.
    alternatives jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, principal, method, key, ring)
) PARTITION BY LIST (ring);
CREATE TABLE assignment.idem_0 PARTITION OF assignment.idem FOR VALUES IN (0);
CREATE TABLE assignment.idem_1 PARTITION OF assignment.idem FOR VALUES IN (1);
CREATE TABLE assignment.idem_2 PARTITION OF assignment.idem FOR VALUES IN (2);
CREATE TABLE assignment.idem_3 PARTITION OF assignment.idem FOR VALUES IN (3);
CREATE TABLE assignment.idem_4 PARTITION OF assignment.idem FOR VALUES IN (4);

-- Events of the same transaction, published by the relay.
CREATE TABLE assignment.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    aggregate text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    at timestamptz NOT NULL,
    published boolean NOT NULL DEFAULT false,
    stream_seq bigint,
    UNIQUE (tenant_id, aggregate, version, type)
);
CREATE INDEX outbox_unpublished ON assignment.outbox (id) WHERE NOT published;

-- One row per step of an allocation or request: who, what, why, and how it stood after; how it
-- stood before is the row before. Each row's hash covers the one before it.
CREATE TABLE assignment.audit (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    aggregate text NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    state_before text,
    state_after text NOT NULL,
    after jsonb NOT NULL,
    prev bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, aggregate, seq)
);

-- Keys of the ledger's own, made once. They sign hold tokens, which live for a minute or two.
CREATE TABLE assignment.secret (
    name text PRIMARY KEY,
    value bytea NOT NULL
);
INSERT INTO assignment.secret
    SELECT 'hold_token', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
