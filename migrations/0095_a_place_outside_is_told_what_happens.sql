-- A webhook: where it is, what it is called and the secrets that sign for it are sealed. events is a set of bits, one for each
-- kind of news. failing_since is when the first attempt failed of those that failed without one between that did not.
CREATE TABLE webhooks (
    org_id BLOB NOT NULL,
    webhook_id BLOB NOT NULL CHECK (length(webhook_id) = 16),
    url BLOB NOT NULL,
    label BLOB NOT NULL,
    secret BLOB NOT NULL,
    old_secret BLOB,
    old_until BIGINT,
    events BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'failing', 'gone')),
    failing_since BIGINT,
    revision BIGINT NOT NULL,
    made_by BLOB NOT NULL,
    made BIGINT NOT NULL,
    PRIMARY KEY (org_id, webhook_id),
    FOREIGN KEY (org_id) REFERENCES organisations (org_id)
);

CREATE TABLE webhook_numbers (
    org_id BLOB NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (org_id),
    FOREIGN KEY (org_id) REFERENCES organisations (org_id)
);

-- What happened, once, in the order in which it was stored; body is what is sent, byte for byte, sealed.
CREATE TABLE webhook_news (
    org_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    news_id BLOB NOT NULL CHECK (length(news_id) = 16),
    kind TEXT NOT NULL,
    room_id BLOB NOT NULL,
    at BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (org_id, number),
    UNIQUE (org_id, news_id),
    FOREIGN KEY (org_id) REFERENCES organisations (org_id)
);

-- What is to be told to whom, and what came of it. room_id is all zero where the news are of no room: they keep an order too.
CREATE TABLE webhook_deliveries (
    org_id BLOB NOT NULL,
    webhook_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    room_id BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('due', 'told', 'dead')),
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_at BIGINT,
    status BIGINT,
    failure TEXT,
    took BIGINT,
    PRIMARY KEY (org_id, webhook_id, number),
    FOREIGN KEY (org_id, webhook_id) REFERENCES webhooks (org_id, webhook_id),
    FOREIGN KEY (org_id, number) REFERENCES webhook_news (org_id, number)
);

-- The first of each room that is due; and what is over, by age.
CREATE INDEX webhook_deliveries_by_room ON webhook_deliveries (org_id, webhook_id, state, room_id, number);
CREATE INDEX webhook_deliveries_by_number ON webhook_deliveries (org_id, number);
