-- no-transaction
-- Each declaration of the projects looks for all declared members, which are few among the others.
CREATE INDEX CONCURRENTLY IF NOT EXISTS project_members_declared ON project_members (project_id) WHERE declared;
