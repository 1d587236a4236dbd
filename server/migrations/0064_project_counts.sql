-- How many uploads and runs a project has, kept while they come and go: a list of projects shows
-- them, and a project with a hundred thousand runs must not be counted for each look at it.
--
-- Triggers count, so that a process of an older version counts too. They and the first counts come in
-- one transaction, which holds off new uploads and runs while both tables are read once.

CREATE TABLE project_counts (
    project_id uuid   PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
    uploads    bigint NOT NULL DEFAULT 0,
    runs       bigint NOT NULL DEFAULT 0,
    CONSTRAINT project_counts_positive CHECK (uploads >= 0 AND runs >= 0)
);

-- In the order of ids, so that two statements over the same projects do not wait for each other.
CREATE FUNCTION count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO project_counts AS c (project_id, uploads, runs)
    SELECT project_id, CASE TG_TABLE_NAME WHEN 'uploads' THEN count(*) ELSE 0 END,
        CASE TG_TABLE_NAME WHEN 'runs' THEN count(*) ELSE 0 END
    FROM added GROUP BY project_id ORDER BY project_id
    ON CONFLICT (project_id) DO UPDATE
        SET uploads = c.uploads + excluded.uploads, runs = c.runs + excluded.runs;
    RETURN NULL;
END
$$;

-- Where the project itself is deleted, its counts may be gone already.
CREATE FUNCTION count_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE project_counts c
    SET uploads = c.uploads - CASE TG_TABLE_NAME WHEN 'uploads' THEN r.number ELSE 0 END,
        runs = c.runs - CASE TG_TABLE_NAME WHEN 'runs' THEN r.number ELSE 0 END
    FROM (SELECT project_id, count(*) AS number FROM removed GROUP BY project_id) r
    WHERE c.project_id = r.project_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER uploads_added AFTER INSERT ON uploads REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added();
CREATE TRIGGER uploads_removed AFTER DELETE ON uploads REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed();
CREATE TRIGGER runs_added AFTER INSERT ON runs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added();
CREATE TRIGGER runs_removed AFTER DELETE ON runs REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed();

INSERT INTO project_counts (project_id, uploads, runs)
SELECT project_id, sum(uploads), sum(runs)
FROM (SELECT project_id, count(*) AS uploads, 0 AS runs FROM uploads GROUP BY project_id
      UNION ALL
      SELECT project_id, 0, count(*) FROM runs GROUP BY project_id) counted
GROUP BY project_id;
