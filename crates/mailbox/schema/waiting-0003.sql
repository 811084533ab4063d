-- Waiting-mail file of one alias, schema 3: how many deliveries were completed in it; docs/formats/mailbox-file.md.

-- Grows with every delivery that was told to be kept: a log that lost its end has fewer than the mark beside the file says.
ALTER TABLE waiting ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
