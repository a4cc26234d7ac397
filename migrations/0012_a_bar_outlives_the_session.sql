-- Someone thrown out for good, by everything that they are known again by. The name is sealed.
CREATE TABLE bars (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    bar_id BLOB NOT NULL CHECK (length(bar_id) = 16),
    name BLOB NOT NULL,
    actor_id BLOB NOT NULL CHECK (length(actor_id) = 16),
    account_id BLOB,
    link_id BLOB,
    device_id BLOB,
    barred_by BLOB NOT NULL,
    barred BIGINT NOT NULL,
    PRIMARY KEY (org_id, room_id, bar_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
