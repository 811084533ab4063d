-- Mailbox file, schema 1. docs/formats/mailbox-file.md describes it. Forward only: never edit a released file, add the next.

-- One row: whose file this is, and counters that must not go back.
CREATE TABLE mailbox (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL CHECK (length(id) = 12),
  created_ms INTEGER NOT NULL,
  -- The last UIDVALIDITY that was given out.
  uid_validity INTEGER NOT NULL,
  -- The highest MODSEQ of folders that are gone.
  modseq INTEGER NOT NULL,
  -- Emails up to this id are in text_index; searches look into later ones themselves.
  indexed_to INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The counters at the end are what STATUS answers; each is kept in step by the operation that changes it.
CREATE TABLE folder (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  special_use INTEGER UNIQUE CHECK (special_use BETWEEN 1 AND 7),
  -- 0: only a name, kept for its children.
  selectable INTEGER NOT NULL CHECK (selectable IN (0, 1)),
  uid_validity INTEGER NOT NULL UNIQUE,
  uid_next INTEGER NOT NULL CHECK (uid_next >= 1),
  highest_modseq INTEGER NOT NULL,
  -- Messages from this UID on are \Recent for the next session that claims them.
  recent_from INTEGER NOT NULL,
  -- What vanished at or before this MODSEQ is no longer on record.
  vanished_floor INTEGER NOT NULL,
  vanished_runs INTEGER NOT NULL CHECK (vanished_runs >= 0),
  messages INTEGER NOT NULL CHECK (messages >= 0),
  unseen INTEGER NOT NULL CHECK (unseen >= 0),
  deleted INTEGER NOT NULL CHECK (deleted >= 0),
  size INTEGER NOT NULL CHECK (size >= 0),
  -- Octets of messages with \Deleted.
  deleted_size INTEGER NOT NULL CHECK (deleted_size >= 0)
) STRICT;

-- Names, not folders: a subscription outlives its folder (RFC 9051 section 6.3.7).
CREATE TABLE subscription (
  name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- RFC 5464, each with its value; folder 0 is the mailbox itself. They go with their folder.
CREATE TABLE annotation (
  id INTEGER PRIMARY KEY,
  folder INTEGER NOT NULL,
  entry TEXT NOT NULL COLLATE NOCASE,
  value BLOB NOT NULL,
  UNIQUE (folder, entry)
) STRICT;

CREATE TABLE keyword (
  id INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 255),
  name TEXT NOT NULL UNIQUE COLLATE NOCASE
) STRICT;

-- What was said once and never changes: bytes and all that is derived from them. Search columns are decoded and lower case.
CREATE TABLE email (
  id INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL,
  size INTEGER NOT NULL,
  sent_day INTEGER,
  sent_ms INTEGER,
  message_id TEXT,
  in_reply_to TEXT,
  -- Message ids, oldest first, with a space between: what THREAD is made from.
  "references" TEXT,
  subject TEXT NOT NULL,
  "from" TEXT NOT NULL,
  "to" TEXT NOT NULL,
  cc TEXT NOT NULL,
  bcc TEXT NOT NULL,
  base_subject TEXT NOT NULL,
  -- The first words, as lists show them (RFC 8970).
  preview TEXT NOT NULL,
  -- Which contents, one after the other, are the message.
  segments BLOB NOT NULL,
  envelope BLOB NOT NULL,
  body BLOB NOT NULL,
  body_structure BLOB NOT NULL,
  structure BLOB NOT NULL
) STRICT;
CREATE INDEX email_message_id ON email (message_id) WHERE message_id IS NOT NULL;

-- A message in a folder: narrow, because flags change and bodies do not. COPY and MOVE write these rows only.
CREATE TABLE message (
  folder INTEGER NOT NULL REFERENCES folder (id),
  uid INTEGER NOT NULL CHECK (uid BETWEEN 1 AND 4294967295),
  modseq INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  -- One byte for each keyword id, ascending.
  keywords BLOB,
  -- INTERNALDATE and SAVEDATE, milliseconds since 1970-01-01 UTC.
  internal_ms INTEGER NOT NULL,
  saved_ms INTEGER NOT NULL,
  size INTEGER NOT NULL,
  email INTEGER NOT NULL REFERENCES email (id),
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_modseq ON message (folder, modseq);
CREATE INDEX message_email ON message (email);
-- What is asked for all the time and holds for few: no \Seen, \Flagged, \Deleted.
CREATE INDEX message_unseen ON message (folder, uid) WHERE flags & 1 = 0;
CREATE INDEX message_flagged ON message (folder, uid) WHERE flags & 4;
CREATE INDEX message_deleted ON message (folder, uid) WHERE flags & 8;

-- A run of bytes, stored once. Without sha256 it belongs to an upload that is not whole yet, without both it is garbage.
CREATE TABLE content (
  id INTEGER PRIMARY KEY,
  sha256 BLOB UNIQUE CHECK (sha256 IS NULL OR length(sha256) = 32),
  size INTEGER NOT NULL,
  -- How often email.segments names it.
  refs INTEGER NOT NULL CHECK (refs >= 0),
  upload INTEGER,
  segment INTEGER
) STRICT;
CREATE INDEX content_upload ON content (upload, segment) WHERE upload IS NOT NULL;
CREATE INDEX content_garbage ON content (id) WHERE sha256 IS NULL AND upload IS NULL;

-- id = content id << 20 | sequence. Each but a content's last holds 131072 octets. Shorter bytes than size: zstd.
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  size INTEGER NOT NULL CHECK (size BETWEEN 1 AND 131072),
  bytes BLOB NOT NULL
) STRICT;

-- Emails that lost a message; collected later if no other is left, so that a running FETCH keeps its bytes.
CREATE TABLE garbage (
  email INTEGER PRIMARY KEY
) STRICT;

-- Which emails may contain a text: rowid is the email's id, its words are the runs of three characters that its folded text
-- has. docs/formats/mailbox-file.md has how they are written. Filled behind deliveries, up to mailbox.indexed_to.
CREATE VIRTUAL TABLE text_index USING fts5 (
  grams, tokenize='ascii', content='', contentless_delete=1, detail=none
);
-- A leaf fits a page of 4096 octets less the cipher's 32.
INSERT INTO text_index (text_index, rank) VALUES ('pgsz', 4000);

-- UIDs that left a folder, for QRESYNC (RFC 7162).
CREATE TABLE vanished (
  folder INTEGER NOT NULL REFERENCES folder (id),
  modseq INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL CHECK (last >= first),
  PRIMARY KEY (folder, modseq, first)
) STRICT, WITHOUT ROWID;

-- UIDs that left a folder and are no longer in `vanished`: what a folder has is every UID up to uid_next but these.
CREATE TABLE gap (
  folder INTEGER PRIMARY KEY REFERENCES folder (id),
  -- Distance from the run before and length less one, LEB128 numbers.
  runs BLOB NOT NULL
) STRICT;

-- Deliveries that were committed: a retry is answered from here.
CREATE TABLE delivery (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  at_ms INTEGER NOT NULL,
  folder INTEGER NOT NULL,
  uid_validity INTEGER NOT NULL,
  uid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that were committed and may be asked again after a broken link.
CREATE TABLE token (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  at_ms INTEGER NOT NULL,
  answer BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- For people with a SQLite shell: one line a message.
CREATE VIEW messages AS
SELECT f.name AS folder, m.uid, datetime(m.internal_ms / 1000, 'unixepoch') AS internal_date, m.size, e.subject,
  e."from", e."to", m.flags, m.email
FROM message m JOIN folder f ON f.id = m.folder JOIN email e ON e.id = m.email;
