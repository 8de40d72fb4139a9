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
-- Whether a table or a view of that name is there.
SELECT count(*)
FROM (
    SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND table_name = $name
    UNION ALL
    SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND view_name = $name
) AS found

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

-- name: outgrown
-- Tables of an earlier version that are views by now.
SELECT table_name FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND table_name IN ('logons', 'decisions', 'judged', 'events', 'flows')

-- name: logons
-- The rows of `adapters.sql.logons` with their witnesses reduced to known words, as a view: reading the columns again costs less than writing them once more.
-- `combo` names rows that say the same. `read_time` is the time as read; `event_time` is NULL where the file leaves day and month open, so
-- that nothing that turns on a time is concluded from it. Rows on which a witness is not heard as elsewhere carry the name of their part at
-- the end of their combo.
CREATE OR REPLACE TEMP MACRO is_type_name(text) AS (
    starts_with(ltrim(text), 'Microsoft.') OR starts_with(ltrim(text), 'System.') OR starts_with(ltrim(text), '@{')
    OR trim(text) = '[object Object]'
);
CREATE OR REPLACE TEMP VIEW logons AS
WITH keyed AS (
    SELECT
        r.*,
        CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN r.read_time END AS event_time,
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
        CASE r.requirement
            WHEN 'singlefactorauthentication' THEN 'single' WHEN 'single-factor authentication' THEN 'single'
            WHEN 'multifactorauthentication' THEN 'multi' WHEN 'multifactor authentication' THEN 'multi' ELSE '' END AS factor,
        (coalesce(c.accepted, FALSE) OR (coalesce(c.accepted_ropc, FALSE) AND r.protocol = 'ropc')) AS code_accepted
    FROM logon_rows AS r
    LEFT JOIN pack_codes AS c ON c.code = r.code
    LEFT JOIN pack_words AS w ON w.kind = r.word_kind AND w.value = lower(trim(r.word))
    LEFT JOIN pack_words AS a ON a.kind = 'access' AND a.value = lower(trim(r.access))
    LEFT JOIN pack_words AS k ON k.kind = 'client' AND k.value = r.client_word
    LEFT JOIN (SELECT file_id, date_order FROM files) AS f ON f.file_id = r.file_id
)
SELECT
    k.log_type, k.file_id, k.row_no, k.event_id, k.read_time, k.event_time, k.account, k.is_person, k.address, k.stated_country,
    k.correlation_id, k.session_id, k.sign_in_type, coalesce(k.sign_in_type = 'interactiveuser', TRUE) AS interactive,
    k.client <> 'OTHER' AS legacy_client,
    (coalesce(k.protocol, '') = 'ropc' OR coalesce(k.user_agent, '') IN ('BAV2ROPC', 'CBAinPROD', 'CBAinTAR')) AS password_grant,
    k.device_id, (k.device_id IS NOT NULL OR (k.browser_family IS NOT NULL AND k.os IS NOT NULL)) AS names_device,
    k.code, k.code_accepted, k.word, k.access, k.code_key,
    concat_ws(
        '|', coalesce(k.code_lost, k.code_key), k.word_key, k.access_key, k.client, k.factor, CAST(k.codes_differ AS INTEGER), p.part
    ) AS combo
FROM keyed AS k
LEFT JOIN row_parts AS p
    ON p.log_type = k.log_type AND p.file_id = k.file_id AND p.sign_in_type IS NOT DISTINCT FROM k.sign_in_type
    AND p.day IS NOT DISTINCT FROM CAST(k.event_time AS DATE)

-- name: said
-- What the witnesses of logons say, counted in the one pass that reads them.
CREATE OR REPLACE TEMP TABLE said AS
SELECT
    log_type, file_id, sign_in_type, CAST(event_time AS DATE) AS day, combo, code, code_key, word, access, count(*) AS row_count,
    min(event_time) AS first_event, max(event_time) AS last_event
FROM logons
GROUP BY log_type, file_id, sign_in_type, CAST(event_time AS DATE), combo, code, code_key, word, access

-- name: witness_days
-- Logons counted by what their witnesses say, by file, type of sign-in and day; no day where nothing may turn on the time.
CREATE OR REPLACE TABLE witness_days AS
SELECT log_type, file_id, sign_in_type, day, combo, CAST(sum(row_count) AS BIGINT) AS row_count
FROM said
GROUP BY log_type, file_id, sign_in_type, day, combo

