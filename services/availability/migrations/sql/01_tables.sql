-- The catalog and schedules are the truth; allocation and generation repeat what the ledger's events said.
-- Times of day are minutes from local midnight; moments are timestamptz on whole minutes where we made them.

-- A tenant's settings, and the revision that rises by one with each change of its catalog or schedules.
CREATE TABLE availability.tenant (
    tenant_id text PRIMARY KEY CHECK (tenant_id <> ''),
    display_name text NOT NULL DEFAULT '',
    time_zone text NOT NULL DEFAULT 'UTC',
    version bigint NOT NULL DEFAULT 0,
    catalog_revision bigint NOT NULL DEFAULT 0
);

CREATE TABLE availability.resource (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id text NOT NULL,
    display_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('PERSON', 'TABLE', 'ROOM', 'VEHICLE')),
    active boolean NOT NULL,
    time_zone text NOT NULL,
    -- [{"name", "level", "valid_until"}]
    skills jsonb NOT NULL,
    priority int NOT NULL,
    capacity_min int NOT NULL CHECK (capacity_min >= 0),
    capacity_max int NOT NULL CHECK (capacity_max >= 0),
    zone text NOT NULL,
    movable boolean NOT NULL,
    adjacent_resource_ids text[] NOT NULL,
    home_latitude float8,
    home_longitude float8,
    joined_on date,
    labels jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    -- Of its weekly rules, which are edited as a whole.
    schedule_version bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE availability.service_type (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id text NOT NULL,
    display_name text NOT NULL,
    duration_minutes int NOT NULL CHECK (duration_minutes > 0),
    granularity_minutes int NOT NULL CHECK (granularity_minutes > 0),
    anchor text NOT NULL CHECK (anchor IN ('MIDNIGHT', 'WINDOW_START')),
    -- [{"name", "level_min"}]
    required_skills jsonb NOT NULL,
    buffer_before_minutes int NOT NULL CHECK (buffer_before_minutes >= 0),
    buffer_after_minutes int NOT NULL CHECK (buffer_after_minutes >= 0),
    min_notice_seconds bigint NOT NULL CHECK (min_notice_seconds >= 0),
    max_horizon_seconds bigint NOT NULL CHECK (max_horizon_seconds >= 0),
    labels jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE availability.weekly_rule (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    position int NOT NULL,
    weekdays int[] NOT NULL,
    start_minute int NOT NULL,
    end_minute int NOT NULL,
    -- Start and end of each break, one after the other.
    break_minutes int[] NOT NULL,
    valid_from date,
    valid_until date,
    PRIMARY KEY (tenant_id, resource_id, position),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES availability.resource ON DELETE CASCADE
);

CREATE TABLE availability.schedule_exception (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CLOSED', 'REPLACE_DAY', 'EXTRA', 'OFFER')),
    on_date date,
    range_minutes int[] NOT NULL,
    start_at timestamptz,
    end_at timestamptz CHECK (end_at > start_at),
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, resource_id, id),
    CHECK ((kind = 'OFFER') = (start_at IS NOT NULL) AND (kind = 'OFFER') = (on_date IS NULL)),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES availability.resource ON DELETE CASCADE
);

CREATE TABLE availability.time_off (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    id text NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL CHECK (end_at > start_at),
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, resource_id, id),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES availability.resource ON DELETE CASCADE
);

-- A deleted event stays as a row: an older message that comes late must not bring it back.
CREATE TABLE availability.external_busy (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    uid text NOT NULL,
    sequence bigint NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    deleted boolean NOT NULL,
    PRIMARY KEY (tenant_id, resource_id, uid),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES availability.resource ON DELETE CASCADE
);

-- What the ledger's events said last of each allocation; the highest version wins.
CREATE TABLE availability.allocation (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id text NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    resource_ids text[] NOT NULL,
    slot_start timestamptz NOT NULL,
    slot_end timestamptz NOT NULL,
    occupied_start timestamptz NOT NULL,
    occupied_end timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX allocation_ahead ON availability.allocation (tenant_id, occupied_end)
    WHERE state IN ('HELD', 'ASSIGNED', 'COMPLETED');

-- How often the ledger has changed a resource's time, as its events said.
CREATE TABLE availability.resource_generation (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    generation bigint NOT NULL,
    PRIMARY KEY (tenant_id, resource_id)
);

-- How far the projection has come in the ledger's stream; a stream made anew is another one.
CREATE TABLE availability.projection (
    stream text PRIMARY KEY,
    made_at text NOT NULL,
    position bigint NOT NULL
);

CREATE TABLE availability.idem (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    caller text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, caller, method, key)
);
CREATE INDEX idem_age ON availability.idem (created_at);

-- Events of the same transaction, published by the relay.
CREATE TABLE availability.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    aggregate text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    published boolean NOT NULL DEFAULT false,
    stream_seq bigint,
    UNIQUE (tenant_id, aggregate, version, type)
);
CREATE INDEX outbox_unpublished ON availability.outbox (id) WHERE NOT published;
