-- What the case document is built from: the ledger, outcomes by log type, conflicts, indicators, and the lines behind a finding.

-- name: files
SELECT
    path, sha256, bytes, encoding, format, log_type, status, reason, rows_read, rows_imported, rows_duplicate, rows_quarantined,
    rows_declared, rows_stand_for, window_from, window_to, first_event, last_event, date_order
FROM files
ORDER BY path

-- name: quarantine
-- Rows set aside by reason, with the files that hold them, those with most rows first.
SELECT
    reason, CAST(sum(k) AS BIGINT) AS rows, count(*) AS file_count,
    list({'path': path, 'rows': k} ORDER BY k DESC, path)[1:100] AS files
FROM (
    SELECT q.reason, q.file_id, f.path, count(*) AS k
    FROM quarantine AS q
    LEFT JOIN files AS f ON f.file_id = q.file_id
    GROUP BY q.reason, q.file_id, f.path
) AS counted
GROUP BY reason
ORDER BY reason

-- name: quarantined_rows
-- Rows set aside, at most `$most` (NULL: all) with at most `$characters` of each (NULL: all). Where they are bounded, each reason and file has its first ones.
SELECT file, row, reason, detail, raw, characters
FROM (
    SELECT
        f.path AS file, q.row_no AS row, q.reason, q.detail, CASE WHEN $characters IS NULL THEN q.raw ELSE left(q.raw, $characters) END AS raw,
        length(q.raw) AS characters,
        row_number() OVER (ORDER BY q.place, q.reason, f.path, q.row_no) AS turn
    FROM (SELECT *, row_number() OVER (PARTITION BY reason, file_id ORDER BY row_no) AS place FROM quarantine) AS q
    LEFT JOIN files AS f ON f.file_id = q.file_id
) AS ordered
WHERE $most IS NULL OR turn <= $most
ORDER BY reason, file, row

-- name: file_origins
-- Where every canonical field of every file comes from.
SELECT f.path, f.sha256, f.format, p.log_type, map(list(p.field ORDER BY p.field), list(p.provenance ORDER BY p.field)) AS fields
FROM field_provenance AS p
JOIN files AS f ON f.file_id = p.file_id
GROUP BY f.file_id, f.path, f.sha256, f.format, p.log_type
ORDER BY f.path, p.log_type

-- name: event_tables
-- The tables of events: each holds the text of its time as the source wrote it.
SELECT DISTINCT table_name
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal AND column_name = 'event_time_raw'
ORDER BY table_name

-- name: completeness
SELECT kind, log_type, from_time AS "from", to_time AS "to", detail
FROM completeness
ORDER BY kind, log_type, from_time, detail

-- name: outcomes_by_log_type
SELECT log_type, outcome, count(*) AS row_count FROM events GROUP BY log_type, outcome ORDER BY log_type, outcome

-- name: outcomes_by_code
-- Adjudicated rows by log, code and outcome; a row without a code has a blank one.
SELECT log_type, coalesce(code, '') AS code, outcome, count(*) AS row_count
FROM events
GROUP BY log_type, coalesce(code, ''), outcome

-- name: read_files
SELECT path, sha256 FROM files WHERE sha256 IS NOT NULL

-- name: provenance
SELECT log_type, field, list(DISTINCT provenance ORDER BY provenance) AS origins
FROM field_provenance
GROUP BY log_type, field

-- name: contradicted
SELECT count(*) FROM decided WHERE contradiction IS NOT NULL

-- name: contradictions
SELECT
    contradiction, count(*) AS row_count,
    list(coalesce(event_id, concat(file_id, ':', row_no)) ORDER BY file_id, row_no)[1:5] AS examples
FROM events
WHERE contradiction IS NOT NULL
GROUP BY contradiction
ORDER BY contradiction

-- name: addresses_in_several
SELECT count(*) FROM address_countries WHERE countries > 1

