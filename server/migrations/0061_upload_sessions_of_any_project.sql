-- no-transaction
-- For the foreign key: upload_sessions_of_project has no complete ones.
CREATE INDEX CONCURRENTLY IF NOT EXISTS upload_sessions_of_any_project ON upload_sessions (project_id);
