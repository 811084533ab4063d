-- A mailbox for other programs: plain tables in one file, encrypted with a passphrase. docs/formats/export.md says more.
CREATE TABLE about (
    brevdue_export INTEGER NOT NULL,
    address TEXT NOT NULL,
    exported TEXT NOT NULL
);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    special_use TEXT,
    subscribed INTEGER NOT NULL
);
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folder (id),
    uid_validity INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    internal_date TEXT NOT NULL,
    sent TEXT,
    flags TEXT NOT NULL,
    keywords TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '',
    message_id TEXT,
    subject TEXT NOT NULL DEFAULT '',
    sender TEXT NOT NULL DEFAULT '',
    recipients TEXT NOT NULL DEFAULT '',
    copies TEXT NOT NULL DEFAULT '',
    UNIQUE (folder, uid)
);
-- The octets of a message, as they came.
CREATE TABLE content (
    message INTEGER PRIMARY KEY REFERENCES message (id),
    octets BLOB NOT NULL
);
CREATE VIEW mail AS
    SELECT f.name AS folder, m.uid, m.internal_date, m.flags, m.keywords, m.subject, m.sender, m.recipients, c.octets
    FROM message m JOIN folder f ON f.id = m.folder JOIN content c ON c.message = m.id;
