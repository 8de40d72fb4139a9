-- Measuring what the judge needs, and keeping what it decided. Lookup tables pack_* are filled from the rule pack first.

-- name: pack_tables
CREATE OR REPLACE TEMP TABLE pack_codes (code VARCHAR PRIMARY KEY, accepted BOOLEAN, accepted_ropc BOOLEAN);
CREATE OR REPLACE TEMP TABLE pack_words (kind VARCHAR, value VARCHAR, word VARCHAR)

-- name: column_counts_table
CREATE OR REPLACE TABLE column_counts (
    log_type VARCHAR, field VARCHAR, applicable BIGINT, present BIGINT, type_names BIGINT, distinct_values BIGINT, top_value VARCHAR,
    top_raw VARCHAR, top_rows BIGINT, sum_k_ln_k DOUBLE, valid BIGINT
)

-- name: add_travel
INSERT INTO known_travel VALUES ($account, $country, CAST($begins AS TIMESTAMP), CAST($ends AS TIMESTAMP) + INTERVAL 1 DAY)

-- name: decided_by_access
SELECT count(*) FROM decisions WHERE decided_by = 'conditional_access_status'

-- name: has_table
SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND table_name = $name

-- name: table_names
SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()

-- name: log_rows
-- Rows of the logs whose logons are judged, in the order in which they are told.
SELECT log_type, row_count
FROM (
    SELECT 1 AS place, 'sign_in_logs' AS log_type, count(*) AS row_count FROM sign_in_logs
    UNION ALL
    SELECT 2 AS place, 'legacy_auth_logs' AS log_type, count(*) AS row_count FROM legacy_auth_logs
    UNION ALL
    SELECT 3 AS place, 'unified_audit_log' AS log_type, count(*) AS row_count FROM unified_audit_log
) AS counted
ORDER BY place

-- name: note
INSERT OR REPLACE INTO case_meta VALUES ($key, $value)

-- name: noted
SELECT value FROM case_meta WHERE key = $key

-- name: stamp
INSERT OR REPLACE INTO table_stamps SELECT unnest($names), $evidence, $context, $pack, $moment

-- name: stamps
SELECT table_name, evidence_digest, context_digest, pack_hash FROM table_stamps ORDER BY table_name

-- name: document_table
CREATE OR REPLACE TABLE case_document (document VARCHAR)

-- name: keep_document
INSERT INTO case_document VALUES ($document)

-- name: kept_document
SELECT document FROM case_document

