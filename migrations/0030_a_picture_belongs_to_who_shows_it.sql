-- picture_id is a keyed hash of owner and content. At most one picture of an owner is shown to others; one that is not, and
-- each of a guest, ends at `expires`. The content is sealed.
CREATE TABLE pictures (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    picture_id BLOB NOT NULL CHECK (length(picture_id) = 16),
    actor_id BLOB NOT NULL CHECK (length(actor_id) = 16),
    guest BIGINT NOT NULL CHECK (guest IN (0, 1)),
    shown BIGINT NOT NULL CHECK (shown IN (0, 1)),
    body BLOB NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    PRIMARY KEY (org_id, picture_id)
);

CREATE UNIQUE INDEX pictures_that_are_shown ON pictures (org_id, actor_id) WHERE shown = 1;
CREATE INDEX pictures_by_owner ON pictures (org_id, actor_id, created);
CREATE INDEX pictures_by_expiry ON pictures (org_id, expires);
CREATE INDEX pictures_of_guests ON pictures (org_id, guest);
