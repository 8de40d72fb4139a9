-- Words of the import. Each macro turns the text of a cell into a canonical value or NULL; none makes up a value.

-- name: macros
CREATE OR REPLACE TEMP MACRO intake_blank() AS ' ' || chr(9) || chr(10) || chr(13);
CREATE OR REPLACE TEMP MACRO intake_cleaned(cell) AS
    CASE WHEN regexp_full_match(cell, '(?s)\s*(?:None|hidden|null|<null>|Not Available|Microsoft\.(?:Graph|Open|Exchange)\..*|System\..*|@\{.*|\[object Object\])?\s*')
         THEN NULL ELSE trim(cell, intake_blank()) END;
-- Most cells need no cleaning, and cheap comparisons tell which: trimming every cell would cost ten times as much.
-- The engine turns a list of more than five words into a join, which takes a file three times as long: hence two lists.
CREATE OR REPLACE TEMP MACRO intake_text(cell) AS
    CASE WHEN cell IS NULL THEN NULL
         WHEN cell < '!' OR cell[-1] < '!' OR cell IN ('None', 'hidden', 'null') OR cell IN ('<null>', 'Not Available', '[object Object]')
              OR (cell >= 'Microsoft.' AND cell < 'Microsoft/') OR (cell >= 'System.' AND cell < 'System/') OR (cell >= '@{' AND cell < '@|')
         THEN intake_cleaned(cell) ELSE cell END;
CREATE OR REPLACE TEMP MACRO intake_whole(cell) AS
    CASE WHEN contains(cell, '.0') AND regexp_full_match(cell, '-?\d+\.0+') THEN string_split(cell, '.')[1] ELSE cell END;
CREATE OR REPLACE TEMP MACRO intake_digits(cell) AS
    CASE WHEN regexp_full_match(cell, '\s*\d+(\.0+)?\s*') THEN intake_whole(trim(cell, intake_blank())) END;
CREATE OR REPLACE TEMP MACRO intake_words(cell) AS
    CASE WHEN regexp_full_match(cell, '\s*(?:\d+(?:\.0+)?\s*|\{(?s:.*))') THEN NULL ELSE intake_text(cell) END;
CREATE OR REPLACE TEMP MACRO intake_boolean(cell) AS
    CASE lower(cell) WHEN 'true' THEN true WHEN 'yes' THEN true WHEN 'false' THEN false WHEN 'no' THEN false END;
CREATE OR REPLACE TEMP MACRO intake_bigint(cell) AS try_cast(cell AS BIGINT);
CREATE OR REPLACE TEMP MACRO intake_country(cell) AS
    CASE WHEN length(cell) = 2 THEN upper(cell) ELSE cell END;
CREATE OR REPLACE TEMP MACRO intake_recipients(cell) AS
    CASE WHEN contains(cell, '##') THEN regexp_replace(cell, '##[^;]*', '', 'g') ELSE intake_text(cell) END;
CREATE OR REPLACE TEMP MACRO intake_pairs(cell) AS CASE WHEN json_valid(cell) AND json_type(cell) = 'ARRAY' THEN cell END;
CREATE OR REPLACE TEMP MACRO intake_settings(cell) AS
    nullif(array_to_string(list_sort(list_transform(
        from_json(intake_pairs(cell), '[{"Name":"VARCHAR","Value":"VARCHAR"}]'), lambda pair: pair.Name || '=' || coalesce(pair.Value, ''))), chr(31)), '');
CREATE OR REPLACE TEMP MACRO intake_location_country(cell) AS
    CASE WHEN cell[1] IN ('@', '{', '[') THEN NULL
         WHEN contains(cell, ',') THEN nullif(trim(regexp_extract(cell, '[^,]*$')), '')
         WHEN regexp_full_match(cell, '\s*[A-Za-z]{2}\s*') THEN trim(cell) END;
CREATE OR REPLACE TEMP MACRO intake_location_state(cell) AS
    CASE WHEN cell[1] NOT IN ('@', '{', '[') AND len(string_split(cell, ',')) >= 3 THEN nullif(trim(string_split(cell, ',')[-2]), '') END;
