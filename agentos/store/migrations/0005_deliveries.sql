-- Webhooks that were heard, so that none is heard twice: by the id they came under, and by what they said.
CREATE TABLE deliveries (
    id     text PRIMARY KEY,
    digest text NOT NULL UNIQUE,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX deliveries_at ON deliveries (at);
