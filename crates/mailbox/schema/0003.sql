-- Mailbox file, schema 3: whether a mailbox has changed since it was last backed up; docs/formats/mailbox-file.md.

-- Grows with every commit that changes what the owner has; the text index and the collection of garbage do not count.
ALTER TABLE mailbox ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
