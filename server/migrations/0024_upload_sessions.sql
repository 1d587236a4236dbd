-- Uploads that arrive piece by piece. The pieces are in the object store under pieces/{session}/.

CREATE TABLE upload_sessions (
    id         uuid        PRIMARY KEY,
    project_id uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    name       text        NOT NULL,
    length     bigint      NOT NULL,
    received   bigint      NOT NULL DEFAULT 0,
    -- What became of it, once it is complete.
    upload_id  uuid        REFERENCES uploads ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT upload_sessions_name_length CHECK (octet_length(name) BETWEEN 1 AND 255),
    CONSTRAINT upload_sessions_received CHECK (received BETWEEN 0 AND length),
    CONSTRAINT upload_sessions_complete CHECK (upload_id IS NULL OR received = length)
);

CREATE INDEX upload_sessions_of_project ON upload_sessions (project_id) WHERE upload_id IS NULL;
CREATE INDEX upload_sessions_expired ON upload_sessions (expires_at);
CREATE INDEX upload_sessions_of_upload ON upload_sessions (upload_id) WHERE upload_id IS NOT NULL;

CREATE TABLE upload_pieces (
    session_id uuid   NOT NULL REFERENCES upload_sessions ON DELETE CASCADE,
    start      bigint NOT NULL,
    size       bigint NOT NULL,
    key        text   NOT NULL,
    PRIMARY KEY (session_id, start),
    CONSTRAINT upload_pieces_size CHECK (start >= 0 AND size > 0)
);