-- name: logons
-- One narrow row for every logon of any log type, with its witnesses reduced to known words. `combo` names rows that say the same.
-- A country that is no two-letter code cannot be compared with a home and is unknown. `read_time` is the time as read; `event_time` is
-- NULL where the file leaves day and month open, so that nothing that turns on a time is concluded from it.
CREATE OR REPLACE TEMP MACRO is_type_name(text) AS (
    starts_with(ltrim(text), 'Microsoft.') OR starts_with(ltrim(text), 'System.') OR starts_with(ltrim(text), '@{')
    OR trim(text) = '[object Object]'
);
CREATE OR REPLACE TABLE logons AS
WITH raw AS (
    SELECT
        log_type, file_id, row_no, event_id, event_time, account, is_person, address, country, correlation_id, session_id,
        is_interactive, sign_in_event_type, client_app_used, authentication_protocol, user_agent, authentication_requirement,
        device_id, device_trust_type, browser, os,
        coalesce(status_error_code, status_error_code_copy) AS code,
        (status_error_code IS NOT NULL AND status_error_code_copy IS NOT NULL AND status_error_code <> status_error_code_copy) AS codes_differ,
        'status' AS word_kind, status AS word, conditional_access_status AS access,
        status_error_code_raw AS code_raw, status_raw AS word_raw, conditional_access_status_raw AS access_raw
    FROM (
        SELECT 'sign_in_logs' AS log_type, * FROM sign_in_logs
        UNION ALL
        SELECT 'legacy_auth_logs' AS log_type, * FROM legacy_auth_logs
    ) AS sign_ins
    UNION ALL
    SELECT
        'unified_audit_log' AS log_type, file_id, row_no, event_id, event_time, account, is_person, address, country, correlation_id, session_id,
        NULL AS is_interactive, NULL AS sign_in_event_type, NULL AS client_app_used, NULL AS authentication_protocol, user_agent,
        NULL AS authentication_requirement, NULL AS device_id, NULL AS device_trust_type, NULL AS browser, NULL AS os,
        error_number AS code, FALSE AS codes_differ, 'operation' AS word_kind, operation AS word, NULL AS access,
        error_number_raw AS code_raw, NULL AS word_raw, NULL AS access_raw
    FROM unified_audit_log
    WHERE is_logon
),
keyed AS (
    SELECT
        r.*,
        CASE
            WHEN r.code IS NULL THEN 'blank'
            WHEN NOT (r.code = '0' OR (length(r.code) BETWEEN 5 AND 10 AND trim(r.code, '0123456789') = '' AND NOT starts_with(r.code, '0')))
                THEN 'out-of-domain'
            WHEN c.code IS NULL THEN 'unknown-code'
            ELSE c.code
        END AS code_key,
        CASE WHEN r.code IS NULL AND is_type_name(r.code_raw) THEN 'type-name' END AS code_lost,
        CASE
            WHEN r.word IS NOT NULL THEN coalesce(w.word, 'out-of-domain')
            WHEN is_type_name(r.word_raw) THEN 'type-name'
            ELSE 'blank'
        END AS word_key,
        CASE
            WHEN r.access IS NOT NULL THEN coalesce(a.word, 'out-of-domain')
            WHEN is_type_name(r.access_raw) THEN 'type-name'
            ELSE 'blank'
        END AS access_key,
        coalesce(k.word, CASE WHEN r.log_type = 'legacy_auth_logs' THEN 'LEGACY' ELSE 'OTHER' END) AS client,
        CASE lower(r.authentication_requirement)
            WHEN 'singlefactorauthentication' THEN 'single' WHEN 'single-factor authentication' THEN 'single'
            WHEN 'multifactorauthentication' THEN 'multi' WHEN 'multifactor authentication' THEN 'multi' ELSE '' END AS factor,
        CASE
            WHEN contains(lower(r.sign_in_event_type), 'principal') THEN 'serviceprincipal'
            WHEN contains(lower(r.sign_in_event_type), 'managedidentity') THEN 'managedidentity'
            WHEN contains(lower(r.sign_in_event_type), 'noninteractive') OR r.is_interactive = FALSE THEN 'noninteractiveuser'
            WHEN lower(r.sign_in_event_type) IN ('interactiveuser', 'signinlogs') OR r.is_interactive THEN 'interactiveuser'
        END AS sign_in_type,
        (coalesce(c.accepted, FALSE) OR (coalesce(c.accepted_ropc, FALSE) AND lower(r.authentication_protocol) = 'ropc')) AS code_accepted
    FROM raw AS r
    LEFT JOIN pack_codes AS c ON c.code = r.code
    LEFT JOIN pack_words AS w ON w.kind = r.word_kind AND w.value = lower(trim(r.word))
    LEFT JOIN pack_words AS a ON a.kind = 'access' AND a.value = lower(trim(r.access))
    LEFT JOIN pack_words AS k ON k.kind = 'client' AND k.value = lower(trim(r.client_app_used))
)
SELECT
    log_type, keyed.file_id, row_no, event_id, keyed.event_time AS read_time,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN keyed.event_time END AS event_time, account, is_person, address,
    CASE WHEN length(country) = 2 THEN upper(country) END AS stated_country, correlation_id, session_id,
    sign_in_type, coalesce(sign_in_type = 'interactiveuser', TRUE) AS interactive,
    client <> 'OTHER' AS legacy_client,
    (lower(coalesce(authentication_protocol, '')) = 'ropc' OR coalesce(user_agent, '') IN ('BAV2ROPC', 'CBAinPROD', 'CBAinTAR')) AS password_grant,
    device_id, device_trust_type,
    nullif(trim(lower(trim(browser, ' 0123456789.')), ' '), '') AS browser_family,
    nullif(lower(trim(os)), '') AS os,
    code, code_accepted, word, access, code_key,
    concat_ws('|', coalesce(code_lost, code_key), word_key, access_key, client, factor, codes_differ::INTEGER) AS combo