-- name: sightings
SELECT log_type, file_id, sign_in_type, day, combo, row_count
FROM witness_days
ORDER BY log_type, file_id, sign_in_type, day, combo

-- name: absent_witnesses
-- Files that have no column for a witness, by log type.
SELECT p.log_type, p.file_id, p.field
FROM field_provenance AS p
WHERE p.provenance = 'absent' AND list_contains($witnesses, p.field)

-- name: columns_of
SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = 'main' AND table_name = $name

-- name: columns_of_tables
SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal

-- name: files_by_log
SELECT w.log_type, list(DISTINCT f.path ORDER BY f.path) AS paths
FROM witness_days AS w
JOIN files AS f ON f.file_id = w.file_id
GROUP BY w.log_type

-- name: log_paths
SELECT file_id, path FROM files

-- name: row_parts
-- The parts of a log on which a witness is not heard as elsewhere, by file, type of sign-in and day.
CREATE OR REPLACE TABLE row_parts (log_type VARCHAR, file_id INTEGER, sign_in_type VARCHAR, day DATE, part VARCHAR)

-- name: combos
SELECT w.log_type, concat_ws('|', w.combo, p.part) AS combo, CAST(sum(w.row_count) AS BIGINT) AS row_count
FROM witness_days AS w
LEFT JOIN row_parts AS p
    ON p.log_type = w.log_type AND p.file_id = w.file_id AND p.sign_in_type IS NOT DISTINCT FROM w.sign_in_type
    AND p.day IS NOT DISTINCT FROM w.day
GROUP BY w.log_type, concat_ws('|', w.combo, p.part)
ORDER BY log_type, combo

-- name: decisions_table
-- What was decided on rows that say the same, by number and by what they say.
CREATE OR REPLACE TABLE decided (
    decision INTEGER, log_type VARCHAR, combo VARCHAR, outcome VARCHAR, confidence VARCHAR, decided_by VARCHAR, witnesses VARCHAR,
    contradiction VARCHAR, accepted BOOLEAN, unknown_code BOOLEAN, firm BOOLEAN, open_field VARCHAR
);
CREATE OR REPLACE VIEW decisions AS
SELECT
    log_type, combo, outcome, confidence, decided_by, witnesses, contradiction, accepted, unknown_code, firm, open_field
FROM decided

