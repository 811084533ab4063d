-- Waiting-mail file of one alias, schema 2: what is known of a message at its end; docs/formats/mailbox-file.md.

-- Fields that stand in front of the body, sealed under the same key; NULL when there are none.
ALTER TABLE delivery ADD COLUMN prefix BLOB;
-- Whether it was found to be junk on its way in.
ALTER TABLE delivery ADD COLUMN junk INTEGER NOT NULL DEFAULT 0 CHECK (junk IN (0, 1));
