-- Runs: the queue, the leases of the workers and the published results.

CREATE TABLE runs (
    id               uuid        PRIMARY KEY,
    project_id       uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    spec             jsonb       NOT NULL,
    spec_hash        text        NOT NULL,
    state            text        NOT NULL DEFAULT 'queued',
    phase            text,
    progress_done    bigint,
    progress_total   bigint,
    attempt          integer     NOT NULL DEFAULT 0,
    -- Grows with every claim and never shrinks: a worker writes only under the fence it claimed.
    fence            bigint      NOT NULL DEFAULT 0,
    worker           text,
    lease_expires_at timestamptz,
    -- The last claim of all, for projects to take turns.
    claimed_at       timestamptz,
    not_before       timestamptz NOT NULL DEFAULT now(),
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    completed_at     timestamptz,
    summary          jsonb,
    output_prefix    text,
    error_type       text,
    error_message    text,
    error_detail     text,
    CONSTRAINT runs_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT runs_spec_hash_form CHECK (spec_hash ~ '^sha256:[0-9a-f]{64}$'),
    CONSTRAINT runs_lease_only_while_running
        CHECK ((state = 'running') = (lease_expires_at IS NOT NULL)),
    CONSTRAINT runs_running_has_worker
        CHECK (state <> 'running' OR (worker IS NOT NULL AND started_at IS NOT NULL AND fence > 0)),
    CONSTRAINT runs_completed_when_final
        CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT runs_result_only_when_succeeded
        CHECK ((state = 'succeeded') = (summary IS NOT NULL)
           AND (state = 'succeeded') = (output_prefix IS NOT NULL)),
    CONSTRAINT runs_error_only_when_failed
        CHECK ((state = 'failed') = (error_type IS NOT NULL)
           AND (state = 'failed') = (error_message IS NOT NULL)
           AND (state = 'failed' OR error_detail IS NULL)),
    CONSTRAINT runs_progress_whole
        CHECK ((progress_done IS NULL) = (progress_total IS NULL)
           AND progress_done >= 0 AND progress_total >= 0),
    CONSTRAINT runs_counts_positive CHECK (attempt >= 0 AND fence >= 0)
);

CREATE INDEX runs_queue ON runs (created_at, id) WHERE state IN ('queued', 'running');
CREATE INDEX runs_queued_of_project ON runs (project_id) WHERE state = 'queued';
CREATE INDEX runs_turns ON runs (project_id, claimed_at);
CREATE INDEX runs_list ON runs (project_id, created_at DESC, id DESC);
