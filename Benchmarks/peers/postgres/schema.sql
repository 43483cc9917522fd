-- One row per address, made beforehand; an index that holds the free ones only.
CREATE TABLE address (
  ip bigint PRIMARY KEY,
  owner text UNIQUE,
  allocated_at timestamptz
);
INSERT INTO address (ip) SELECT 167772160 + n FROM generate_series(2, :addresses + 1) AS n;
CREATE INDEX address_free ON address (ip) WHERE owner IS NULL;
VACUUM ANALYZE address;
