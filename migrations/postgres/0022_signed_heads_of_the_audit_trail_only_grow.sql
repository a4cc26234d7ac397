CREATE TRIGGER audit_signed_heads_are_never_changed BEFORE UPDATE ON audit_signed_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows();

CREATE TRIGGER audit_signed_heads_are_never_deleted BEFORE DELETE OR TRUNCATE ON audit_signed_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows();
