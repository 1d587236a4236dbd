-- Answers of creating requests that came with an Idempotency-Key, kept for a day.

CREATE TABLE idempotency_keys (
    caller       text        NOT NULL,
    key          text        NOT NULL,
    -- What was asked: method, path and body without passwords.
    request_hash bytea       NOT NULL,
    status       smallint    NOT NULL,
    location     text,
    etag         text,
    -- Absent where the answer held a secret.
    body         text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key),
    CONSTRAINT idempotency_keys_hash_length CHECK (octet_length(request_hash) = 32)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
