-- A provider that an organisation lets its people sign in with, beside those of the operator's settings: `words` is what administrators say
-- of it (name, issuer, client, rules), `secret` what it shares with the server, both sealed. Sessions that came by it before `since` are
-- over. One that was removed keeps its row without a word in it, so that its identifier never stands for another.
CREATE TABLE providers (
    org_id BLOB NOT NULL,
    provider_id BLOB NOT NULL CHECK (length(provider_id) = 16),
    words BLOB,
    secret BLOB,
    state TEXT NOT NULL CHECK (state IN ('on', 'off', 'removed')),
    since BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    made_by BLOB NOT NULL CHECK (length(made_by) = 16),
    made BIGINT NOT NULL,
    PRIMARY KEY (org_id, provider_id),
    FOREIGN KEY (org_id) REFERENCES organisations (org_id),
    CHECK ((state = 'removed') = (words IS NULL)),
    CHECK ((state = 'removed') = (secret IS NULL))
);
