-- An index: what a repository's commits say of mailboxes, in SQLite (docs/leaving.md).
-- A version was held from commit "first" to before commit "ended"; null: it is held still.

CREATE TABLE facts (
    name TEXT PRIMARY KEY,  -- repository, words (fts5, or none where SQLite lacks it)
    value TEXT NOT NULL
);

CREATE TABLE mailboxes (
    mailbox TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    address TEXT NOT NULL DEFAULT '',
    head INTEGER NOT NULL DEFAULT 0,       -- the last commit that is in here
    head_hash BLOB NOT NULL DEFAULT x'',
    items INTEGER NOT NULL DEFAULT 0,      -- held after that commit
    bytes INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE points (
    mailbox TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    taken_at TEXT NOT NULL,                -- ISO 8601, UTC, as all times
    run TEXT NOT NULL,
    items INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    faults INTEGER NOT NULL,
    coverage TEXT NOT NULL,                -- JSON
    PRIMARY KEY (mailbox, sequence)
) WITHOUT ROWID;

CREATE TABLE folders (
    mailbox TEXT NOT NULL,
    folder_id TEXT NOT NULL,
    first INTEGER NOT NULL,
    ended INTEGER,
    parent_id TEXT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    well_known TEXT,
    PRIMARY KEY (mailbox, folder_id, first)
) WITHOUT ROWID;

CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    mailbox TEXT NOT NULL,
    item_id TEXT NOT NULL,
    first INTEGER NOT NULL,
    ended INTEGER,
    folder_id TEXT NOT NULL,
    change_key TEXT NOT NULL,
    item_class TEXT NOT NULL,
    size INTEGER NOT NULL,                 -- bytes of the stored item
    sha256 BLOB NOT NULL,
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    attachments TEXT NOT NULL,             -- names, one a line
    message_id TEXT NOT NULL,
    sent_at TEXT,
    received_at TEXT,                      -- of an event or a task its own date
    sealed BLOB NOT NULL,                  -- where its parts are, under the mailbox key
    UNIQUE (mailbox, item_id, first)
);
CREATE INDEX versions_by_date ON versions (received_at);

CREATE TABLE packs (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    pack TEXT NOT NULL UNIQUE
);

CREATE TABLE blobs (
    id BLOB NOT NULL,
    pack INTEGER NOT NULL,
    place INTEGER NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (id, pack)
) WITHOUT ROWID;
CREATE INDEX blobs_by_pack ON blobs (pack);
