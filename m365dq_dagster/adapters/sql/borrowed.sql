-- What a database holds that was handed over, attached as `published`, and the ledger of a copy of it.

-- name: columns
-- Every table and view with its columns.
SELECT table_name, map(list(lower(column_name) ORDER BY column_index), list(data_type ORDER BY column_index)) AS columns
FROM duckdb_columns()
WHERE database_name = 'published' AND schema_name = 'main' AND NOT internal
GROUP BY table_name
ORDER BY table_name

-- name: add_file
-- The database itself is the file that a table made by hand was read from.
INSERT INTO files (file_id, path, bytes, log_type, status, rows_read, rows_imported)
VALUES ($file_id, $path, $bytes, $log_type, 'IMPORTED', $rows, $rows)

-- name: kept_document
SELECT document FROM published.main.case_document

-- name: kept_failures
SELECT body FROM published.main.failed_checks ORDER BY position

-- name: by_access
-- Rows of the sign-in log by Conditional Access as read.
SELECT coalesce(conditional_access_status, ''), count(*) AS k FROM sign_in_logs GROUP BY 1 ORDER BY k DESC, 1

-- name: by_operation
-- Rows of the audit log by operation and result as read.
SELECT coalesce(operation, ''), coalesce(result_status_raw, ''), count(*) AS k FROM unified_audit_log GROUP BY 1, 2 ORDER BY k DESC, 1, 2

-- name: write_normalized
-- The view's rows in a database of their own, in the order of its index.
CREATE TABLE kept.main.normalized_status_materialized AS
SELECT * FROM published.main.v_normalized_status ORDER BY normalized_status, timestamp;
CREATE INDEX normalized_status_materialized_index ON kept.main.normalized_status_materialized (normalized_status, timestamp)
