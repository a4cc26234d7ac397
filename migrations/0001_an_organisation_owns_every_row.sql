-- Names are sealed. There is one organisation to begin with; its name also proves that the key file belongs to this database.
CREATE TABLE organisations (
    org_id BLOB NOT NULL PRIMARY KEY CHECK (length(org_id) = 16),
    name BLOB NOT NULL,
    created BIGINT NOT NULL
);
