-- Ledger, schema 2: mailboxes that were erased, so that nobody makes one of them again who still knows its id.

CREATE TABLE erased (
  mailbox BLOB PRIMARY KEY CHECK (length(mailbox) = 12),
  at_ms INTEGER NOT NULL,
  -- 1 when the worker has removed from the stores what was on its way there.
  swept INTEGER NOT NULL DEFAULT 0 CHECK (swept IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX erased_at ON erased (at_ms);

CREATE INDEX erased_unswept ON erased (at_ms) WHERE swept = 0;
