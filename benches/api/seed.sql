-- A platform of production size. Everything follows from the numbers of rows: the same scale gives
-- the same rows, times aside. Ids are hashes of a name, so other steps know them without asking.
--
-- Variables: users, projects, runs, hash (an argon2id hash of the bench's password).
\set ON_ERROR_STOP 1
SET synchronous_commit = off;
SET session_replication_role = replica;  -- every row is right by construction; keys are not looked up

-- Rank 1 is the most popular: the natural logarithm of ranks is even, as Zipf's law has it.
CREATE FUNCTION pg_temp.even(text) RETURNS double precision LANGUAGE sql IMMUTABLE AS
$$ SELECT ('x' || substr(md5($1), 1, 8))::bit(32)::bigint / 4294967296.0 $$;
CREATE FUNCTION pg_temp.rank(name text, ranks bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT least(floor(exp(pg_temp.even(name) * ln(ranks + 1)))::bigint, ranks) $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT md5(name)::uuid $$;

INSERT INTO users (id, email, password_hash)
SELECT pg_temp.id('user' || n), 'user-' || n || '@example.com', :'hash' FROM generate_series(1, :users) n;

INSERT INTO projects (id, slug, name)
SELECT pg_temp.id('project' || n), 'project-' || n, 'Project ' || n FROM generate_series(1, :projects) n;

INSERT INTO project_members (project_id, user_id, role)
SELECT pg_temp.id('project' || n), pg_temp.id('user' || 1 + (n * 7 + k * 13) % :users),
    CASE k WHEN 0 THEN 'owner' WHEN 1 THEN 'editor' ELSE 'viewer' END
FROM generate_series(1, :projects) n, generate_series(0, 2) k;
-- Those who log in: the first 200, in popular projects; the first of all in 150 of them.
INSERT INTO project_members (project_id, user_id, role)
SELECT pg_temp.id('project' || pg_temp.rank(format('m %s %s', n, k), :projects)),
    pg_temp.id('user' || n), 'editor'
FROM generate_series(1, least(200, :users)) n, generate_series(1, 150) k WHERE n = 1 OR k <= 20
ON CONFLICT DO NOTHING;

INSERT INTO project_members (project_id, namespace, role, declared)
SELECT pg_temp.id('project' || n), 'namespace-' || n, 'editor', true
FROM generate_series(1, :projects, 100) n;

INSERT INTO jobs (id, project_id, name, spec, spec_hash)
SELECT pg_temp.id('job' || n), pg_temp.id('project' || n), 'daily', '{}', 'sha256:' || repeat('0', 64)
FROM generate_series(1, :projects) n;

INSERT INTO uploads (id, project_id, name, sha256, size, created_at)
SELECT pg_temp.id('upload' || n), pg_temp.id('project' || pg_temp.rank('u' || n, :projects)),
    'file-' || n || '.csv', sha256(n::text::bytea), n, now() - (n % 500000) * interval '1 minute'
FROM generate_series(1, :projects * 2) n;

-- Indexes but those of keys are built at the end, which is faster.
CREATE TEMPORARY TABLE indexes AS
SELECT format('%I', i.relname) AS name, pg_get_indexdef(i.oid) AS definition
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid IN ('runs'::regclass, 'run_exceptions'::regclass, 'reviews'::regclass)
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid);
SELECT format('DROP INDEX %s', name) FROM indexes \gexec

INSERT INTO runs (id, project_id, job_id, spec, spec_hash, state, created_at, attempt, fence, worker,
    started_at, claimed_at, completed_at, summary, output_prefix, exceptions, reviews_open,
    error_type, error_message)
SELECT pg_temp.id('run' || n), pg_temp.id('project' || p), CASE WHEN n % 2 = 0 THEN pg_temp.id('job' || p) END,
    jsonb_build_object('left', jsonb_build_object('source', jsonb_build_object('upload', jsonb_build_object('id', pg_temp.id('upload' || n))), 'key', jsonb_build_array('id')),
        'right', jsonb_build_object('source', jsonb_build_object('upload', jsonb_build_object('id', pg_temp.id('upload' || n + 1))), 'key', jsonb_build_array('id')),
        'passes', '[{"name": "exact", "compare": [{"column": "id", "exact": {}}, {"column": "amount", "exact": {}}]}, {"name": "fuzzy", "score": "weighted", "accept": 0.9, "review": 0.7, "block": [["ccy", "near(amount, 2.00)"]], "compare": [{"column": "memo", "text": {"method": "jaroWinkler", "atLeast": 0.85}}]}]'::jsonb),
    'sha256:' || md5(n::text) || md5(n::text), state, at, 1, 1, 'worker-1', at, at, at + interval '1 minute',
    CASE state WHEN 'succeeded' THEN jsonb_build_object('left', side, 'right', side, 'pairs', n, 'matchRate', 0.98, 'passes', '[{"name": "exact", "pairs": 9000, "candidates": 9000, "seconds": 0.5}, {"name": "fuzzy", "pairs": 800, "candidates": 12000, "seconds": 0.7}]'::jsonb, 'seconds', 1.5) END,
    CASE state WHEN 'succeeded' THEN 'runs/' || pg_temp.id('run' || n) END,
    CASE state WHEN 'succeeded' THEN '{"review": {"found": 2, "kept": 2}, "unmatched": {"found": 8, "kept": 8}}'::jsonb END,
    CASE WHEN state = 'succeeded' AND n % 10 = 1 THEN 2 ELSE 0 END,
    CASE state WHEN 'failed' THEN 'input' END, CASE state WHEN 'failed' THEN 'a file ended early' END
FROM generate_series(1, :runs) n,
    LATERAL (SELECT pg_temp.rank('r' || n, :projects) AS p,
        CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END AS state,
        now() - (:runs - n + 1) * interval '10 seconds' AS at,
        '{"rows": 10000, "matched": 9800, "differing": 50, "review": 50, "unmatched": 80, "duplicate": 10, "rejected": 10}'::jsonb AS side) s;

-- Ten for a run on average: eight for most, 2,200 for one in a thousand. One run in ten has reviews.
INSERT INTO run_exceptions (run_id, number, outcome, side, left_key, right_key, group_id, pass, score, reason)
SELECT pg_temp.id('run' || n), k,
    CASE WHEN review THEN 'review' WHEN k % 8 = 3 THEN 'differing' ELSE 'unmatched' END,
    CASE WHEN review OR k % 8 = 3 THEN NULL WHEN k % 2 = 0 THEN 'left' ELSE 'right' END,
    'L-' || n || '-' || k, 'R-' || n || '-' || k, CASE WHEN review OR k % 8 = 3 THEN 'group-' || k END,
    CASE WHEN review OR k % 8 = 3 THEN 'fuzzy' END, CASE WHEN review OR k % 8 = 3 THEN 0.8 END,
    'no counterpart within the bounds of the pass'
FROM generate_series(1, :runs) n, generate_series(1, CASE WHEN n % 1000 = 7 THEN 2200 ELSE 8 END) k,
    LATERAL (SELECT n % 10 = 1 AND k <= 2 AS review) s
WHERE n % 50 <> 0;

INSERT INTO reviews (run_id, group_id, project_id, number, created_at)
SELECT r.id, 'group-' || k, r.project_id, k, r.completed_at
FROM runs r, generate_series(1, 2) k WHERE r.reviews_open = 2;

-- What triggers keep, which are off here.
INSERT INTO project_counts (project_id, uploads, runs)
SELECT project_id, sum(uploads), sum(runs)
FROM (SELECT project_id, count(*) AS uploads, 0 AS runs FROM uploads GROUP BY project_id
      UNION ALL
      SELECT project_id, 0, count(*) FROM runs GROUP BY project_id) counted
GROUP BY project_id;

SELECT definition FROM indexes \gexec
VACUUM (ANALYZE);
