-- A setting without a row stands at its strictest value and is not locked. Rows are never deleted, so revisions only go up.
CREATE TABLE organisation_settings (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    setting TEXT NOT NULL,
    value TEXT NOT NULL,
    locked BIGINT NOT NULL CHECK (locked IN (0, 1)),
    set_by BLOB NOT NULL CHECK (length(set_by) = 16),
    revision BIGINT NOT NULL CHECK (revision > 0),
    PRIMARY KEY (org_id, setting)
);
