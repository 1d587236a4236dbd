-- Saved specifications, and which run was started from one.

CREATE TABLE jobs (
    id         uuid        PRIMARY KEY,
    project_id uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    name       text        NOT NULL,
    spec       jsonb       NOT NULL,
    spec_hash  text        NOT NULL,
    -- Grows with every change. It begins with the time, in microseconds, so that a job that is
    -- deleted and made again under its name has versions of its own.
    version    bigint      NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT jobs_name_key UNIQUE (project_id, name),
    CONSTRAINT jobs_name_form CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    -- A route takes an id or a name: a name that looks like an id would be ambiguous.
    CONSTRAINT jobs_name_is_no_uuid
        CHECK (name !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
    CONSTRAINT jobs_spec_hash_form CHECK (spec_hash ~ '^sha256:[0-9a-f]{64}$'),
    CONSTRAINT jobs_version_positive CHECK (version >= 1)
);

ALTER TABLE runs ADD COLUMN job_id uuid;

-- Checked for new rows at once, and for the others by a migration that blocks nobody.
ALTER TABLE runs
    ADD CONSTRAINT runs_job FOREIGN KEY (job_id) REFERENCES jobs ON DELETE SET NULL NOT VALID;
