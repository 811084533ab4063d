-- Mail beyond mailboxes: where it goes, what a domain asks of it, and the keys that sign it. Secrets are sealed with the
-- directory's key.

CREATE TABLE domain_setting (
    domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (domain, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE dkim_key (
    domain             TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    selector           TEXT NOT NULL CHECK (length(selector) BETWEEN 1 AND 63),
    -- 0 RSA-2048, 1 Ed25519.
    algorithm          INTEGER NOT NULL CHECK (algorithm IN (0, 1)),
    -- 0 next, 1 active, 2 retired.
    state              INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    public_key         BLOB NOT NULL,
    sealed_private_key BLOB NOT NULL,
    created_ms         INTEGER NOT NULL,
    -- 0 while it is not retired.
    retired_ms         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (domain, selector)
) STRICT;

CREATE TABLE srs_secret (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sealed     BLOB NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE webhook (
    id             TEXT PRIMARY KEY CHECK (length(id) = 24),
    url            TEXT NOT NULL,
    sealed_secret  BLOB NOT NULL,
    include_parsed INTEGER NOT NULL CHECK (include_parsed IN (0, 1)),
    include_raw    INTEGER NOT NULL CHECK (include_raw IN (0, 1)),
    account        TEXT NOT NULL,
    created_ms     INTEGER NOT NULL
) STRICT;

CREATE TABLE rule (
    id         INTEGER PRIMARY KEY,
    domain     TEXT NOT NULL REFERENCES domain (name),
    -- 0 exact, 1 pattern, 2 catch-all.
    kind       INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    -- The whole local-part in lower case, a regular expression, or nothing.
    pattern    TEXT NOT NULL,
    -- Among the patterns of the domain, from 1; 0 for the other kinds.
    position   INTEGER NOT NULL CHECK ((position > 0) = (kind = 1)),
    -- 0 accept, 1 refuse, 2 fail softly, 3 swallow.
    mode       INTEGER NOT NULL CHECK (mode IN (0, 1, 2, 3)),
    text       TEXT NOT NULL,
    -- Empty: nobody may send as what it matches.
    account    TEXT NOT NULL,
    -- Under which id, and on which node, what it forwards waits.
    queue_id   TEXT NOT NULL UNIQUE CHECK (length(queue_id) = 24),
    node_id    TEXT NOT NULL REFERENCES node (id),
    created_ms INTEGER NOT NULL,
    UNIQUE (domain, kind, pattern)
) STRICT;

CREATE TABLE rule_target (
    rule_id INTEGER NOT NULL REFERENCES rule (id) ON DELETE CASCADE,
    -- 0 store, 1 forward, 2 webhook.
    kind    INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    -- Nothing, an address or its template, or a webhook's id.
    value   TEXT NOT NULL,
    PRIMARY KEY (rule_id, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_target_by_value ON rule_target (kind, value);

-- The feed of changes with more kinds of subjects; the numbering goes on.
CREATE TABLE change_anew (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 0 alias, 1 domain, 2 node, 3 webhook, 4 SRS secrets.
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1, 2, 3, 4)),
    subject  TEXT NOT NULL
) STRICT;
INSERT INTO change_anew (sequence, kind, subject) SELECT sequence, kind, subject FROM change;
DROP TABLE change;
ALTER TABLE change_anew RENAME TO change;
