-- Mailbox file, schema 2: what the owner has taught about junk; docs/formats/mailbox-file.md.

-- One row: messages that were learned.
CREATE TABLE taught (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  good INTEGER NOT NULL CHECK (good >= 0),
  junk INTEGER NOT NULL CHECK (junk >= 0)
) STRICT;
INSERT INTO taught (one, good, junk) VALUES (1, 0, 0);

-- In how many of them a word was. Its id is the beginning of its digest.
CREATE TABLE word (
  id INTEGER PRIMARY KEY,
  good INTEGER NOT NULL CHECK (good >= 0),
  junk INTEGER NOT NULL CHECK (junk >= 0)
) STRICT;

-- What the owner said of a message by moving it: 1 for junk, 0 for good; and what was learned of it, NULL for nothing yet.
CREATE TABLE lesson (
  email INTEGER PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
  said INTEGER NOT NULL CHECK (said IN (0, 1)),
  learned INTEGER CHECK (learned IN (0, 1))
) STRICT;
CREATE INDEX lesson_due ON lesson (email) WHERE learned IS NOT said;