FROM keyed
LEFT JOIN (SELECT file_id, date_order FROM files) AS f ON f.file_id = keyed.file_id

-- name: witness_days
-- Logons counted by what their witnesses say, by file, type of sign-in and day; no day where nothing may turn on the time.
CREATE OR REPLACE TABLE witness_days AS
SELECT log_type, file_id, sign_in_type, CAST(event_time AS DATE) AS day, combo, count(*) AS row_count
FROM logons
GROUP BY log_type, file_id, sign_in_type, CAST(event_time AS DATE), combo

-- name: sightings
SELECT log_type, file_id, sign_in_type, day, combo, row_count
FROM witness_days
ORDER BY log_type, file_id, sign_in_type, day, combo

-- name: absent_witnesses
-- Files that have no column for a witness, by log type.
SELECT p.log_type, p.file_id, p.field
FROM field_provenance AS p
WHERE p.provenance = 'absent' AND p.field IN (SELECT unnest($witnesses))

-- name: columns_of
SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = 'main' AND table_name = $name

-- name: files_by_log
SELECT w.log_type, list(DISTINCT f.path ORDER BY f.path) AS paths
FROM witness_days AS w
JOIN files AS f ON f.file_id = w.file_id
GROUP BY w.log_type

-- name: log_paths
SELECT file_id, path FROM files

-- name: row_parts
CREATE OR REPLACE TEMP TABLE row_parts (log_type VARCHAR, file_id INTEGER, sign_in_type VARCHAR, day DATE, part VARCHAR)

-- name: mark_parts
-- Rows on which a witness is not heard as elsewhere carry the name of their part at the end of their combo.
UPDATE logons SET combo = concat(logons.combo, '|', p.part)
FROM row_parts AS p
WHERE p.log_type = logons.log_type AND p.file_id = logons.file_id AND p.sign_in_type IS NOT DISTINCT FROM logons.sign_in_type
  AND p.day IS NOT DISTINCT FROM CAST(logons.event_time AS DATE)

-- name: combos
SELECT log_type, combo, count(*) AS row_count
FROM logons
GROUP BY log_type, combo
ORDER BY log_type, combo

-- name: decisions_table
CREATE OR REPLACE TABLE decisions (
    log_type VARCHAR, combo VARCHAR, outcome VARCHAR, confidence VARCHAR, decided_by VARCHAR, witnesses VARCHAR,
    contradiction VARCHAR, accepted BOOLEAN, unknown_code BOOLEAN, firm BOOLEAN, open_field VARCHAR
)

-- name: address_countries
-- The country of an address: the only one it was seen in, else the one with most of its rows over enough days, else unknown.
CREATE OR REPLACE TABLE address_countries AS
WITH seen AS (
    SELECT address, stated_country AS country, count(*) AS row_count, count(DISTINCT CAST(read_time AS DATE)) AS days
    FROM logons
    WHERE address IS NOT NULL AND stated_country IS NOT NULL
    GROUP BY address, stated_country
),
totals AS (
    SELECT address, count(*) AS countries, sum(row_count) AS all_rows FROM seen GROUP BY address
),
ranked AS (
    SELECT
        s.address, s.country, s.row_count, s.days, t.countries, t.all_rows,
        row_number() OVER (PARTITION BY s.address ORDER BY s.row_count DESC, s.country) AS place
    FROM seen AS s JOIN totals AS t ON t.address = s.address
)
SELECT
    address, countries,
    CASE WHEN countries = 1 OR (row_count >= $share * all_rows AND days >= $days) THEN country END AS country,
    all_rows
FROM ranked
WHERE place = 1

