-- Snapshots of this file: how often what they are for has changed, and the newest of them.

CREATE TABLE change_count (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    changes  INTEGER NOT NULL CHECK (changes >= 0),
    -- Since when something has changed that is in no snapshot; 0 when nothing has.
    since_ms INTEGER NOT NULL
) STRICT;
-- What an earlier version left is in no snapshot.
INSERT INTO change_count (one, changes, since_ms)
    SELECT 1, some, some * CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM (SELECT EXISTS (SELECT 1 FROM domain) AS some);

CREATE TABLE snapshot (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    id       TEXT NOT NULL CHECK (length(id) = 24),
    taken_ms INTEGER NOT NULL,
    bytes    INTEGER NOT NULL CHECK (bytes > 0),
    sha256   BLOB NOT NULL CHECK (length(sha256) = 32),
    changes  INTEGER NOT NULL,
    schema   INTEGER NOT NULL,
    -- Whether it is in a store; until then its file waits.
    uploaded INTEGER NOT NULL CHECK (uploaded IN (0, 1)),
    -- Why the last try to put it there failed.
    why      TEXT NOT NULL
) STRICT;
