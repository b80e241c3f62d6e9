-- Accounts of ledgers are documents, and known by their column of keys: those of their latest entries, as JSON.
ALTER TABLE documents ADD COLUMN recent_keys TEXT;

-- What changed their balances, one row a change. Rows are only added, and go with the account's owner.
CREATE TABLE ledger_entries (
  collection TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  entry_key TEXT COLLATE "C",
  changes TEXT NOT NULL,
  balances TEXT NOT NULL,
  reason TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (collection, key, version)
);
-- A change that is sent twice counts once.
CREATE UNIQUE INDEX ledger_entries_by_key ON ledger_entries (collection, key, entry_key) WHERE entry_key IS NOT NULL;
