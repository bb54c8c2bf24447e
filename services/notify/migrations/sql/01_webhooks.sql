-- Webhooks out: endpoints, what is on its way to them, and the log of attempts.

CREATE TABLE notify.endpoint (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id text NOT NULL,
    url text NOT NULL,
    -- Empty: all topics.
    topics text[] NOT NULL,
    description text NOT NULL,
    -- whsec_ and base64. Needed in the clear to sign with; no read shows it.
    secret text NOT NULL,
    previous_secret text NOT NULL DEFAULT '',
    previous_expires_at timestamptz,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE notify.delivery (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id text NOT NULL,
    endpoint_id text NOT NULL,
    message_id text NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    state text NOT NULL CHECK (state IN ('PENDING', 'DELIVERED', 'DEAD')),
    attempt_count int NOT NULL DEFAULT 0,
    -- Attempts since it was queued or queued again; decides the wait for the next.
    round_attempt int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- While it is being sent: when another process may take it on.
    next_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    -- A change goes to an endpoint once, however often the feed is read.
    UNIQUE (tenant_id, endpoint_id, message_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES notify.endpoint ON DELETE CASCADE,
    CHECK ((state = 'PENDING') = (next_at IS NOT NULL))
);
CREATE INDEX delivery_due ON notify.delivery (tenant_id, endpoint_id, next_at) WHERE state = 'PENDING';
CREATE INDEX delivery_listed ON notify.delivery (tenant_id, created_at DESC, id DESC);
CREATE INDEX delivery_done ON notify.delivery (created_at) WHERE state <> 'PENDING';

CREATE TABLE notify.attempt (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    delivery_id text NOT NULL,
    number int NOT NULL,
    at timestamptz NOT NULL,
    status int NOT NULL,
    error text NOT NULL,
    took interval NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES notify.delivery ON DELETE CASCADE
);

CREATE TABLE notify.idem (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    caller text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, caller, method, key)
);
CREATE INDEX idem_age ON notify.idem (created_at);

-- How far the feed was read for webhooks; a feed that was made anew counts from its beginning.
CREATE TABLE notify.reading (
    stream text PRIMARY KEY,
    made_at text NOT NULL,
    position bigint NOT NULL
);
