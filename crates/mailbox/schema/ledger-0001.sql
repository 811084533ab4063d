-- Ledger of a volume's snapshots, schema 1: what was copied, and what became of the copy; docs/formats/backup.md.

CREATE TABLE snapshot (
  id BLOB PRIMARY KEY CHECK (length(id) = 12),
  -- 1 a mailbox, 2 a waiting-mail file, 3 a queue file.
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
  -- The mailbox's or the queue's id.
  subject BLOB NOT NULL CHECK (length(subject) = 12),
  changes INTEGER NOT NULL CHECK (changes >= 0),
  schema INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  messages INTEGER NOT NULL CHECK (messages >= 0),
  taken_ms INTEGER NOT NULL,
  -- 1 staged, 2 uploaded.
  state INTEGER NOT NULL CHECK (state IN (1, 2)),
  -- Why the last try to upload it failed.
  why TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX snapshot_subject ON snapshot (kind, subject, taken_ms);

CREATE INDEX snapshot_staged ON snapshot (taken_ms) WHERE state = 1;

-- What changed and has no snapshot of it, and since when.
CREATE TABLE due (
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
  subject BLOB NOT NULL CHECK (length(subject) = 12),
  since_ms INTEGER NOT NULL,
  PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
