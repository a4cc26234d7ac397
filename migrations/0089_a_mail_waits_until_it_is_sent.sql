-- Mail on its way. Recipient and link are sealed, and the row goes when the mail is sent, refused for good or too old.
CREATE TABLE mails (
    org_id BLOB NOT NULL,
    mail_id BLOB NOT NULL CHECK (length(mail_id) = 16),
    kind TEXT NOT NULL,
    recipient BLOB NOT NULL,
    link BLOB,
    tries BIGINT NOT NULL,
    due BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (org_id, mail_id)
);

CREATE INDEX mails_by_due ON mails (org_id, due);
