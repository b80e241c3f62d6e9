-- Documents of long-term data. One that was deleted stays as a row without a value for a while, so that no late save brings it back.
CREATE TABLE documents (
  collection TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  owner TEXT,
  schema_version INTEGER NOT NULL,
  value TEXT,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (collection, key)
) STRICT;
CREATE INDEX documents_of_owner ON documents (owner, collection, key) WHERE owner IS NOT NULL;
CREATE INDEX documents_deleted ON documents (updated_at_ms) WHERE value IS NULL;

-- Which store holds a document while it is in use; no other may write it.
CREATE TABLE document_homes (
  collection TEXT NOT NULL,
  key TEXT NOT NULL,
  home TEXT NOT NULL,
  wanted INTEGER NOT NULL DEFAULT FALSE,
  PRIMARY KEY (collection, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_homes_wanted ON document_homes (home) WHERE wanted;

-- What a home is to be told: that documents are its no longer.
CREATE TABLE document_evictions (
  home TEXT NOT NULL,
  collection TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (home, collection, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE homes (home TEXT PRIMARY KEY, alive_until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Users whose documents were erased: a save that was under way then is not to bring one back.
CREATE TABLE erased_owners (owner TEXT PRIMARY KEY, erased_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- The one clock by which homes live.
CREATE VIEW database_clock AS SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now_ms;
