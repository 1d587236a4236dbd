-- What people look at after a run: its exceptions, and the review pairs that they decide.

-- How many exceptions of each outcome were found and kept, and the reviews by state. The counts
-- change in the transaction that changes a review, so that a list of runs need not count.
ALTER TABLE runs
    ADD COLUMN exceptions       jsonb,
    ADD COLUMN reviews_open     integer NOT NULL DEFAULT 0,
    ADD COLUMN reviews_accepted integer NOT NULL DEFAULT 0,
    ADD COLUMN reviews_rejected integer NOT NULL DEFAULT 0;

-- Not validated: the defaults fit, and to read the whole table would hold its lock.
ALTER TABLE runs
    ADD CONSTRAINT runs_reviews_positive
        CHECK (reviews_open >= 0 AND reviews_accepted >= 0 AND reviews_rejected >= 0) NOT VALID;

-- Written once, by the transaction that publishes the run; a bounded number for each outcome.
CREATE TABLE run_exceptions (
    run_id        uuid    NOT NULL REFERENCES runs ON DELETE CASCADE,
    -- The place among the run's exceptions, from 1: by outcome, then in the order of the outputs.
    number        integer NOT NULL,
    outcome       text    NOT NULL,
    -- The side of a record; a pair has both.
    side          text,
    left_key      text,
    right_key     text,
    group_id      text,
    pass          text,
    score         double precision,
    line          bigint,
    source_column text,
    reason        text    NOT NULL,
    PRIMARY KEY (run_id, number),
    CONSTRAINT run_exceptions_outcome
        CHECK (outcome IN ('review', 'differing', 'duplicate', 'rejected', 'unmatched')),
    CONSTRAINT run_exceptions_side
        CHECK (side IN ('left', 'right')
           AND (side IS NULL) = (outcome IN ('review', 'differing'))),
    CONSTRAINT run_exceptions_pair
        CHECK (side IS NOT NULL OR num_nulls(left_key, right_key, group_id, pass, score) = 0)
);

CREATE INDEX run_exceptions_by_outcome ON run_exceptions (run_id, outcome, number);
CREATE INDEX run_exceptions_of_review ON run_exceptions (run_id, group_id, number)
    WHERE outcome = 'review';

-- One review for each group of pairs that a person decides.
CREATE TABLE reviews (
    run_id     uuid        NOT NULL REFERENCES runs ON DELETE CASCADE,
    group_id   text        NOT NULL,
    project_id uuid        NOT NULL REFERENCES projects ON DELETE CASCADE,
    -- The group's first exception.
    number     integer     NOT NULL,
    state      text        NOT NULL DEFAULT 'open',
    -- Grows with every event.
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    decided_by uuid        REFERENCES users,
    PRIMARY KEY (run_id, group_id),
    CONSTRAINT reviews_state CHECK (state IN ('open', 'accepted', 'rejected')),
    CONSTRAINT reviews_decided_by_somebody
        CHECK ((state = 'open') = (decided_at IS NULL) AND (state = 'open') = (decided_by IS NULL)),
    CONSTRAINT reviews_version_positive CHECK (version >= 1)
);

CREATE INDEX reviews_of_project ON reviews (project_id, state, created_at, run_id, number);
CREATE UNIQUE INDEX reviews_of_run ON reviews (run_id, number);
CREATE INDEX reviews_decided_by ON reviews (decided_by) WHERE decided_by IS NOT NULL;

-- What happened to a review: one event for each version after the first.
CREATE TABLE review_events (
    run_id     uuid        NOT NULL,
    group_id   text        NOT NULL,
    version    bigint      NOT NULL,
    action     text        NOT NULL,
    user_id    uuid        NOT NULL REFERENCES users,
    comment    text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, group_id, version),
    FOREIGN KEY (run_id, group_id) REFERENCES reviews ON DELETE CASCADE,
    CONSTRAINT review_events_action
        CHECK (action IN ('accepted', 'rejected', 'reopened', 'commented')),
    CONSTRAINT review_events_comment
        CHECK ((action = 'commented') = (comment IS NOT NULL)
           AND length(comment) BETWEEN 1 AND 4000),
    CONSTRAINT review_events_version CHECK (version > 1)
);

CREATE INDEX review_events_of_user ON review_events (user_id);
