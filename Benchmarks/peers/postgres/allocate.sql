\set id random(1, 9000000000000000000)
UPDATE address SET owner = 'vm-' || :id, allocated_at = now()
WHERE ip = (SELECT ip FROM address WHERE owner IS NULL ORDER BY ip LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING ip;
