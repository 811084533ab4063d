-- Waiting-mail file of one alias, schema 1. Everything in it is ciphertext already; docs/formats/mailbox-file.md.

CREATE TABLE waiting (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  mailbox BLOB NOT NULL CHECK (length(mailbox) = 12)
) STRICT;

-- One sealed message, in order of arrival.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery BLOB NOT NULL UNIQUE CHECK (length(delivery) = 16),
  received_ms INTEGER NOT NULL,
  -- Octets of sealed body so far.
  size INTEGER NOT NULL CHECK (size >= 0),
  chunks INTEGER NOT NULL CHECK (chunks >= 0),
  -- The content key wrapped for the owner; there is one when the message is whole.
  wrap BLOB
) STRICT;

CREATE TABLE chunk (
  delivery INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (delivery, sequence)
) STRICT;
