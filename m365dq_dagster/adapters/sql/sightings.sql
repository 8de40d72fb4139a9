-- Looking up what stands in the evidence: every value of a watched field with its rows, and whether the rule pack knows it.

-- name: tables
CREATE OR REPLACE TEMP TABLE known_values (log_type VARCHAR, field VARCHAR, word VARCHAR, value VARCHAR);
CREATE OR REPLACE TEMP TABLE read_values (
    log_type VARCHAR, field VARCHAR, source VARCHAR, fold VARCHAR, file_id INTEGER, value VARCHAR, row_count BIGINT, first_event TIMESTAMP,
    last_event TIMESTAMP, known BOOLEAN, well_formed BOOLEAN
)

-- name: columns
SELECT table_name, column_name
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND table_name IN (SELECT unnest($tables))

-- name: witness_values
-- What the witnesses of logons say, as the judge read it: a code is known where it was found, a word where its spelling is.
INSERT INTO read_values
SELECT
    log_type, CASE WHEN log_type = 'unified_audit_log' THEN 'error_number' ELSE 'status_error_code' END AS field, field AS source, 'word', file_id,
    code, sum(row_count), min(first_event), max(last_event), code_key NOT IN ('unknown-code', 'out-of-domain') AS known,
    code_key <> 'out-of-domain' AS well_formed
FROM said
WHERE code IS NOT NULL
GROUP BY log_type, file_id, code, code_key
UNION ALL
SELECT
    log_type, CASE WHEN log_type = 'unified_audit_log' THEN 'operation_login' ELSE 'status' END AS field,
    CASE WHEN log_type = 'unified_audit_log' THEN 'operation' ELSE 'status' END AS source, 'word', file_id,
    word, sum(row_count), min(first_event), max(last_event), NULL, FALSE
FROM said
WHERE word IS NOT NULL
GROUP BY log_type, file_id, word
UNION ALL
SELECT
    log_type, 'conditional_access_status' AS field, field AS source, 'word', file_id, access, sum(row_count), min(first_event), max(last_event),
    NULL, FALSE
FROM said
WHERE access IS NOT NULL
GROUP BY log_type, file_id, access

-- name: value_sightings
-- Every value once a field: those that are known under the rule pack's spelling, of the others the `$most` commonest and the rest as one.
-- Nothing that turns on a time is concluded from a file that leaves day and month open.
CREATE OR REPLACE TABLE value_sightings AS
WITH spelled AS (
    SELECT
        *,
        CASE fold
            WHEN 'name' THEN rtrim(lower(trim(regexp_replace(replace(replace(value, '–', '-'), '—', '-'), '\s+', ' ', 'g'))), '. ')
            WHEN 'letters' THEN translate(lower(trim(value)), ' -_.''"[]', '')
            ELSE lower(trim(value))
        END AS word
    FROM read_values
    WHERE trim(value) <> ''
),
looked_up AS (
    SELECT
        s.log_type, s.field, s.source, s.file_id, coalesce(s.known, k.word IS NOT NULL) AS known, s.well_formed, s.row_count,
        coalesce(k.value, left(trim(s.value), CAST($cut AS INTEGER))) AS value,
        CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN s.first_event END AS first_event,
        CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN s.last_event END AS last_event
    FROM spelled AS s
    LEFT JOIN known_values AS k ON k.log_type = s.log_type AND k.field = s.field AND k.word = s.word AND s.known IS NULL
    LEFT JOIN (SELECT file_id, date_order FROM files) AS f ON f.file_id = s.file_id
),
counted AS (
    SELECT
        log_type, field, source, known, well_formed, value, sum(row_count) AS row_count, min(first_event) AS first_event,
        max(last_event) AS last_event, list(DISTINCT file_id) AS files
    FROM looked_up
    GROUP BY log_type, field, source, known, well_formed, value
),
placed AS (
    SELECT
        *, row_number() OVER (PARTITION BY log_type, field, known, well_formed ORDER BY value = $rest, row_count DESC, value) AS place
    FROM counted
)
SELECT
    log_type, field, source, known, well_formed, CASE WHEN known OR (place <= $most AND value <> $rest) THEN value ELSE $rest END AS value,
    CAST(sum(row_count) AS BIGINT) AS row_count, count(*) AS value_count, min(first_event) AS first_event, max(last_event) AS last_event,
    list_sort(list_distinct(flatten(list(files)))) AS files
FROM placed
GROUP BY ALL

-- name: sighted
-- What was looked up, the commonest first, with where each file says that it has the field from.
SELECT
    v.log_type, v.field, v.value, v.row_count, v.known, v.value_count, v.first_event, v.last_event, v.well_formed,
    coalesce(
        (
            SELECT list(DISTINCT p.provenance ORDER BY p.provenance)
            FROM field_provenance AS p
            WHERE list_contains(v.files, p.file_id) AND p.log_type = v.log_type AND p.field = v.source
        ),
        []
    ) AS origins
FROM value_sightings AS v
WHERE $all OR NOT v.known
ORDER BY v.row_count DESC, v.log_type, v.field, v.value, v.well_formed

-- name: left_open
-- What was decided that leaves a field open.
SELECT count(*) FROM decided WHERE open_field IS NOT NULL

-- name: open_values
-- The unknown values that left logons open: by account, and of the whole case under no name where `$whole`. Copies in another export count once.
SELECT account, log_type, field, CASE WHEN place <= $most AND value <> $rest THEN value ELSE $rest END AS value, CAST(sum(row_count) AS BIGINT) AS row_count
FROM (
    SELECT *, row_number() OVER (PARTITION BY account ORDER BY value = $rest, row_count DESC, log_type, field, value) AS place
    FROM (
        SELECT
            CASE WHEN NOT $whole THEN account END AS account, log_type,
            CASE WHEN open_field = 'operation' THEN 'operation_login' ELSE open_field END AS field,
            left(trim(open_value), CAST($cut AS INTEGER)) AS value, count(*) AS row_count
        FROM events
        WHERE open_field IS NOT NULL AND (counted OR log_type = 'unified_audit_log') AND ($whole OR account IS NOT NULL)
        GROUP BY ALL
    ) AS counted
) AS placed
GROUP BY ALL
ORDER BY account, row_count DESC, log_type, field, value

-- name: forget
DROP TABLE read_values;
DROP TABLE known_values
