-- A small platform in use: 3,000 rows or more in every table that grows, with statistics.
INSERT INTO users (id, email, password_hash)
SELECT md5('user' || n)::uuid, n || '@example.com', '$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA'
FROM generate_series(1, 3000) n;

INSERT INTO projects (id, slug, name)
SELECT md5('project' || n)::uuid, 'project-' || n, 'Project ' || n FROM generate_series(1, 3000) n;

INSERT INTO project_members (project_id, user_id, role)
SELECT md5('project' || n)::uuid, md5('user' || 1 + (n + k) % 3000)::uuid,
    CASE k WHEN 0 THEN 'owner' ELSE 'viewer' END
FROM generate_series(1, 3000) n, generate_series(0, 1) k;

INSERT INTO project_members (project_id, namespace, role, declared)
SELECT md5('project' || n)::uuid, 'namespace-' || n, 'editor', n % 100 = 0
FROM generate_series(1, 3000) n;

INSERT INTO uploads (id, project_id, name, sha256, size, created_at)
SELECT md5('upload' || n)::uuid, md5('project' || 1 + n % 3000)::uuid, 'file-' || n || '.csv',
    sha256(n::text::bytea), n, now() - n * interval '1 minute'
FROM generate_series(1, 6000) n;

INSERT INTO jobs (id, project_id, name, spec, spec_hash)
SELECT md5('job' || n)::uuid, md5('project' || 1 + n % 3000)::uuid, 'job-' || n, '{}',
    'sha256:' || repeat('0', 64)
FROM generate_series(1, 3000) n;

INSERT INTO runs (id, project_id, job_id, spec, spec_hash, state, created_at, attempt, fence, worker,
    started_at, claimed_at, completed_at, lease_expires_at, summary, output_prefix)
SELECT md5('run' || n)::uuid, md5('project' || 1 + n % 3000)::uuid, md5('job' || 1 + n % 3000)::uuid, '{}',
    'sha256:' || repeat('0', 64), state, at, 1, 1, 'worker', at, at,
    CASE WHEN state = 'succeeded' THEN at END,
    CASE WHEN state = 'running' THEN now() + interval '1 hour' END,
    CASE WHEN state = 'succeeded' THEN '{}'::jsonb END, CASE WHEN state = 'succeeded' THEN 'runs' END
FROM generate_series(1, 6000) n,
    LATERAL (SELECT CASE n % 300 WHEN 0 THEN 'running' WHEN 1 THEN 'queued' ELSE 'succeeded' END AS state,
        now() - n * interval '1 minute' AS at) s;

INSERT INTO run_exceptions (run_id, number, outcome, left_key, right_key, group_id, pass, score, reason)
SELECT md5('run' || n)::uuid, k, CASE WHEN k <= 2 THEN 'review' ELSE 'differing' END,
    'l' || k, 'r' || k, 'group-' || k, 'fuzzy', 0.8, 'why'
FROM generate_series(2, 3002) n, generate_series(1, 4) k;

INSERT INTO reviews (run_id, group_id, project_id, number)
SELECT e.run_id, e.group_id, r.project_id, e.number
FROM run_exceptions e JOIN runs r ON r.id = e.run_id WHERE e.outcome = 'review';

INSERT INTO review_events (run_id, group_id, version, action, user_id, comment)
SELECT run_id, group_id, 2, 'commented', md5('user' || 1 + number)::uuid, 'why' FROM reviews;

INSERT INTO sessions (id, user_id, expires_at, ended_at, end_reason)
SELECT md5('session' || n)::uuid, md5('user' || 1 + n % 3000)::uuid, now() + interval '1 day',
    CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 2 = 0 THEN 'logout' END
FROM generate_series(1, 6000) n;

INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
SELECT sha256(n::text::bytea), md5('session' || n)::uuid, now() + interval '1 day'
FROM generate_series(1, 6000) n;

INSERT INTO api_tokens (id, project_id, name, token_hash, role, created_by, expires_at)
SELECT md5('token' || n)::uuid, md5('project' || n)::uuid, 'ci', sha256(n::text::bytea), 'viewer',
    md5('user' || n)::uuid, now() + interval '1 day'
FROM generate_series(1, 3000) n;

INSERT INTO idempotency_keys (caller, key, request_hash, status)
SELECT md5('user' || n), n::text, decode(repeat('00', 32), 'hex'), 201 FROM generate_series(1, 3000) n;

INSERT INTO upload_sessions (id, project_id, name, length, received, expires_at, upload_id)
SELECT md5('session' || n)::uuid, md5('project' || n)::uuid, 'a.csv', 9, 9, now() + interval '1 day',
    CASE WHEN n % 2 = 0 THEN md5('upload' || n)::uuid END
FROM generate_series(1, 3000) n;

INSERT INTO upload_pieces (session_id, start, size, key)
SELECT id, 0, 9, 'pieces' FROM upload_sessions;

SELECT audit_append('command', 'test', 'project.update', 'project', 'x',
    md5('project' || n)::uuid, gen_random_uuid(), '{}')
FROM generate_series(1, 3000) n;

ANALYZE;
