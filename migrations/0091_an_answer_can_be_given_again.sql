-- What a request to the control API with an idempotency key was answered, so that the same request is answered alike and done once. The
-- key itself is hashed, the answer sealed.
CREATE TABLE idempotent_answers (
    org_id BLOB NOT NULL,
    actor BLOB NOT NULL CHECK (length(actor) = 16),
    name BLOB NOT NULL CHECK (length(name) = 32),
    request BLOB NOT NULL CHECK (length(request) = 32),
    status BIGINT NOT NULL,
    answer BLOB NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (org_id, actor, name)
);

CREATE INDEX idempotent_answers_by_age ON idempotent_answers (org_id, actor, at);
