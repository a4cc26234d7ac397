CREATE INDEX identities_by_provider ON identities (org_id, provider);
