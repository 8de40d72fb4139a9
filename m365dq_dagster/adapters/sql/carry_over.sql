-- Keeping the rows of files that have gone from the folder: they are copied from the published generation, attached as `published`.

-- name: gone_files
-- Files of the published generation whose path and content are no longer in the folder.
SELECT file_id, path
FROM published.files
WHERE rows_read > 0
  AND path NOT IN (SELECT unnest($paths))
  AND (sha256 IS NULL OR sha256 NOT IN (SELECT unnest($hashes)))
ORDER BY file_id

-- name: published_columns
-- The canonical tables of the published generation, each with its columns and their types.
SELECT table_name, list([column_name, data_type] ORDER BY column_index)
FROM duckdb_columns()
WHERE
    database_name = 'published' AND NOT internal
    AND table_name IN (SELECT table_name FROM duckdb_columns() WHERE database_name = 'published' AND column_name = 'event_time_raw')
GROUP BY table_name
ORDER BY table_name

-- name: published_formats
-- Generations of earlier versions say the one format of a file beside the file.
SELECT 1 FROM duckdb_tables() WHERE database_name = 'published' AND table_name = 'file_formats'

-- name: keep_format
INSERT INTO file_formats (file_id, log_type, format)
SELECT $new_id, log_type, format FROM published.files WHERE file_id = $old_id

-- name: keep_file
INSERT INTO files BY NAME
SELECT * REPLACE ($new_id AS file_id, 'ALREADY_IMPORTED' AS status, $reason AS reason)
FROM published.files
WHERE file_id = $old_id

-- name: keep_quarantine
INSERT INTO quarantine BY NAME
SELECT * REPLACE ($new_id AS file_id) FROM published.quarantine WHERE file_id = $old_id

-- name: keep_provenance
INSERT INTO field_provenance BY NAME
SELECT * REPLACE ($new_id AS file_id) FROM published.field_provenance WHERE file_id = $old_id

-- name: keep_formats
INSERT INTO file_formats BY NAME
SELECT * REPLACE ($new_id AS file_id) FROM published.file_formats WHERE file_id = $old_id

-- name: keep_hashes
INSERT INTO intake_row_hashes BY NAME
SELECT h.* REPLACE ($new_id AS file_id)
FROM published.row_hashes AS h
ANTI JOIN published.duplicates AS d ON d.file_id = h.file_id AND d.row_no = h.row_no
WHERE h.file_id = $old_id

-- name: keep_duplicates
-- Copies that were counted once stay copies; the file they are copies of is found again by its path.
INSERT INTO duplicates
SELECT $new_id AS file_id, d.row_no, f.file_id AS of_file_id, d.of_row_no, d.rule
FROM published.duplicates AS d
JOIN published.files AS p ON p.file_id = d.of_file_id
JOIN files AS f ON f.path = p.path
WHERE d.file_id = $old_id

-- name: detach
DETACH published

-- name: last_file
SELECT coalesce(max(file_id), 0) FROM files

-- name: kept_files
SELECT count(*) FROM files WHERE reason = $reason

-- name: remember_row_hashes
CREATE OR REPLACE TABLE row_hashes AS SELECT file_id, row_no, row_hash FROM intake_row_hashes
