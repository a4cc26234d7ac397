CREATE TRIGGER audit_signed_heads_are_never_changed BEFORE UPDATE ON audit_signed_heads
BEGIN
    SELECT RAISE(ABORT, 'signed heads are never changed');
END;

CREATE TRIGGER audit_signed_heads_are_never_deleted BEFORE DELETE ON audit_signed_heads
BEGIN
    SELECT RAISE(ABORT, 'signed heads are never deleted');
END;
