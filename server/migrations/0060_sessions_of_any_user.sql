-- no-transaction
-- For the foreign key: sessions_of_user has no ended ones.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_of_any_user ON sessions (user_id);
