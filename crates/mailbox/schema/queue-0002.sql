-- Queue file, schema 2: how many durable commits it has seen; docs/formats/queue-file.md.

-- A log that lost its end has seen fewer than the mark beside the file says.
ALTER TABLE queue ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
