-- Of two changes at the same moment one holds, and whoever made the other is told.
ALTER TABLE rooms ADD COLUMN password_revision BIGINT NOT NULL DEFAULT 0;
