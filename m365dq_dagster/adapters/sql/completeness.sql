-- What is measured for the search for missing evidence: the ledger's files, how often each log speaks, which sign-in types there are.
-- $left_out lists the files whose times nothing may be concluded from.

-- name: ledger
SELECT * FROM files ORDER BY file_id

-- name: columns_of
SELECT table_name, column_name FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal AND schema_name = 'main'

-- name: keep
INSERT INTO completeness (kind, log_type, from_time, to_time, detail) VALUES ($kind, $log_type, $begins, $ends, $detail)

-- name: drop_minutes
DROP TABLE IF EXISTS completeness_minutes

-- name: rhythms
WITH steps AS (
    SELECT kind, events, first, last, lag(last) OVER (PARTITION BY kind ORDER BY minute) AS before FROM completeness_minutes
)
SELECT kind, sum(events)::BIGINT AS events, min(first) AS begins, max(last) AS ends,
       CASE WHEN sum(events) > 2 * count(*) THEN 0 ELSE coalesce(median(epoch(first) - epoch(before)), 0) END AS median_gap
FROM steps GROUP BY kind ORDER BY kind

-- name: gaps
SELECT kind, before, first
FROM (SELECT kind, first, lag(last) OVER (PARTITION BY kind ORDER BY minute) AS before FROM completeness_minutes)
WHERE before IS NOT NULL
QUALIFY first - before >= INTERVAL 30 MINUTE
     OR row_number() OVER (PARTITION BY kind, before::DATE ORDER BY first - before DESC, before) = 1
ORDER BY kind, before

-- name: empty_windows
-- Of declared windows ($begins and $ends, lists of one length) the places of those in which no event lies, by the minute.
SELECT w.place::INTEGER
FROM (SELECT unnest($begins::TIMESTAMP[]) AS begins, unnest($ends::TIMESTAMP[]) AS ends, unnest(range(len($begins))) AS place) AS w
WHERE NOT EXISTS (FROM completeness_minutes AS m WHERE m.kind = '' AND m.first <= w.ends AND m.last >= w.begins)
ORDER BY w.place

-- name: sign_in_types
SELECT count(*) FILTER (WHERE kind = 'interactive'), count(*) FILTER (WHERE kind = 'non-interactive'),
       count(*) FILTER (WHERE kind = 'service principal'), count(*) FILTER (WHERE kind = 'managed identity'),
       count(*) FILTER (WHERE typed), count(*)
FROM (SELECT {kind} AS kind, is_interactive IS NOT NULL OR sign_in_event_type IS NOT NULL AS typed FROM sign_in_logs AS t)

-- name: mailbox_rows
SELECT count(*) FILTER (WHERE lower(workload) = 'exchange'), min(event_time) FILTER (WHERE lower(workload) = 'exchange'),
       count(*) FILTER (WHERE operation = $operation)
FROM unified_audit_log

-- name: full_targets
-- Rows of a portal's directory audit that fill the last of the columns its exporter has for targets and their properties.
SELECT count(*), min(event_time), max(event_time) FROM entra_audit_logs
WHERE contains(modified_properties, 'ModifiedProperty5Name') OR contains(target_resources, '"Target3')
