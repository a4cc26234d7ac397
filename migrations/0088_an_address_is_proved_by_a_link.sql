-- When somebody opened a link that was sent to the address; only such an address gets links that open the account.
ALTER TABLE accounts ADD COLUMN email_verified BIGINT;
