-- For writes whose SQL is not ours (LangGraph's saver): sent first, in one transaction with them, it ends that transaction
-- where the writer's ownership is over. The lock is the one of store/fence.py.
CREATE FUNCTION require_fence(owned_run bigint, owned_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM runs WHERE id = owned_run AND epoch = owned_epoch AND lease_until IS NOT NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % is no longer owned by epoch %', owned_run, owned_epoch;
    END IF;
END $$;
