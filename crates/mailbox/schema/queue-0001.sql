-- Queue file, schema 1: messages that leave, until every recipient is decided; docs/formats/queue-file.md.

CREATE TABLE queue (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL CHECK (length(id) = 12),
  -- The highest lease number given out.
  lease INTEGER NOT NULL CHECK (lease >= 0)
) STRICT;

-- Ids of messages that were taken, so that a retry is not taken twice; older ones are forgotten.
CREATE TABLE taken (
  enqueue BLOB PRIMARY KEY CHECK (length(enqueue) = 16),
  taken_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX taken_order ON taken (taken_ms);

-- One message with its envelope; without an arrival it is still coming.
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  arrived_ms INTEGER,
  -- Octets of prefix and text.
  size INTEGER NOT NULL CHECK (size >= 0),
  -- Chunks of text.
  chunks INTEGER NOT NULL CHECK (chunks >= 0),
  reverse_path TEXT NOT NULL,
  -- RFC 3461 RET: 0 not given, 1 FULL, 2 HDRS.
  ret INTEGER NOT NULL CHECK (ret BETWEEN 0 AND 2),
  envelope_id TEXT NOT NULL,
  -- 1 SMTPUTF8, 2 8BITMIME, 4 REQUIRETLS.
  needs INTEGER NOT NULL CHECK (needs BETWEEN 0 AND 7),
  mailbox TEXT NOT NULL,
  -- 1 submission, 2 forward, 3 webhook, 4 the system's own.
  origin INTEGER NOT NULL CHECK (origin BETWEEN 1 AND 4),
  expires_ms INTEGER NOT NULL
) STRICT;

-- Number 0 is the prefix, the text begins with 1.
CREATE TABLE chunk (
  entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (entry, number)
) STRICT;

-- Where messages go. Without shares it is not there.
CREATE TABLE destination (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  recipients INTEGER NOT NULL CHECK (recipients >= 0),
  -- The earliest of its shares.
  due_ms INTEGER,
  -- When it had its last turn.
  served_ms INTEGER NOT NULL DEFAULT 0,
  -- Orders turns of the same millisecond.
  turn INTEGER NOT NULL DEFAULT 0,
  paused_ms INTEGER NOT NULL DEFAULT 0,
  paused_status TEXT NOT NULL DEFAULT '',
  -- Its place among those that are due.
  rank_ms INTEGER GENERATED ALWAYS AS (max(due_ms, served_ms, paused_ms)) VIRTUAL
) STRICT;

CREATE INDEX destination_rank ON destination (rank_ms, turn) WHERE rank_ms IS NOT NULL;

-- One message's recipients at one destination: what is handed out together.
CREATE TABLE share (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
  destination INTEGER NOT NULL REFERENCES destination (id),
  -- The earliest attempt of its recipients, or the end of its lease; none while it is held.
  due_ms INTEGER,
  lease INTEGER,
  -- Recipients that were due then are under the lease.
  leased_ms INTEGER,
  lease_ends_ms INTEGER,
  worker TEXT
) STRICT;

CREATE INDEX share_due ON share (destination, due_ms);

CREATE INDEX share_entry ON share (entry);

CREATE TABLE recipient (
  id INTEGER PRIMARY KEY,
  share INTEGER NOT NULL REFERENCES share (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  -- RFC 3461 NOTIFY: 1 NEVER, 2 SUCCESS, 4 FAILURE, 8 DELAY; 0 when not given.
  notify INTEGER NOT NULL CHECK (notify BETWEEN 0 AND 15),
  original TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_ms INTEGER NOT NULL,
  delay_notified INTEGER NOT NULL DEFAULT 0 CHECK (delay_notified IN (0, 1)),
  status TEXT NOT NULL DEFAULT '',
  remote TEXT NOT NULL DEFAULT '',
  UNIQUE (share, address)
) STRICT;
