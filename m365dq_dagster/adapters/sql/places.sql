-- Where addresses are: what a database of countries adds to the exports, and where locations contradict each other. Works on distinct
-- addresses and on sightings (address, account, country, day), never on pairs of rows. Runs after the statement `logons` of judge.sql.

-- name: forget_database
-- Take back what an earlier run wrote into the provenance, so that it may be written anew.
UPDATE field_provenance SET provenance = CASE
    WHEN starts_with(provenance, 'derived:country_database') THEN 'absent'
    ELSE split_part(provenance, ' or derived:country_database', 1)
END
WHERE field = 'country' AND contains(provenance, 'derived:country_database')

-- name: address_places
CREATE OR REPLACE TABLE address_places (address VARCHAR, country VARCHAR)

-- name: add_places
INSERT INTO address_places SELECT unnest($addresses) AS address, unnest($countries) AS country

-- name: clear_places
DELETE FROM address_places

-- name: tables_with_addresses
SELECT DISTINCT table_name
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal AND column_name = 'address'
  AND table_name IN (SELECT table_name FROM duckdb_columns() WHERE column_name = 'event_time_raw')
ORDER BY table_name

-- name: reach
-- First and last moment of the logons, as read.
SELECT min(read_time), max(read_time) FROM logons

-- name: agreement
-- Over the addresses that exports and database both place: how many, how many differ, the rows of those, and the busiest examples.
SELECT
    count(*) AS compared, count(*) FILTER (WHERE a.country <> p.country) AS differing,
    coalesce(CAST(sum(a.all_rows) FILTER (WHERE a.country <> p.country) AS BIGINT), 0) AS row_count,
    coalesce(
        list((a.address, a.country, p.country) ORDER BY a.all_rows DESC, a.address) FILTER (WHERE a.country <> p.country)[1:3], []
    ) AS examples
FROM address_countries AS a
JOIN address_places AS p ON p.address = a.address
WHERE a.country IS NOT NULL

-- name: placed_rows
-- Logons without a country of their own that the database places, by log and file.
SELECT l.log_type, l.file_id, count(*) AS row_count
FROM logons AS l
JOIN address_places AS p ON p.address = l.address
WHERE l.stated_country IS NULL AND l.address NOT IN (SELECT address FROM address_countries)
GROUP BY l.log_type, l.file_id
ORDER BY l.log_type, l.file_id

-- name: add_origin
UPDATE field_provenance
SET provenance = CASE WHEN provenance = 'absent' THEN $origin ELSE concat(provenance, ' or ', $origin) END
WHERE log_type = $log_type AND file_id = $file_id AND field = 'country'
