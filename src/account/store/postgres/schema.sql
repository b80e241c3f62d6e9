CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value BYTEA NOT NULL
);

-- A number is never given twice, as tokens and rooms may still know the one who had it.
CREATE TABLE accounts (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  username TEXT NOT NULL,
  folded_name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('player', 'manager')),
  password_hash TEXT NOT NULL,
  created_at_s BIGINT NOT NULL
);

-- Of accounts and of guests, so without a foreign key.
CREATE TABLE bans (
  user_id TEXT PRIMARY KEY,
  until_s BIGINT,
  reason TEXT NOT NULL
);

CREATE TABLE families (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  generation BIGINT NOT NULL,
  expires_at_s BIGINT NOT NULL,
  ended BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX families_of_user ON families (user_id);
CREATE INDEX families_by_end ON families (expires_at_s);

CREATE TABLE notices (
  id BIGINT PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  until_s BIGINT
);

CREATE TABLE notice_counter (last BIGINT NOT NULL);
INSERT INTO notice_counter VALUES (0);
