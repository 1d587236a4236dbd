-- Files of a project. The content is in the object store under uploads/{project}/{sha256}.

CREATE TABLE uploads (
    id         uuid        PRIMARY KEY,
    project_id uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    name       text        NOT NULL,
    sha256     bytea       NOT NULL,
    size       bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uploads_content_key UNIQUE (project_id, sha256, name),
    CONSTRAINT uploads_name_length CHECK (octet_length(name) BETWEEN 1 AND 255),
    CONSTRAINT uploads_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT uploads_size_positive CHECK (size >= 0)
);

CREATE INDEX uploads_list ON uploads (project_id, created_at DESC, id DESC);
