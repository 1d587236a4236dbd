-- These wait for no writer and no writer waits for them.
ALTER TABLE runs VALIDATE CONSTRAINT runs_job;
ALTER TABLE runs VALIDATE CONSTRAINT runs_reviews_positive;