-- name: judged
-- Every logon with its outcome and the country it is judged by. Copies of sign-ins in a legacy export, and logons of the audit log beside
-- a sign-in log, stay out of the case totals (`counted`). A legacy success is a copy only of a success: where the sign-in tells something
-- else it is another event, or else a success would be lost with it.
CREATE OR REPLACE TABLE judged AS
WITH totals AS (
    SELECT count(*) FILTER (WHERE log_type = 'sign_in_logs') AS sign_ins FROM logons
),
copies AS (
    SELECT DISTINCT l.file_id, l.row_no
    FROM logons AS l
    JOIN decisions AS ld ON ld.log_type = l.log_type AND ld.combo = l.combo
    JOIN logons AS s
        ON s.log_type = 'sign_in_logs' AND s.account = l.account AND s.read_time = l.read_time
        AND s.address IS NOT DISTINCT FROM l.address
    JOIN decisions AS sd ON sd.log_type = s.log_type AND sd.combo = s.combo
    WHERE l.log_type = 'legacy_auth_logs' AND (ld.outcome <> 'SUCCESS' OR sd.outcome = 'SUCCESS')
)
SELECT
    l.log_type, l.file_id, l.row_no, l.event_id, l.read_time, l.event_time, l.account, l.is_person, l.address, l.stated_country,
    CASE
        WHEN u.row_no IS NOT NULL THEN u.country
        WHEN a.countries > 1 THEN a.country
        ELSE coalesce(l.stated_country, a.country, p.country)
    END AS country,
    l.correlation_id, l.session_id, l.interactive, l.sign_in_type, l.legacy_client, l.password_grant,
    l.device_id, l.device_trust_type, l.browser_family, l.os, l.code, l.code_key,
    d.outcome, d.confidence, d.decided_by, d.witnesses, d.contradiction, d.firm, d.unknown_code, d.open_field,
    CASE d.open_field
        WHEN 'status_error_code' THEN l.code WHEN 'error_number' THEN l.code
        WHEN 'conditional_access_status' THEN l.access WHEN 'status' THEN l.word WHEN 'operation' THEN l.word
    END AS open_value,
    (d.accepted OR (l.code_accepted AND d.decided_by IN ('status_error_code', 'error_number'))) AS accepted,
    CASE l.log_type
        WHEN 'sign_in_logs' THEN TRUE
        WHEN 'legacy_auth_logs' THEN c.row_no IS NULL
        ELSE (SELECT sign_ins FROM totals) = 0
    END AS counted
FROM logons AS l
JOIN decisions AS d ON d.log_type = l.log_type AND d.combo = l.combo
LEFT JOIN address_countries AS a ON a.address = l.address
LEFT JOIN address_places AS p ON p.address = l.address
LEFT JOIN unplaced AS u ON u.log_type = l.log_type AND u.file_id = l.file_id AND u.row_no = l.row_no
LEFT JOIN copies AS c ON c.file_id = l.file_id AND c.row_no = l.row_no

-- name: window
SELECT min(read_time), max(read_time) FROM judged WHERE counted

-- name: success_countries
-- Where each account succeeded: rows, distinct days and when first; rows without a time count no day.
CREATE OR REPLACE TEMP TABLE success_countries AS
SELECT account, country, count(*) AS row_count, count(DISTINCT CAST(read_time AS DATE)) AS days, min(read_time) AS first_seen
FROM judged
WHERE counted AND outcome = 'SUCCESS' AND account IS NOT NULL AND country IS NOT NULL
GROUP BY account, country

-- name: modal_countries
-- For each country the accounts whose modal success country it is (by days, then rows, then first seen), all accounts with one, and on how
-- many days each of its accounts succeeded there, added up.
WITH ranked AS (
    SELECT account, country, days, row_number() OVER (PARTITION BY account ORDER BY days DESC, row_count DESC, first_seen, country) AS place
    FROM success_countries
)
SELECT country, count(*) AS accounts, sum(count(*)) OVER () AS all_accounts, sum(greatest(days, 1)) AS account_days
FROM ranked
WHERE place = 1
GROUP BY country
ORDER BY country

-- name: own_homes
-- An account's own home: enough success days there, at least half of its success days, first seen early in the window.
CREATE OR REPLACE TABLE own_homes AS
WITH days AS (
    SELECT account, count(DISTINCT CAST(read_time AS DATE)) AS all_days
    FROM judged
    WHERE counted AND outcome = 'SUCCESS' AND account IS NOT NULL AND country IS NOT NULL
    GROUP BY account
)
SELECT s.account, s.country
FROM success_countries AS s
JOIN days AS d ON d.account = s.account
WHERE s.days >= $own_days AND s.days >= $own_share * d.all_days AND s.first_seen <= CAST($baseline_end AS TIMESTAMP)

