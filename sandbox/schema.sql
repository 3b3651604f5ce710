-- One file holds every organization of the sandbox. tests/compare.py reads it with sqlite3 alone,
-- so the names of tables and columns are part of what the sandbox promises (docs/sandbox.md).
CREATE TABLE IF NOT EXISTS settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS directories (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL DEFAULT 1  -- delta tokens of an older generation have expired
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS applications (
    directory TEXT NOT NULL REFERENCES directories (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    certificate TEXT NOT NULL,
    roles TEXT NOT NULL,
    PRIMARY KEY (directory, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS mailboxes (
    id TEXT PRIMARY KEY,
    directory TEXT NOT NULL REFERENCES directories (id),
    kind TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS users (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    directory TEXT NOT NULL REFERENCES directories (id),
    id TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    mailbox TEXT REFERENCES mailboxes (id)
);

CREATE TABLE IF NOT EXISTS groups (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    directory TEXT NOT NULL REFERENCES directories (id),
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    address TEXT
);

CREATE TABLE IF NOT EXISTS group_members (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    member TEXT NOT NULL,  -- id of a user or a group
    UNIQUE (group_id, member)
);

CREATE TABLE IF NOT EXISTS folders (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    id TEXT NOT NULL UNIQUE,
    parent TEXT,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    well_known TEXT,
    UNIQUE (mailbox, well_known)
);
CREATE UNIQUE INDEX IF NOT EXISTS folder_name ON folders (mailbox, parent, lower(name));

CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    folder TEXT NOT NULL REFERENCES folders (id),
    id TEXT NOT NULL UNIQUE,
    change_key TEXT NOT NULL,
    item_class TEXT NOT NULL,
    size INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    message_id TEXT NOT NULL,
    payload BLOB NOT NULL  -- last: reading the other columns never walks through it
);
-- A page of a folder's first enumeration, and the folder's item count.
CREATE INDEX IF NOT EXISTS item_folder ON items (folder, number);
-- $filter on String 0x1035.
CREATE INDEX IF NOT EXISTS item_message_id ON items (folder, message_id);

CREATE TABLE IF NOT EXISTS changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,  -- 'users:<directory>', 'folders:<mailbox>' or 'items:<folder>'
    id TEXT NOT NULL
);
-- What happened in one scope after a delta token.
CREATE INDEX IF NOT EXISTS change_scope ON changes (scope, sequence);

CREATE TABLE IF NOT EXISTS import_sessions (
    token TEXT PRIMARY KEY,
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Mailboxes that an Exchange Server of the organization holds; all others are in the cloud.
CREATE TABLE IF NOT EXISTS server_mailboxes (
    mailbox TEXT PRIMARY KEY REFERENCES mailboxes (id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS archives (
    mailbox TEXT PRIMARY KEY REFERENCES mailboxes (id),
    archive TEXT NOT NULL UNIQUE REFERENCES mailboxes (id)
) WITHOUT ROWID;

-- Folders of archives whose items an auxiliary mailbox holds (auto-expanding archive).
CREATE TABLE IF NOT EXISTS auxiliary_folders (
    folder TEXT PRIMARY KEY REFERENCES folders (id) ON DELETE CASCADE,
    mailbox TEXT NOT NULL REFERENCES mailboxes (id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS public_folders (
    directory TEXT PRIMARY KEY REFERENCES directories (id),
    mailbox TEXT NOT NULL UNIQUE REFERENCES mailboxes (id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS server_accounts (
    directory TEXT NOT NULL REFERENCES directories (id),
    name TEXT NOT NULL COLLATE NOCASE,
    password TEXT NOT NULL,
    impersonates INTEGER NOT NULL,  -- has the role ApplicationImpersonation
    PRIMARY KEY (directory, name)
) WITHOUT ROWID;

-- Items that folders keep beside those that people see (rules, views, settings).
CREATE TABLE IF NOT EXISTS associated_items (
    item INTEGER PRIMARY KEY REFERENCES items (number) ON DELETE CASCADE
);

-- Those changes of items that only marked them as read or unread.
CREATE TABLE IF NOT EXISTS read_changes (
    sequence INTEGER PRIMARY KEY REFERENCES changes (sequence)
);
-- Whether an item that changed is new to whoever holds an older state.
CREATE INDEX IF NOT EXISTS change_id ON changes (scope, id, sequence);
