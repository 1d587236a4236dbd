-- What was changed, by whom and in which request. Entries are only ever added, by audit_append
-- alone, and each holds the hash of the one before.

CREATE TABLE audit_log (
    sequence      bigint      PRIMARY KEY,
    at            timestamptz NOT NULL,
    actor_kind    text        NOT NULL,
    actor         text,
    action        text        NOT NULL,
    subject_kind  text        NOT NULL,
    subject       text        NOT NULL,
    -- No reference: an entry outlives what it is about.
    project_id    uuid,
    request_id    uuid        NOT NULL,
    -- A JSON object, as text because its bytes are hashed as they are.
    details       text        NOT NULL,
    previous_hash bytea       NOT NULL,
    hash          bytea       NOT NULL,
    CONSTRAINT audit_log_sequence_positive CHECK (sequence > 0),
    CONSTRAINT audit_log_hash_length
        CHECK (octet_length(hash) = 32 AND octet_length(previous_hash) = 32),
    CONSTRAINT audit_log_details_form CHECK (jsonb_typeof(details::jsonb) = 'object')
);

CREATE INDEX audit_log_of_project
    ON audit_log (project_id, sequence DESC) WHERE project_id IS NOT NULL;

-- A field of the hashed content: whether it is there, its length and its bytes. With the length no
-- two contents have the same bytes.
CREATE FUNCTION audit_field(value text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN value IS NULL THEN '\x00'::bytea
        ELSE '\x01'::bytea || int8send(octet_length(convert_to(value, 'UTF8'))::bigint)
            || convert_to(value, 'UTF8')
        END
$$;

-- Adds an entry and returns its number. It runs as the owner, so that the API's role needs no
-- right to the table but to read it. `db/audit.rs` computes the same hash when it verifies.
CREATE FUNCTION audit_append(
    in_actor_kind text, in_actor text, in_action text, in_subject_kind text, in_subject text,
    in_project_id uuid, in_request_id uuid, in_details text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    last_sequence bigint;
    last_hash bytea;
    next_sequence bigint;
    next_at timestamptz;
    next_hash bytea;
BEGIN
    -- Held until the transaction ends: entries come one after the other and no number is left out.
    PERFORM pg_advisory_xact_lock(7236832093419586401);
    SELECT l.sequence, l.hash INTO last_sequence, last_hash
        FROM audit_log l ORDER BY l.sequence DESC LIMIT 1;
    last_hash := coalesce(last_hash, decode(repeat('00', 32), 'hex'));
    next_sequence := coalesce(last_sequence, 0) + 1;
    next_at := clock_timestamp();
    next_hash := sha256(
        convert_to('reconciliation-platform audit 1', 'UTF8')
        || audit_field(next_sequence::text)
        || audit_field((extract(epoch FROM next_at) * 1000000)::bigint::text)
        || audit_field(in_actor_kind) || audit_field(in_actor) || audit_field(in_action)
        || audit_field(in_subject_kind) || audit_field(in_subject)
        || audit_field(in_project_id::text) || audit_field(in_request_id::text)
        || audit_field(in_details) || last_hash);
    INSERT INTO audit_log (sequence, at, actor_kind, actor, action, subject_kind, subject,
            project_id, request_id, details, previous_hash, hash)
        VALUES (next_sequence, next_at, in_actor_kind, in_actor, in_action, in_subject_kind,
            in_subject, in_project_id, in_request_id, in_details, last_hash, next_hash);
    RETURN next_sequence;
END
$$;

REVOKE ALL ON FUNCTION audit_append(text, text, text, text, text, uuid, uuid, text) FROM PUBLIC;

-- A function that runs as its owner must not find somebody else's tables by their names.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION audit_append(text, text, text, text, text, uuid, uuid, text) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % is refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- For the owner too, where the API's role is the owning role as in an embedded database.
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_only_grows;