CREATE OR REPLACE TEMP MACRO intake_location_city(cell) AS
    CASE WHEN cell LIKE '%,%,%' AND cell[1] NOT IN ('@', '{', '[') THEN nullif(trim(regexp_extract(cell, '^[^,]*')), '') END;
-- A list that neither holds the name as it is, nor anything in an escaped form, is not opened.
CREATE OR REPLACE TEMP MACRO intake_named(cell, wanted) AS
    CASE WHEN contains(cell, wanted) OR contains(cell, '\') THEN
    coalesce(list_filter(from_json(intake_pairs(cell), '[{"Name":"VARCHAR","Value":"VARCHAR"}]'), lambda pair: pair.Name = wanted)[1].Value,
             list_filter(from_json(intake_pairs(cell), '[{"key":"VARCHAR","value":"VARCHAR"}]'), lambda pair: pair.key = wanted)[1].value) END;
CREATE OR REPLACE TEMP MACRO intake_unquoted(token) AS
    CASE WHEN token IN ('', 'None') THEN NULL
         WHEN left(token, 1) IN ('''', '"') THEN replace(replace(token[2:-2], '\''', ''''), '\\', '\')
         ELSE token END;
CREATE OR REPLACE TEMP MACRO intake_python(cell, keys) AS
    intake_unquoted(regexp_extract(cell,
        '^\s*\{(?:[^''"{}\[\]]|''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"|\{(?:[^''"{}]|''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*")*\}'
        || '|\[(?:[^''"\[\]]|''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*")*\])*?[''"](?:' || keys
        || ')[''"]\s*:\s*(''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"|[^,}\]\s]+)', 1));
CREATE OR REPLACE TEMP MACRO intake_address(cell) AS
    CASE WHEN regexp_full_match(cell, '\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}') THEN cell
         WHEN regexp_full_match(cell, '\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}:\d+') THEN string_split(cell, ':')[1]
         WHEN regexp_full_match(cell, '\[?::[fF]{4}:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(\](:\d+)?)?')
             THEN regexp_extract(cell, '\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}')
         WHEN regexp_full_match(cell, '\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%\w+)?\](:\d+)?') THEN lower(regexp_extract(cell, '\[([0-9a-fA-F:.]+)', 1))
         WHEN regexp_full_match(cell, '[0-9a-fA-F.]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*(%\w+)?') THEN lower(string_split(cell, '%')[1]) END;
-- A time is read only if the whole text is one: the engine's own cast would drop what follows a date it knows.
CREATE OR REPLACE TEMP MACRO intake_meridiem(cell) AS
    regexp_replace(regexp_replace(trim(cell, intake_blank() || chr(160) || chr(8239)), '[\x{202f}\x{a0}]', ' ', 'g'), '(?i)\s*([ap])\.?\s?m\.?$', ' \1M');
CREATE OR REPLACE TEMP MACRO intake_offset(cell) AS
    to_minutes(CAST(CASE WHEN cell[1] = '-' THEN -1 ELSE 1 END * (60 * CAST(cell[2:3] AS INTEGER) + CAST(coalesce(nullif(regexp_replace(cell[4:], ':', ''), ''), '0') AS INTEGER)) AS INTEGER));
CREATE OR REPLACE TEMP MACRO intake_plain_iso(cell) AS
    CASE WHEN regexp_full_match(cell, '\d{4}-\d{1,2}-\d{1,2}([T ] ?\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?')
         THEN try_cast(replace(cell, ',', '.') AS TIMESTAMP)
         WHEN regexp_full_match(cell, '(?i)\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}(:\d{2})? [AP]M')
         THEN try_strptime(cell, ['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p'])::TIMESTAMP END;
CREATE OR REPLACE TEMP MACRO intake_iso(cell) AS
    CASE WHEN regexp_matches(cell, '\d\s*[+-]\d{2}(:?\d{2})?\s*$') AND regexp_matches(cell, ':')
         THEN intake_plain_iso(trim(regexp_extract(cell, '^\s*(.*\d)\s*[+-]\d{2}(:?\d{2})?\s*$', 1)))
              - intake_offset(regexp_extract(cell, '([+-]\d{2}(:?\d{2})?)\s*$', 1))
         ELSE intake_plain_iso(intake_meridiem(regexp_replace(replace(cell, ', ', ' '), '\s*(Z|UTC|GMT)\s*$', ''))) END;
CREATE OR REPLACE TEMP MACRO intake_epoch(cell) AS
    epoch_ms(try_cast(regexp_extract(cell, '^\s*/Date\((-?\d{1,15})', 1) AS BIGINT))::TIMESTAMP;
CREATE OR REPLACE TEMP MACRO intake_slashed(cell) AS
    regexp_replace(replace(intake_meridiem(cell), ',', ''), '^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})', '\1/\2/\3');
CREATE OR REPLACE TEMP MACRO intake_named_month(cell) AS
    try_strptime(replace(intake_meridiem(cell), ',', ''), ['%b %d %Y %I:%M:%S %p', '%b %d %Y %H:%M:%S', '%b %d %Y %I:%M %p', '%B %d %Y %I:%M:%S %p',
        '%d-%b-%Y %H:%M:%S', '%d-%b-%Y %I:%M:%S %p', '%d %b %Y %H:%M:%S', '%d %b %Y %I:%M:%S %p'])::TIMESTAMP;
CREATE OR REPLACE TEMP MACRO intake_is_system(name) AS
    name IS NULL OR name = '' OR starts_with(name, 'nt authority') OR starts_with(name, 'nt service') OR starts_with(name, 'serviceprincipal_')
    OR starts_with(name, 'app@sharepoint') OR starts_with(name, 's-1-5-') OR name IN ('system', 'not available', 'unknown', 'anonymous')
    OR starts_with(name, '00000000-0000-0000-0000-000000000000');
CREATE OR REPLACE TEMP MACRO intake_is_guid(name) AS
    regexp_full_match(name, '\{?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\}?');

-- name: date_sightings
SELECT file_id, parts.first, parts.second, parts.year, count(*) AS rows
FROM (
    SELECT file_id, regexp_extract(event_text, '^\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})', ['first', 'second', 'year']) AS parts
    FROM intake_times WHERE event_text IS NOT NULL AND NOT regexp_matches(event_text, '^\s*\d{4}-')
) WHERE parts.year <> '' GROUP BY ALL

-- name: clear_files
DELETE FROM files
-- name: clear_quarantine
DELETE FROM quarantine
-- name: clear_duplicates
DELETE FROM duplicates
-- name: clear_completeness
DELETE FROM completeness
-- name: clear_provenance
DELETE FROM field_provenance

-- name: clear_formats
DELETE FROM file_formats

-- name: row_hashes
CREATE OR REPLACE TEMP TABLE intake_row_hashes (file_id INTEGER, row_no BIGINT, row_hash VARCHAR)

-- name: canonical_tables
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal AND schema_name = 'main'
  AND table_name IN (SELECT table_name FROM duckdb_columns() WHERE column_name = 'event_time_raw' AND database_name = current_database())
ORDER BY table_name, column_index

-- name: files
INSERT INTO files BY NAME SELECT * FROM intake_files

-- name: quarantine_known
INSERT INTO quarantine (file_id, row_no, reason, detail, raw)
SELECT $file_id, row_no, fault, NULL, raw FROM intake_records WHERE fault IS NOT NULL

-- name: unquarantine
DELETE FROM quarantine WHERE list_contains($file_ids, file_id)

-- name: quarantine_fetched
INSERT INTO quarantine (file_id, row_no, reason, detail, raw) SELECT file_id, row_no, reason, NULL, raw FROM intake_fetched

-- name: same_rows
INSERT INTO duplicates (file_id, row_no, of_file_id, of_row_no, rule)
WITH copies AS (
    SELECT file_id, row_no, row_hash, count(*) OVER (PARTITION BY row_hash, file_id) AS times,
           row_number() OVER (PARTITION BY row_hash, file_id ORDER BY row_no) AS place
    FROM intake_row_hashes
    WHERE row_hash IN (SELECT row_hash FROM intake_row_hashes GROUP BY row_hash HAVING min(file_id) < max(file_id))
),
keepers AS (
    SELECT row_hash, arg_min(file_id, (-times, file_id)) AS file_id FROM copies GROUP BY ALL
)
SELECT c.file_id, c.row_no, k.file_id, kept.row_no, 'SAME_ROW_IN_ANOTHER_FILE'
FROM copies AS c
JOIN keepers AS k ON k.row_hash = c.row_hash AND k.file_id <> c.file_id
JOIN copies AS kept ON kept.row_hash = c.row_hash AND kept.file_id = k.file_id AND kept.place = c.place

-- name: settle_files
UPDATE files SET
    rows_imported = coalesce(t.imported, 0), first_event = t.first_event, last_event = t.last_event,
    rows_duplicate = (SELECT count(*) FROM duplicates AS d WHERE d.file_id = files.file_id),
    rows_quarantined = (SELECT count(*) FROM quarantine AS q WHERE q.file_id = files.file_id)
FROM (SELECT f.file_id, i.imported, i.first_event, i.last_event FROM files AS f LEFT JOIN intake_imported AS i USING (file_id)) AS t
WHERE t.file_id = files.file_id

-- name: ledger
SELECT path, rows_read, rows_imported, rows_duplicate, rows_quarantined FROM files WHERE rows_read > 0 ORDER BY file_id

-- name: quarantine_by_reason
SELECT f.path, q.reason, count(*) AS rows FROM quarantine AS q JOIN files AS f USING (file_id) GROUP BY ALL ORDER BY rows DESC, f.path, q.reason LIMIT 20

-- name: hashed_rows
SELECT count(*) FROM intake_row_hashes

-- name: repeated_rows
SELECT count(*) FROM intake_repeated

-- name: configuration
SELECT current_setting('lock_configuration'), current_setting('preserve_insertion_order')

-- name: keep_order
SET preserve_insertion_order = true;
SET write_buffer_row_group_count = 1

-- name: repeated_ids_across_formats
SELECT count(*) AS events, string_agg(DISTINCT formats, '; ' ORDER BY formats) AS formats
FROM (
    SELECT r.event_id, string_agg(DISTINCT f.format, ' and ' ORDER BY f.format) AS formats
    FROM intake_repeated AS r
    ANTI JOIN duplicates AS d ON d.file_id = r.file_id AND d.row_no = r.row_no
    JOIN file_formats AS f ON f.file_id = r.file_id AND f.log_type = $log_type
    GROUP BY r.event_id HAVING count(DISTINCT f.format) > 1 AND count(DISTINCT (r.file_id, r.row_no)) > 1
)

-- name: completeness_leads
SELECT kind, coalesce(log_type, '') AS log_type, detail FROM completeness ORDER BY kind, log_type, from_time, detail

-- name: record_completeness
INSERT INTO completeness (kind, log_type, from_time, to_time, detail) VALUES ($kind, $log_type, $begins, $ends, $detail)

-- name: file_formats
INSERT INTO file_formats BY NAME SELECT * FROM intake_formats

-- name: formats_of
SELECT count(DISTINCT format) FROM file_formats WHERE log_type = $log_type

-- name: provenance
INSERT INTO field_provenance (file_id, log_type, field, provenance)
SELECT f.file_id, $log_type, o.field, o.origin
FROM (SELECT unnest($file_ids) AS file_id) AS f, (SELECT unnest($fields) AS field, unnest($origins) AS origin) AS o

-- name: mark_copies
UPDATE files SET status = 'ALREADY_IMPORTED', reason = 'The same bytes as ' || first.path || '; nothing in it was counted twice.'
FROM (SELECT sha256, arg_min(path, file_id) AS path, min(file_id) AS file_id FROM files WHERE rows_read > 0 GROUP BY sha256) AS first
WHERE files.sha256 = first.sha256 AND files.file_id > first.file_id AND files.rows_read > 0

-- name: operations_by_type
SELECT coalesce(record_type, '') AS record_type, operation, count(*) AS rows, any_value(organization_id) AS tenant,
    min(event_time) AS first_event, max(event_time) AS last_event
FROM unified_audit_log WHERE operation IS NOT NULL GROUP BY ALL ORDER BY rows DESC, record_type, operation LIMIT 1000

-- name: moments_of_files
SELECT path, first_event, last_event FROM files
