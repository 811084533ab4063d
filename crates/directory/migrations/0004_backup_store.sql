-- Where the backups of an alias go: empty as its domain says, `none` for nowhere, else a store's name.

ALTER TABLE alias ADD COLUMN backup_store TEXT NOT NULL DEFAULT '' CHECK (length(backup_store) <= 64);
