-- A row may be deleted once the session would have expired by itself.
CREATE TABLE shown_factors (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    token_id BLOB NOT NULL CHECK (length(token_id) = 16),
    expires BIGINT NOT NULL,
    PRIMARY KEY (org_id, token_id)
);

CREATE INDEX shown_factors_by_expiry ON shown_factors (org_id, expires);