-- name: moved_addresses
-- Addresses that were placed in more than one country, the busiest first.
SELECT a.address, a.countries, a.country, a.all_rows, x.examples
FROM address_countries AS a
JOIN (
    SELECT address, list(coalesce(event_id, concat(file_id, ':', row_no)) ORDER BY file_id, row_no)[1:5] AS examples
    FROM events
    WHERE address IN (SELECT address FROM address_countries WHERE countries > 1)
    GROUP BY address
) AS x ON x.address = a.address
WHERE a.countries > 1
ORDER BY a.all_rows DESC, a.address
LIMIT 100

-- name: proof
-- The lines that the conclusion on the case rests on: all, or with `$intruder` those that may be an intruder's.
CREATE OR REPLACE TEMP TABLE proof AS
SELECT NULL AS account, e.file_id, e.row_no, e.log_type, e.contradiction, e.decided_by
FROM judged AS e
WHERE e.counted AND (NOT $intruder OR (e.outcome = 'SUCCESS' AND (e.is_foreign OR e.address IN (SELECT address FROM home_sprayers))))

-- name: asked_proofs
CREATE OR REPLACE TEMP TABLE asked_proofs (account VARCHAR, kind VARCHAR)

-- name: proofs
-- The lines that the conclusions on accounts rest on, all accounts at once; `kind` says which rows prove one. What no single row proves, such
-- as fields that tell nothing, rests on all rows of the account.
CREATE OR REPLACE TEMP TABLE proof AS
WITH told AS (
    SELECT
        e.account, e.file_id, e.row_no, e.log_type, e.contradiction, e.decided_by, e.counted,
        coalesce(
            CASE a.kind
                WHEN 'intruder' THEN e.outcome = 'SUCCESS' AND (e.is_foreign OR e.address IN (SELECT address FROM home_sprayers))
                WHEN 'attempts' THEN e.normalized_status <> 'UNKNOWN'
                WHEN 'unclear' THEN (e.is_foreign AND e.outcome IN ('SUCCESS', 'UNKNOWN', 'CONFLICT')) OR e.open_field IS NOT NULL
                WHEN 'exposed' THEN e.accepted AND e.is_foreign AND e.outcome <> 'SUCCESS'
            END, FALSE
        ) AS proves
    FROM judged AS e
    JOIN asked_proofs AS a ON a.account = e.account
    WHERE e.counted OR (a.kind = 'unclear' AND e.open_field IS NOT NULL AND e.log_type = 'unified_audit_log')
    UNION ALL
    SELECT u.account, u.file_id, u.row_no, 'unified_audit_log', NULL, NULL, FALSE, TRUE
    FROM unified_audit_log AS u
    JOIN asked_proofs AS a ON a.account = u.account AND a.kind = 'unclear'
    WHERE NOT u.is_logon AND u.account IN (SELECT account FROM unseen_activity WHERE from_refused > 0)
)
SELECT account, file_id, row_no, log_type, contradiction, decided_by
FROM told
WHERE proves OR (counted AND account NOT IN (SELECT account FROM told WHERE proves))

-- name: deciders
-- The fields by which the rows of an account were decided (NULL: of the whole case).
SELECT DISTINCT log_type, decided_by
FROM events
WHERE counted AND decided_by IS NOT NULL AND ($account IS NULL OR account = $account)
ORDER BY log_type, decided_by

-- name: proof_lines
SELECT f.path, p.row_no FROM proof AS p JOIN files AS f ON f.file_id = p.file_id ORDER BY f.path, p.row_no LIMIT $most

-- name: proofs_lines
-- The first lines of each account.
SELECT account, path, row_no
FROM (
    SELECT
        p.account, f.path, p.row_no, row_number() OVER (PARTITION BY p.account ORDER BY f.path, p.row_no) AS place
    FROM proof AS p
    JOIN files AS f ON f.file_id = p.file_id
) AS placed
WHERE place <= $most
ORDER BY account, path, row_no

-- name: proof_sums
SELECT
    account, count(*) AS row_count, count(contradiction) AS contradictions,
    list(DISTINCT (log_type, decided_by) ORDER BY (log_type, decided_by)) FILTER (WHERE decided_by IS NOT NULL) AS used
FROM proof
GROUP BY account