-- name: address_countries
-- The country of an address: the only one it was seen in, else the one with most of its rows over enough days, else unknown.
CREATE OR REPLACE TABLE address_countries AS
WITH seen AS (
    SELECT address, stated_country AS country, count(*) AS row_count, count(DISTINCT CAST(read_time AS DATE)) AS days
    FROM logon_rows
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

-- name: copies
CREATE OR REPLACE TEMP TABLE copies (file_id INTEGER, row_no BIGINT)

-- name: find_copies
-- Rows of a legacy export that tell a sign-in again. A legacy success is a copy only of a success: where the sign-in tells something else it
-- is another event, or else a success would be lost with it.
INSERT INTO copies
SELECT DISTINCT l.file_id, l.row_no
FROM logons AS l
JOIN decisions AS ld ON ld.log_type = l.log_type AND ld.combo = l.combo
JOIN (
    SELECT s.account, s.read_time, s.address, max(CASE WHEN sd.outcome = 'SUCCESS' THEN 1 ELSE 0 END) AS entered
    FROM logons AS s
    JOIN decisions AS sd ON sd.log_type = s.log_type AND sd.combo = s.combo
    WHERE s.log_type = 'sign_in_logs' AND s.account IN (SELECT account FROM logon_rows WHERE log_type = 'legacy_auth_logs')
    GROUP BY s.account, s.read_time, s.address
) AS t ON t.account = l.account AND t.read_time = l.read_time AND t.address IS NOT DISTINCT FROM l.address
WHERE l.log_type = 'legacy_auth_logs' AND (ld.outcome <> 'SUCCESS' OR t.entered = 1)

-- name: counted_logons
-- Every logon, and whether it counts: copies of sign-ins in a legacy export, and logons of the audit log beside a sign-in log, stay out of
-- the case totals.
CREATE OR REPLACE TEMP VIEW counted_logons AS
SELECT
    l.*,
    CASE l.log_type
        WHEN 'sign_in_logs' THEN TRUE
        WHEN 'legacy_auth_logs' THEN c.row_no IS NULL
        ELSE (SELECT count(*) FROM sign_in_logs) = 0
    END AS counted
FROM logons AS l
LEFT JOIN copies AS c ON c.file_id = l.file_id AND c.row_no = l.row_no

-- name: placed
-- Every logon with what was decided on it and the country it is judged by.
CREATE OR REPLACE TEMP VIEW placed AS
SELECT
    l.*,
    CASE
        WHEN u.row_no IS NOT NULL THEN u.country
        WHEN a.countries > 1 THEN a.country
        ELSE coalesce(l.stated_country, a.country, p.country)
    END AS country,
    d.decision, d.outcome, d.confidence, d.decided_by,
    (d.accepted OR (l.code_accepted AND d.decided_by IN ('status_error_code', 'error_number'))) AS accepted
FROM counted_logons AS l
JOIN decided AS d ON d.log_type = l.log_type AND d.combo = l.combo
LEFT JOIN address_countries AS a ON a.address = l.address
LEFT JOIN address_places AS p ON p.address = l.address
LEFT JOIN unplaced AS u ON u.log_type = l.log_type AND u.file_id = l.file_id AND u.row_no = l.row_no

-- name: corroborated
CREATE OR REPLACE TEMP TABLE corroborated (log_type VARCHAR, file_id INTEGER, row_no BIGINT)

-- name: window
-- First and last moment of the counted logons. What is left out as a copy stands at the moment of a sign-in that counts.
SELECT min(read_time), max(read_time) FROM logon_rows
WHERE log_type <> 'unified_audit_log' OR (SELECT count(*) FROM sign_in_logs) = 0

-- name: success_days
-- Where each account succeeded on each day; rows without a time stand under no day.
CREATE OR REPLACE TEMP TABLE success_days AS
SELECT account, country, CAST(read_time AS DATE) AS day, count(*) AS row_count, min(read_time) AS first_seen
FROM placed
WHERE counted AND outcome = 'SUCCESS' AND account IS NOT NULL AND country IS NOT NULL
GROUP BY account, country, CAST(read_time AS DATE)

-- name: success_countries
-- The same over all days: rows, distinct days and when first.
CREATE OR REPLACE TEMP TABLE success_countries AS
SELECT account, country, CAST(sum(row_count) AS BIGINT) AS row_count, count(day) AS days, min(first_seen) AS first_seen
FROM success_days
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
    SELECT account, count(DISTINCT day) AS all_days FROM success_days GROUP BY account
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
SELECT DISTINCT address FROM logons WHERE address IS NOT NULL

-- name: repeats
-- Whether an identifier may stand on several logons: not where one log alone is judged and its profile counts no value twice.
SELECT
    (SELECT count(DISTINCT log_type) FROM witness_days) <> 1
    OR coalesce((
        SELECT max(c.top_rows) > 1 AND max(c.present) > 0 FROM column_counts AS c
        WHERE c.field = $field AND c.log_type IN (SELECT log_type FROM witness_days)
    ), TRUE)

-- name: shared_ids_tables
CREATE OR REPLACE TEMP TABLE shared_ids (account VARCHAR, correlation_id VARCHAR, several_flows BOOLEAN);
CREATE OR REPLACE TEMP TABLE flow_numbers (account VARCHAR, correlation_id VARCHAR, read_time TIMESTAMP, flow_number BIGINT)

-- name: shared_ids
-- Account and correlation id that stand on several rows, and whether these reach further than the length of one flow.
INSERT INTO shared_ids
SELECT account, correlation_id, max(read_time) > min(read_time) + to_minutes(CAST($minutes AS INTEGER)) AS several_flows
FROM counted_logons
WHERE counted AND account IS NOT NULL AND correlation_id IS NOT NULL AND read_time IS NOT NULL
GROUP BY account, correlation_id
HAVING count(*) > 1

-- name: long_ids
-- Those that reach further, by number, and how many they are.
CREATE OR REPLACE TEMP TABLE long_ids AS
SELECT account, correlation_id, row_number() OVER (ORDER BY account, correlation_id) AS id FROM shared_ids WHERE several_flows;
SELECT count(*) FROM long_ids

-- name: flow_steps
-- Their distinct moments. A flow begins at the first one and wherever a pause is longer than a flow, whatever came before. `leads_to` is the
-- moment at which the next flow begins if one begins here, empty where a pause comes first: of the moments of a stretch without such a pause
-- and the ends of the flows that might begin there, read backwards, the last moment that was passed.
CREATE OR REPLACE TEMP TABLE flow_steps AS
WITH moments AS (
    SELECT DISTINCT i.id, l.read_time
    FROM counted_logons AS l
    JOIN long_ids AS i ON i.account = l.account AND i.correlation_id = l.correlation_id
    WHERE l.counted AND l.read_time IS NOT NULL
),
paused AS (
    SELECT id, read_time, lag(read_time) OVER (PARTITION BY id ORDER BY read_time) AS before FROM moments
),
marked AS (
    SELECT id, read_time, CASE WHEN read_time <= before + to_minutes(CAST($minutes AS INTEGER)) THEN 0 ELSE 1 END AS pause FROM paused
),
stretches AS (
    SELECT
        id, read_time, pause,
        sum(pause) OVER (PARTITION BY id ORDER BY read_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS stretch
    FROM marked
),
passed AS (
    SELECT id, stretch, pause, read_time AS at_time, read_time AS passes, CAST(NULL AS TIMESTAMP) AS ends_from FROM stretches
    UNION ALL
    SELECT id, stretch, pause, read_time + to_minutes(CAST($minutes AS INTEGER)) AS at_time, CAST(NULL AS TIMESTAMP) AS passes,
           read_time AS ends_from
    FROM stretches
),
followed AS (
    SELECT
        id, pause, ends_from,
        min(passes) OVER (
            PARTITION BY id, stretch ORDER BY at_time DESC, CASE WHEN ends_from IS NULL THEN 1 ELSE 0 END
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS leads_to
    FROM passed
)
SELECT id, ends_from AS read_time, pause = 1 AS begins, leads_to FROM followed WHERE ends_from IS NOT NULL

-- name: open_steps
-- How many flows begin from which the next is still to be found.
SELECT count(*) FROM flow_steps WHERE begins AND leads_to IS NOT NULL

-- name: leap
-- What a flow's beginning leads to is a beginning too; from then on every moment leads twice as far, so that a chain of a million flows is
-- followed in twenty leaps.
CREATE OR REPLACE TEMP TABLE flow_steps AS
SELECT s.id, s.read_time, s.begins OR r.leads_to IS NOT NULL AS begins, n.leads_to
FROM flow_steps AS s
LEFT JOIN flow_steps AS n ON n.id = s.id AND n.read_time = s.leads_to
LEFT JOIN (SELECT DISTINCT id, leads_to FROM flow_steps WHERE begins AND leads_to IS NOT NULL) AS r
    ON r.id = s.id AND r.leads_to = s.read_time

-- name: flow_numbers
-- Which flow of its account and correlation id each moment belongs to, counted from one.
INSERT INTO flow_numbers
SELECT
    i.account, i.correlation_id, s.read_time,
    CAST(sum(CASE WHEN s.begins THEN 1 ELSE 0 END) OVER (
        PARTITION BY s.id ORDER BY s.read_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS BIGINT) AS flow_number
FROM flow_steps AS s
JOIN long_ids AS i ON i.id = s.id

-- name: travelled
CREATE OR REPLACE TEMP TABLE travelled (file_id INTEGER, row_no BIGINT)

-- name: find_travelled
-- Rows that a known journey explains, each once however many entries name it.
INSERT INTO travelled
SELECT DISTINCT j.file_id, j.row_no
FROM placed AS j
JOIN known_travel AS t ON t.account = j.account AND t.country = j.country AND j.read_time >= t.begins AND j.read_time < t.ends

-- name: suspected_copies
CREATE OR REPLACE TEMP TABLE suspected_copies (file_id INTEGER, row_no BIGINT)

-- name: formats_of_events
-- How many formats the events of the case come in.
SELECT count(DISTINCT format) FROM files WHERE rows_imported > 0

-- name: suspect_copies
-- Rows without an id that tell of an event which a file of another format tells with its id. Nothing proves it, so they stay rows; they
-- begin no flow of their own, or one attempt would count as two. A success is a copy only of a success.
INSERT INTO suspected_copies
SELECT DISTINCT e.file_id, e.row_no
FROM placed AS e
JOIN files AS f ON f.file_id = e.file_id
JOIN (
    SELECT
        s.account, s.address, date_trunc('second', s.read_time) AS at_second, g.format,
        max(CASE WHEN s.outcome = 'SUCCESS' THEN 1 ELSE 0 END) AS entered
    FROM placed AS s
    JOIN files AS g ON g.file_id = s.file_id
    WHERE s.event_id IS NOT NULL AND s.counted AND s.log_type = 'sign_in_logs'
    GROUP BY s.account, s.address, date_trunc('second', s.read_time), g.format
) AS t
    ON t.account = e.account AND t.address = e.address AND t.at_second = date_trunc('second', e.read_time) AND t.format <> f.format
    AND (e.outcome <> 'SUCCESS' OR t.entered = 1)
WHERE e.counted AND e.event_id IS NULL AND e.log_type = 'sign_in_logs'

-- name: foreign_accounts
-- Accounts that succeeded from abroad, those with most such rows first.
SELECT account, count(*) AS row_count
FROM judged
WHERE counted AND is_foreign AND outcome = 'SUCCESS'
GROUP BY account
ORDER BY row_count DESC, account

-- name: suspected_overlap
-- How many rows those are, and the formats that tell them without an id.
SELECT count(*) AS row_count, string_agg(DISTINCT f.format, ', ' ORDER BY f.format) AS formats
FROM suspected_copies AS c JOIN files AS f ON f.file_id = c.file_id

-- name: adjudicated
-- One narrow row for every logon: what the rules about accounts ask, and by number what was decided on rows of its kind. `shared_flow` names
-- the flow of rows whose account and correlation id stand on several; `in_flows` is false where a row begins none.
CREATE OR REPLACE TABLE adjudicated AS
WITH home AS (SELECT count(*) AS tenant FROM case_homes)
SELECT
    j.log_type, j.file_id, j.row_no, j.read_time, j.event_time, j.account, j.is_person, j.address, j.country, j.sign_in_type, j.interactive,
    j.legacy_client, j.password_grant, j.names_device, j.code, j.decision, j.accepted, j.counted, v.row_no IS NOT NULL AS corroborated,
    (
        j.counted AND j.country IS NOT NULL AND j.account IS NOT NULL
        AND ((SELECT tenant FROM home) > 0 OR o_any.account IS NOT NULL)
        AND c.country IS NULL AND o.account IS NULL AND e.address IS NULL AND t.row_no IS NULL
    ) AS is_foreign,
    j.counted AND x.row_no IS NULL AS in_flows,
    CASE WHEN j.counted AND f.account IS NOT NULL AND j.read_time IS NOT NULL THEN
        concat('c', j.account, '|', j.correlation_id, '|', coalesce(m.flow_number, 1))
    END AS shared_flow
FROM placed AS j
LEFT JOIN case_homes AS c ON c.country = j.country
LEFT JOIN own_homes AS o ON o.account = j.account AND o.country = j.country
LEFT JOIN (SELECT DISTINCT account FROM own_homes) AS o_any ON o_any.account = j.account
LEFT JOIN known_egress AS e ON e.address = j.address
LEFT JOIN travelled AS t ON t.file_id = j.file_id AND t.row_no = j.row_no
LEFT JOIN corroborated AS v ON v.log_type = j.log_type AND v.file_id = j.file_id AND v.row_no = j.row_no
LEFT JOIN suspected_copies AS x ON x.file_id = j.file_id AND x.row_no = j.row_no
LEFT JOIN shared_ids AS f ON f.account = j.account AND f.correlation_id = j.correlation_id
LEFT JOIN flow_numbers AS m ON m.account = j.account AND m.correlation_id = j.correlation_id AND m.read_time = j.read_time

-- name: judged
-- The adjudicated events without the texts of their lines: all that is asked of many of them.
CREATE OR REPLACE VIEW judged AS
SELECT
    j.log_type, j.file_id, j.row_no, j.read_time, j.event_time, j.account, j.is_person, j.address, j.country, j.interactive, j.sign_in_type,
    j.legacy_client, j.password_grant, j.names_device, j.code,
    CASE WHEN starts_with(d.combo, 'type-name|') THEN 'blank' ELSE split_part(d.combo, '|', 1) END AS code_key,
    d.outcome, CASE WHEN j.corroborated THEN 'HIGH' ELSE d.confidence END AS confidence, d.decided_by,
    CASE WHEN j.corroborated THEN concat(d.witnesses, ',unified_audit_log') ELSE d.witnesses END AS witnesses,
    d.contradiction, d.firm, d.unknown_code, d.open_field, j.accepted, j.counted,
    CASE d.outcome
        WHEN 'SUCCESS' THEN 'SUCCESS'
        WHEN 'BLOCKED_AFTER_FIRST_FACTOR' THEN 'FAILURE' WHEN 'REJECTED' THEN 'FAILURE'
        WHEN 'NOT_EVALUATED' THEN 'FAILURE' WHEN 'NOT_GRANTED' THEN 'FAILURE'
        ELSE 'UNKNOWN'
    END AS normalized_status,
    j.is_foreign, CASE WHEN j.counted THEN coalesce(j.shared_flow, concat('r', j.file_id, '-', j.row_no)) END AS flow_id,
    j.in_flows, j.shared_flow
FROM adjudicated AS j
JOIN decided AS d ON d.decision = j.decision

-- name: events
-- The adjudicated events with what their lines say: outcome, flow, and whether the row is foreign to its own account's home.
CREATE OR REPLACE VIEW events AS
SELECT
    j.log_type, j.file_id, j.row_no, r.event_id, j.read_time, j.event_time, j.account, j.is_person, j.address, r.stated_country, j.country,
    r.correlation_id, r.session_id, j.interactive, j.sign_in_type, j.legacy_client, j.password_grant,
    r.device_id, r.device_trust_type, r.browser_family, r.os, j.code, j.code_key,
    j.outcome, j.confidence, j.decided_by, j.witnesses, j.contradiction, j.firm, j.unknown_code, j.open_field,
    CASE j.open_field
        WHEN 'status_error_code' THEN r.code WHEN 'error_number' THEN r.code
        WHEN 'conditional_access_status' THEN r.access WHEN 'status' THEN r.word WHEN 'operation' THEN r.word
    END AS open_value,
    j.accepted, j.counted, j.normalized_status, j.is_foreign, j.flow_id
FROM judged AS j
JOIN logon_rows AS r ON r.log_type = j.log_type AND r.file_id = j.file_id AND r.row_no = j.row_no

-- name: folded_flows
-- Flows of several rows, one attempt each: a success if any row is one, else its last failure, else what its rows leave open.
CREATE OR REPLACE TABLE folded_flows AS
WITH weighed AS (
    SELECT
        *,
        CASE outcome
            WHEN 'SUCCESS' THEN 4
            WHEN 'BLOCKED_AFTER_FIRST_FACTOR' THEN 3 WHEN 'REJECTED' THEN 3 WHEN 'NOT_EVALUATED' THEN 3 WHEN 'NOT_GRANTED' THEN 3
            WHEN 'CONFLICT' THEN 2 WHEN 'UNKNOWN' THEN 1 ELSE 0
        END AS weight
    FROM judged
    WHERE in_flows AND shared_flow IS NOT NULL
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY shared_flow
            ORDER BY weight DESC, CASE WHEN weight = 4 THEN read_time END, CASE WHEN weight <> 4 THEN read_time END DESC, file_id, row_no
        ) AS place,
        count(*) OVER (PARTITION BY shared_flow) AS row_count,
        min(read_time) OVER (PARTITION BY shared_flow) AS first_time, max(read_time) OVER (PARTITION BY shared_flow) AS last_time
    FROM weighed
)
SELECT
    shared_flow AS flow_id, row_count, first_time, last_time, log_type, file_id, row_no, account, address, country, outcome, is_foreign,
    interactive, event_time
FROM ranked
WHERE place = 1

-- name: flows
-- Every flow: those of one row are that row.
CREATE OR REPLACE VIEW flows AS
SELECT
    *, outcome IN ('SUCCESS', 'BLOCKED_AFTER_FIRST_FACTOR', 'REJECTED', 'NOT_EVALUATED', 'NOT_GRANTED') AS is_attempt
FROM (
    SELECT
        flow_id, 1 AS row_count, read_time AS first_time, read_time AS last_time, log_type, file_id, row_no, account, address, country, outcome,
        is_foreign, interactive, event_time
    FROM judged
    WHERE in_flows AND shared_flow IS NULL
    UNION ALL
    SELECT
        flow_id, row_count, first_time, last_time, log_type, file_id, row_no, account, address, country, outcome, is_foreign, interactive,
        event_time
    FROM folded_flows
) AS folded

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
FROM judged

-- name: normalized_table
-- The view's rows as a table in the order of its index, for those who ask one generation very often. No run makes it.
CREATE OR REPLACE TABLE normalized_status_materialized AS
SELECT * FROM v_normalized_status ORDER BY normalized_status, timestamp;
CREATE INDEX normalized_status_materialized_index ON normalized_status_materialized (normalized_status, timestamp)
