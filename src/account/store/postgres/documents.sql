-- Documents of long-term data. One that was deleted stays as a row without a value for a while, so that no late save brings it back.
-- Names are in the order of their bytes, as in SQLite.
CREATE TABLE documents (
  collection TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  owner TEXT COLLATE "C",
  schema_version BIGINT NOT NULL,
  value TEXT,
  updated_at_ms BIGINT NOT NULL,
  PRIMARY KEY (collection, key)
);
CREATE INDEX documents_of_owner ON documents (owner, collection, key) WHERE owner IS NOT NULL;
CREATE INDEX documents_deleted ON documents (updated_at_ms) WHERE value IS NULL;

-- Which store holds a document while it is in use; no other may write it.
CREATE TABLE document_homes (
  collection TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  home TEXT COLLATE "C" NOT NULL,
  wanted BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (collection, key)
);
CREATE INDEX document_homes_wanted ON document_homes (home) WHERE wanted;

-- What a home is to be told: that documents are its no longer.
CREATE TABLE document_evictions (
  home TEXT COLLATE "C" NOT NULL,
  collection TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (home, collection, key)
);

CREATE TABLE homes (home TEXT COLLATE "C" PRIMARY KEY, alive_until_ms BIGINT NOT NULL);

-- Users whose documents were erased: a save that was under way then is not to bring one back.
CREATE TABLE erased_owners (owner TEXT COLLATE "C" PRIMARY KEY, erased_at_ms BIGINT NOT NULL);

-- The one clock by which homes live.
CREATE VIEW database_clock AS
  SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now_ms;
