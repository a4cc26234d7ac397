CREATE INDEX audit_by_room ON audit (org_id, room, seq);

CREATE INDEX audit_by_actor ON audit (org_id, actor, seq);
