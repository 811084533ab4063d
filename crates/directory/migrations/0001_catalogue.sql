-- The catalogue: who exists, where their mailbox lives, and the wrapped keys. No key stands here bare.

CREATE TABLE account (
    id         TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE domain (
    name       TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 255),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    id            TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    grpc_endpoint TEXT NOT NULL,
    -- How many placements name the node, so that choosing one does not count them.
    mailboxes     INTEGER NOT NULL DEFAULT 0 CHECK (mailboxes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_endpoint (
    node_id  TEXT NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    shard    INTEGER NOT NULL CHECK (shard >= 0),
    endpoint TEXT NOT NULL,
    PRIMARY KEY (node_id, shard)
) STRICT, WITHOUT ROWID;

-- The address is normalised and without its subaddress.
CREATE TABLE alias (
    address    TEXT PRIMARY KEY,
    domain     TEXT NOT NULL REFERENCES domain (name),
    account    TEXT NOT NULL REFERENCES account (id),
    mailbox_id TEXT NOT NULL UNIQUE CHECK (length(mailbox_id) = 24),
    -- Whether the mailbox's file was made.
    born       INTEGER NOT NULL DEFAULT 0 CHECK (born IN (0, 1)),
    disabled   INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_by_domain ON alias (domain, address);
CREATE INDEX alias_by_account ON alias (account);

-- With a rowid: rows of over a kilobyte fit a table's leaf, and would overflow an index's.
CREATE TABLE sealing_key (
    address             TEXT PRIMARY KEY REFERENCES alias (address) ON DELETE CASCADE,
    public_key          BLOB NOT NULL,
    wrapped_private_key BLOB NOT NULL
) STRICT;

CREATE TABLE placement (
    mailbox_id TEXT PRIMARY KEY REFERENCES alias (mailbox_id) ON DELETE CASCADE,
    node_id    TEXT NOT NULL REFERENCES node (id),
    -- Higher after every move.
    epoch      INTEGER NOT NULL CHECK (epoch >= 1)
) STRICT, WITHOUT ROWID;
CREATE INDEX placement_by_node ON placement (node_id);

CREATE TABLE credential (
    address     TEXT NOT NULL REFERENCES alias (address) ON DELETE CASCADE,
    label       TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 64),
    id          TEXT NOT NULL UNIQUE CHECK (length(id) = 16),
    -- 0 generated, 1 chosen, 2 recovery key.
    kind        INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    wrapped_key BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (address, label)
) STRICT, WITHOUT ROWID;

-- What changed, for those that cache; the oldest rows are dropped.
CREATE TABLE change (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 0 alias, 1 domain, 2 node.
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    subject  TEXT NOT NULL
) STRICT;

-- One row that the health check writes.
CREATE TABLE probe (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checked_ms INTEGER NOT NULL
) STRICT;
