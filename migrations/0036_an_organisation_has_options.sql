-- An option without a row is off. Rows are never deleted; they share their revisions with the settings.
CREATE TABLE organisation_options (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    option TEXT NOT NULL,
    is_on BIGINT NOT NULL CHECK (is_on IN (0, 1)),
    set_by BLOB NOT NULL CHECK (length(set_by) = 16),
    revision BIGINT NOT NULL CHECK (revision > 0),
    PRIMARY KEY (org_id, option)
);
