-- What mailboxes hold and may hold. Of a limit, 0 is none.

ALTER TABLE account ADD COLUMN bytes_max INTEGER NOT NULL DEFAULT 0 CHECK (bytes_max >= 0);
ALTER TABLE account ADD COLUMN messages_max INTEGER NOT NULL DEFAULT 0 CHECK (messages_max >= 0);
ALTER TABLE alias ADD COLUMN bytes_max INTEGER NOT NULL DEFAULT 0 CHECK (bytes_max >= 0);
ALTER TABLE alias ADD COLUMN messages_max INTEGER NOT NULL DEFAULT 0 CHECK (messages_max >= 0);

-- What a mailbox's node was granted, and what it last said that the mailbox uses: what is in it, and what waits for it. Account
-- and domain are the alias's, which never change, so that the sums over them are read from an index alone.
CREATE TABLE storage (
    mailbox_id       TEXT PRIMARY KEY REFERENCES alias (mailbox_id) ON DELETE CASCADE,
    account          TEXT NOT NULL,
    domain           TEXT NOT NULL,
    version          INTEGER NOT NULL CHECK (version >= 1),
    bytes            INTEGER NOT NULL CHECK (bytes >= 0),
    messages         INTEGER NOT NULL CHECK (messages >= 0),
    used_bytes       INTEGER NOT NULL CHECK (used_bytes >= 0),
    used_messages    INTEGER NOT NULL CHECK (used_messages >= 0),
    waiting_bytes    INTEGER NOT NULL CHECK (waiting_bytes >= 0),
    waiting_messages INTEGER NOT NULL CHECK (waiting_messages >= 0),
    told_ms          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX storage_by_account ON storage (account, bytes, messages, used_bytes, used_messages);
CREATE INDEX storage_by_domain ON storage (domain, bytes);

-- The feed of changes with one more kind of subject; the numbering goes on.
CREATE TABLE change_anew (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 0 alias, 1 domain, 2 node, 3 webhook, 4 SRS secrets, 5 account.
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1, 2, 3, 4, 5)),
    subject  TEXT NOT NULL
) STRICT;
INSERT INTO change_anew (sequence, kind, subject) SELECT sequence, kind, subject FROM change;
-- Also where every row was dropped: what was given out is never given out again.
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'change_anew', seq FROM sqlite_sequence WHERE name = 'change'
    AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'change_anew');
DROP TABLE change;
ALTER TABLE change_anew RENAME TO change;
