CREATE TABLE accounts (
  -- A number is never given twice, as tokens and rooms may still know the one who had it.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  username TEXT NOT NULL,
  folded_name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('player', 'manager')),
  password_hash TEXT NOT NULL,
  created_at_s INTEGER NOT NULL
) STRICT;

-- Of accounts and of guests, so without a foreign key.
CREATE TABLE bans (
  user_id TEXT PRIMARY KEY,
  until_s INTEGER,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE families (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  expires_at_s INTEGER NOT NULL,
  ended INTEGER NOT NULL DEFAULT FALSE
) STRICT, WITHOUT ROWID;
CREATE INDEX families_of_user ON families (user_id);
CREATE INDEX families_by_end ON families (expires_at_s);

CREATE TABLE notices (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  until_s INTEGER
) STRICT;

CREATE TABLE notice_counter (last INTEGER NOT NULL) STRICT;
INSERT INTO notice_counter VALUES (0);
