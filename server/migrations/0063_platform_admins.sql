-- no-transaction
-- Whoever changes a user counts the platform admins, who are few among the others.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_platform_admins ON users (id) WHERE platform_admin;
