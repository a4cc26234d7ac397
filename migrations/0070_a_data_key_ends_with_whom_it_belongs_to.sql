-- What is sealed of an organisation, a room or an account is sealed under keys of its own, `scope` being its id. They are
-- wrapped by the key of the file. A room or an account that ends loses its rows here, and with them all that was sealed of it.
CREATE TABLE data_keys (
    org_id BLOB NOT NULL CHECK (length(org_id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('organisation', 'room', 'account')),
    scope BLOB NOT NULL CHECK (length(scope) = 16),
    number BIGINT NOT NULL CHECK (number > 0),
    wrapped BLOB NOT NULL,
    PRIMARY KEY (org_id, kind, scope, number)
);
