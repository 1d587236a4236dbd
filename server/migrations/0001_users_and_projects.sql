-- People, projects and who may do what in them.

CREATE TABLE users (
    id             uuid        PRIMARY KEY,
    email          text        NOT NULL,
    password_hash  text        NOT NULL,
    platform_admin boolean     NOT NULL DEFAULT false,
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_email_form CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_password_is_argon2id CHECK (password_hash LIKE '$argon2id$%')
);

CREATE TABLE projects (
    id         uuid        PRIMARY KEY,
    slug       text        NOT NULL,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_slug_key UNIQUE (slug),
    CONSTRAINT projects_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    -- A route takes an id or a slug: a slug that looks like an id would be ambiguous.
    CONSTRAINT projects_slug_is_no_uuid
        CHECK (slug !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
    CONSTRAINT projects_name_length CHECK (length(name) BETWEEN 1 AND 253)
);

CREATE TABLE project_members (
    project_id uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id    uuid        REFERENCES users ON DELETE CASCADE,
    namespace  text,
    role       text        NOT NULL,
    -- Made by the operator from a ReconciliationPlatform's spec, and removed by it alone. A
    -- namespace may be a declared member and one made by a person at once; each can go by itself.
    declared   boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT project_members_role CHECK (role IN ('viewer', 'editor', 'owner')),
    CONSTRAINT project_members_one_subject CHECK (num_nonnulls(user_id, namespace) = 1),
    CONSTRAINT project_members_namespace_form
        CHECK (namespace ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT project_members_declared_form
        CHECK (NOT declared OR (namespace IS NOT NULL AND role = 'editor'))
);

CREATE UNIQUE INDEX project_members_user_key
    ON project_members (user_id, project_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX project_members_namespace_key
    ON project_members (namespace, project_id, declared) WHERE namespace IS NOT NULL;
CREATE INDEX project_members_project ON project_members (project_id);
