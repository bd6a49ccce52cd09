-- A row is one call of a model: reserved before it is made, at what it may come to at most, then settled with its reply. One
-- that is never settled was lost in a crash, and stays charged; one settled without a reply was paid for in vain.
ALTER TABLE replies RENAME TO model_calls;
ALTER TABLE model_calls DROP CONSTRAINT replies_pkey;
ALTER TABLE model_calls ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
ALTER TABLE model_calls ALTER COLUMN payload DROP NOT NULL;
ALTER TABLE model_calls ADD COLUMN settled_at timestamptz;
UPDATE model_calls SET settled_at = at;
CREATE UNIQUE INDEX model_calls_replied ON model_calls (task_id, n, digest) WHERE payload IS NOT NULL;
ALTER INDEX replies_by_run RENAME TO model_calls_by_run;
CREATE INDEX model_calls_by_time ON model_calls (at);
