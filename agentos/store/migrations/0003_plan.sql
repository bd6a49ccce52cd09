-- What is known of an issue's place among the others, kept apart: routing works without it.
CREATE TABLE plan_records (
    repo      text NOT NULL,
    issue     bigint NOT NULL,
    run_id    bigint NOT NULL REFERENCES runs,
    relations json NOT NULL DEFAULT '{}',
    -- The files its change is expected to touch, or touched.
    paths     text[] NOT NULL DEFAULT '{}',
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (repo, issue)
);
