-- What processes know of each other's caches. `server/src/cache.rs` has the protocol.

CREATE TABLE cache_state (
    -- There is one row.
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    -- Names this database's entries in a Redis that others use too.
    namespace  uuid    NOT NULL DEFAULT gen_random_uuid(),
    -- Entries of earlier generations are served by nobody.
    generation bigint  NOT NULL DEFAULT 1,
    -- The one process of Redis that has entries of this generation; none has while it is null.
    redis      text
);

INSERT INTO cache_state DEFAULT VALUES;

CREATE TABLE cache_replicas (
    id         uuid        PRIMARY KEY,
    -- Whether the process may answer from its cache, and from which generation.
    holds      boolean     NOT NULL,
    generation bigint      NOT NULL,
    -- The process of Redis that it hears of changes from.
    redis      text,
    -- Counts up, so that a row which was not renewed can be told.
    renewals   bigint      NOT NULL DEFAULT 1,
    seen_at    timestamptz NOT NULL DEFAULT now()
);