-- name: context_tables
CREATE OR REPLACE TEMP TABLE case_homes (country VARCHAR);
CREATE OR REPLACE TEMP TABLE known_travel (account VARCHAR, country VARCHAR, begins TIMESTAMP, ends TIMESTAMP);
CREATE OR REPLACE TEMP TABLE known_egress (address VARCHAR);
CREATE OR REPLACE TEMP TABLE known_bad (address VARCHAR)

-- name: distinct_addresses
SELECT DISTINCT address FROM judged WHERE address IS NOT NULL

-- name: flow_starts
-- Where flows begin: per account and correlation id the first row, and then each row more than the flow's length after the last beginning.
CREATE OR REPLACE TEMP TABLE flow_starts AS
WITH groups AS (
    SELECT account, correlation_id, list(read_time ORDER BY read_time) AS times
    FROM judged
    WHERE counted AND account IS NOT NULL AND correlation_id IS NOT NULL AND read_time IS NOT NULL
    GROUP BY account, correlation_id
    HAVING count(*) > 1
),
folded AS (
    SELECT
        account, correlation_id,
        CASE
            WHEN times[-1] <= times[1] + to_minutes(CAST($minutes AS INTEGER)) THEN [times[1]]
            ELSE list_reduce(
                list_transform(times, lambda t: [t]),
                lambda starts, t: CASE WHEN t[1] > starts[-1] + to_minutes(CAST($minutes AS INTEGER)) THEN list_append(starts, t[1]) ELSE starts END
            )
        END AS starts
    FROM groups
)
SELECT account, correlation_id, starts FROM folded

-- name: travelled
-- Rows that a known journey explains, each once however many entries name it.
CREATE OR REPLACE TEMP TABLE travelled AS
SELECT DISTINCT j.file_id, j.row_no
FROM judged AS j
JOIN known_travel AS t ON t.account = j.account AND t.country = j.country AND j.read_time >= t.begins AND j.read_time < t.ends

-- name: events
-- The adjudicated events: outcome, flow, and whether the row is foreign to its own account's home.
CREATE OR REPLACE TABLE events AS
WITH home AS (SELECT count(*) AS tenant FROM case_homes)
SELECT
    j.*,
    CASE j.outcome
        WHEN 'SUCCESS' THEN 'SUCCESS'
        WHEN 'BLOCKED_AFTER_FIRST_FACTOR' THEN 'FAILURE' WHEN 'REJECTED' THEN 'FAILURE'
        WHEN 'NOT_EVALUATED' THEN 'FAILURE' WHEN 'NOT_GRANTED' THEN 'FAILURE'
        ELSE 'UNKNOWN'
    END AS normalized_status,
    (
        j.counted AND j.country IS NOT NULL AND j.account IS NOT NULL
        AND ((SELECT tenant FROM home) > 0 OR o_any.account IS NOT NULL)
        AND c.country IS NULL AND o.account IS NULL AND e.address IS NULL AND t.row_no IS NULL
    ) AS is_foreign,
    CASE WHEN j.counted THEN
        CASE
            WHEN f.starts IS NULL OR j.read_time IS NULL THEN concat('r', j.file_id, '-', j.row_no)
            ELSE concat(
                'c', j.account, '|', j.correlation_id, '|',
                CASE WHEN len(f.starts) = 1 THEN 1 ELSE len(list_filter(f.starts, lambda s: s <= j.read_time)) END
            )
        END
    END AS flow_id
FROM judged AS j
LEFT JOIN case_homes AS c ON c.country = j.country
LEFT JOIN own_homes AS o ON o.account = j.account AND o.country = j.country
LEFT JOIN (SELECT DISTINCT account FROM own_homes) AS o_any ON o_any.account = j.account
LEFT JOIN known_egress AS e ON e.address = j.address
LEFT JOIN travelled AS t ON t.file_id = j.file_id AND t.row_no = j.row_no
LEFT JOIN flow_starts AS f ON f.account = j.account AND f.correlation_id = j.correlation_id

