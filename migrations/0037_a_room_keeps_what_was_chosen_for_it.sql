-- Also a strictest value, for an organisation may relax the setting later. From now on rows are never deleted.
ALTER TABLE room_settings ADD COLUMN set_by BLOB CHECK (set_by IS NULL OR length(set_by) = 16);
ALTER TABLE room_settings ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
