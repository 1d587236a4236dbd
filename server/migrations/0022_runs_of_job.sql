-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS runs_of_job
    ON runs (job_id, created_at DESC, id DESC) WHERE job_id IS NOT NULL;