-- name: suspected_copies
-- Rows without an id that tell of an event which a file of another format tells with its id. Nothing proves it, so they stay rows; they
-- begin no flow of their own, or one attempt would count as two. A success is a copy only of a success.
CREATE OR REPLACE TEMP TABLE suspected_copies AS
SELECT DISTINCT e.file_id, e.row_no
FROM events AS e
JOIN files AS f ON f.file_id = e.file_id
JOIN events AS s
    ON s.account = e.account AND s.address = e.address AND date_trunc('second', s.read_time) = date_trunc('second', e.read_time)
    AND s.event_id IS NOT NULL AND s.counted AND s.log_type = e.log_type AND (e.outcome <> 'SUCCESS' OR s.outcome = 'SUCCESS')
JOIN files AS g ON g.file_id = s.file_id AND g.format <> f.format
WHERE e.counted AND e.event_id IS NULL AND e.log_type = 'sign_in_logs'

-- name: suspected_overlap
-- How many rows those are, and the formats that tell them without an id.
SELECT count(*) AS row_count, string_agg(DISTINCT f.format, ', ' ORDER BY f.format) AS formats
FROM suspected_copies AS c JOIN files AS f ON f.file_id = c.file_id

-- name: flows
-- One attempt each: a success if any row is one, else its last failure, else what its rows leave open.
CREATE OR REPLACE TABLE flows AS
WITH ranked AS (
    SELECT
        *,
        CASE outcome
            WHEN 'SUCCESS' THEN 4
            WHEN 'BLOCKED_AFTER_FIRST_FACTOR' THEN 3 WHEN 'REJECTED' THEN 3 WHEN 'NOT_EVALUATED' THEN 3 WHEN 'NOT_GRANTED' THEN 3
            WHEN 'CONFLICT' THEN 2 WHEN 'UNKNOWN' THEN 1 ELSE 0
        END AS weight
    FROM events
    WHERE counted AND (file_id, row_no) NOT IN (SELECT (file_id, row_no) FROM suspected_copies)
),
chosen AS (
    SELECT
        flow_id, count(*) AS row_count, min(read_time) AS first_time, max(read_time) AS last_time,
        arg_max(
            struct_pack(
                log_type := log_type, file_id := file_id, row_no := row_no, account := account, address := address, country := country,
                outcome := outcome, is_foreign := is_foreign, interactive := interactive, event_time := event_time
            ),
            struct_pack(
                w := weight,
                t := coalesce(CASE WHEN weight = 4 THEN -epoch_us(read_time) ELSE epoch_us(read_time) END, 0),
                f := -file_id, r := -row_no
            )
        ) AS pick
    FROM ranked
    GROUP BY flow_id
)
SELECT
    flow_id, row_count, first_time, last_time, pick.log_type AS log_type, pick.file_id AS file_id, pick.row_no AS row_no,
    pick.account AS account, pick.address AS address, pick.country AS country, pick.outcome AS outcome, pick.is_foreign AS is_foreign,
    pick.interactive AS interactive, pick.event_time AS event_time,
    pick.outcome IN ('SUCCESS', 'BLOCKED_AFTER_FIRST_FACTOR', 'REJECTED', 'NOT_EVALUATED', 'NOT_GRANTED') AS is_attempt
FROM chosen

-- name: normalized_view
CREATE OR REPLACE VIEW v_normalized_status AS
SELECT
    concat(log_type, ':', file_id, ':', row_no) AS log_id,
    log_type,
    CASE WHEN log_type = 'unified_audit_log' THEN 'logon' WHEN legacy_client THEN 'legacy_sign_in' ELSE coalesce(sign_in_type, 'sign_in') END AS event_type,
    normalized_status,
    read_time AS timestamp,
    account AS user_id,
    country AS location_country
FROM events

-- name: normalized_table
-- The view's rows as a table in the order of its index, for those who ask one generation very often. No run makes it.
CREATE OR REPLACE TABLE normalized_status_materialized AS
SELECT * FROM v_normalized_status ORDER BY normalized_status, timestamp;
CREATE INDEX normalized_status_materialized_index ON normalized_status_materialized (normalized_status, timestamp)
