-- Tokens of machines, each for one project.

CREATE TABLE api_tokens (
    id           uuid        PRIMARY KEY,
    project_id   uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    name         text        NOT NULL,
    -- The token itself is nowhere.
    token_hash   bytea       NOT NULL,
    role         text        NOT NULL,
    -- A token never may more than the person who made it.
    created_by   uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT api_tokens_hash_key UNIQUE (token_hash),
    CONSTRAINT api_tokens_name_key UNIQUE (project_id, name),
    CONSTRAINT api_tokens_hash_length CHECK (octet_length(token_hash) = 32),
    CONSTRAINT api_tokens_name_length CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_tokens_role CHECK (role IN ('viewer', 'editor', 'owner'))
);

CREATE INDEX api_tokens_list ON api_tokens (project_id, created_at DESC, id DESC);
CREATE INDEX api_tokens_of_creator ON api_tokens (created_by);
