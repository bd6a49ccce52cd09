CREATE TABLE runs (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo             text NOT NULL,
    issue            bigint NOT NULL,
    number           integer NOT NULL,
    target           text NOT NULL,
    profile          text NOT NULL,
    options          json NOT NULL,
    job              text NOT NULL DEFAULT 'queued',
    stage            text,
    step             text,
    wait             jsonb,
    wait_kind        text GENERATED ALWAYS AS (wait ->> 'kind') STORED,
    outcome          text,
    error            text NOT NULL DEFAULT '',
    due_at           timestamptz,
    owner            text,
    epoch            bigint NOT NULL DEFAULT 0,
    lease_until      timestamptz,
    takeovers        integer NOT NULL DEFAULT 0,
    last_seq         bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at       timestamptz,
    stage_started_at timestamptz,
    completed_at     timestamptz,
    UNIQUE (repo, issue, number),
    CHECK (job IN ('queued', 'running', 'waiting', 'retry_wait', 'paused', 'blocked', 'succeeded', 'failed', 'cancelled')),
    CHECK ((owner IS NULL) = (lease_until IS NULL))
);

-- At most one live run per issue, waiting and blocked ones included, however many processes race (I2).
CREATE UNIQUE INDEX runs_one_live ON runs (repo, issue) WHERE job NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX runs_by_job ON runs (job, due_at) WHERE job NOT IN ('succeeded', 'failed', 'cancelled');

CREATE TABLE events (
    run_id   bigint NOT NULL REFERENCES runs,
    seq      bigint NOT NULL,
    event_id text NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text NOT NULL,
    stage    text,
    step     text,
    data     json NOT NULL,
    PRIMARY KEY (run_id, seq),
    UNIQUE (run_id, event_id)
);

CREATE TABLE effects (
    repo    text NOT NULL,
    issue   bigint NOT NULL,
    key     text NOT NULL,
    run_id  bigint NOT NULL REFERENCES runs,
    epoch   bigint NOT NULL,
    state   text NOT NULL CHECK (state IN ('intended', 'recorded')),
    version text NOT NULL,
    result  json,
    -- version -> time of its first intent
    first   jsonb NOT NULL,
    PRIMARY KEY (repo, issue, key),
    CHECK ((state = 'recorded') = (result IS NOT NULL))
);

CREATE TABLE decisions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES runs,
    source      text NOT NULL,
    decision    json NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    consumed_at timestamptz,
    UNIQUE (run_id, source)
);

CREATE TABLE artifact_contents (
    sha256  text PRIMARY KEY,
    content bytea NOT NULL
);

CREATE TABLE artifacts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The order in which contents were put last, so that a document that returns to an earlier text is the newest again.
    position   bigint GENERATED ALWAYS AS IDENTITY,
    run_id     bigint NOT NULL REFERENCES runs,
    kind       text NOT NULL,
    name       text NOT NULL,
    sha256     text NOT NULL REFERENCES artifact_contents,
    size_bytes bigint NOT NULL,
    path       text NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, path, sha256)
);
CREATE INDEX artifacts_by_position ON artifacts (run_id, position);

CREATE TABLE replies (
    task_id       text NOT NULL,
    n             integer NOT NULL,
    digest        text NOT NULL,
    run_id        bigint NOT NULL REFERENCES runs,
    stage         text NOT NULL,
    role          text NOT NULL,
    round         integer NOT NULL,
    model         text NOT NULL,
    payload       json NOT NULL,
    calls         integer NOT NULL,
    input_tokens  bigint NOT NULL,
    output_tokens bigint NOT NULL,
    -- NULL: the price is unknown, which is not 0.
    usd           double precision,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task_id, n, digest)
);
CREATE INDEX replies_by_run ON replies (run_id, at);

CREATE TABLE tool_calls (
    task_id     text NOT NULL,
    call_id     text NOT NULL,
    run_id      bigint NOT NULL REFERENCES runs,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    result      json,
    finished_at timestamptz,
    PRIMARY KEY (task_id, call_id)
);
