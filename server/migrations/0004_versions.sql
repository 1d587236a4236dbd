-- Versions for ETag and If-Match. A trigger counts, so that a process of an older version, which
-- knows no versions, counts too.

ALTER TABLE users ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE projects ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE project_members ADD COLUMN version bigint NOT NULL DEFAULT 1;

CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;

CREATE TRIGGER users_version BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION count_version();
CREATE TRIGGER projects_version BEFORE UPDATE ON projects
    FOR EACH ROW EXECUTE FUNCTION count_version();
CREATE TRIGGER project_members_version BEFORE UPDATE ON project_members
    FOR EACH ROW EXECUTE FUNCTION count_version();
