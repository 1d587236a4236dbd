-- Sessions of people, and the refresh tokens that keep them going. A session is the family of its
-- refresh tokens: each is used once, and one that is used again ends them all.

CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Whatever is done, it ends then.
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    end_reason text,
    CONSTRAINT sessions_end_whole CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CONSTRAINT sessions_end_reason
        CHECK (end_reason IN ('logout', 'reuse', 'disabled', 'password'))
);

CREATE INDEX sessions_of_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expired ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    -- The token itself is nowhere.
    token_hash bytea       PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When it has not been used until then, the session was idle for too long.
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    CONSTRAINT refresh_tokens_hash_length CHECK (octet_length(token_hash) = 32)
);

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
