-- What the evidence holds that no verdict can lean on: activity without a sign-in, refreshed tokens, factors and rows that come late,
-- withheld risk, policies that were made while the sign-ins were being written. Runs after judge.sql.

-- name: unseen_table
CREATE OR REPLACE TEMP TABLE unseen_activity (
    account VARCHAR, row_count BIGINT, from_refused BIGINT, tried BOOLEAN, known_domain BOOLEAN, examples VARCHAR[]
)

-- name: unseen_activity
-- Persons at work in the audit log while the sign-in log was being written, of whom it holds no row that could have let them in; and how
-- many of their rows come from an address at which their own sign-ins were refused. `tried` says whether they have a sign-in row at all,
-- `known_domain` whether anybody of their domain has.
INSERT INTO unseen_activity
WITH span AS (
    SELECT min(event_time) AS begins, max(event_time) AS ends FROM judged WHERE log_type = 'sign_in_logs'
),
known AS (
    SELECT account, bool_or(normalized_status <> 'FAILURE') AS let_in FROM judged WHERE counted AND account IS NOT NULL GROUP BY account
),
working AS (
    SELECT account, address, file_id, row_no, event_id
    FROM unified_audit_log
    WHERE NOT is_logon AND is_person AND contains(account, '@')
      AND account NOT IN (SELECT account FROM known WHERE let_in)
      AND event_time BETWEEN (SELECT begins FROM span) AND (SELECT ends FROM span)
      AND file_id NOT IN (SELECT file_id FROM files WHERE date_order = 'AMBIGUOUS')
),
refused AS (
    SELECT DISTINCT account, address FROM judged
    WHERE counted AND normalized_status = 'FAILURE' AND address IS NOT NULL AND account IN (SELECT account FROM working)
)
SELECT
    w.account, count(*) AS row_count, count(r.account) AS from_refused, bool_or(k.account IS NOT NULL) AS tried,
    bool_or(split_part(w.account, '@', 2) IN (SELECT split_part(account, '@', 2) FROM known)) AS known_domain,
    list(coalesce(w.event_id, concat(w.file_id, ':', w.row_no)) ORDER BY w.file_id, w.row_no)[1:5] AS examples
FROM working AS w
LEFT JOIN known AS k ON k.account = w.account
LEFT JOIN refused AS r ON r.account = w.account AND r.address = w.address
GROUP BY w.account

-- name: unseen
SELECT account, row_count, from_refused, tried, known_domain, examples FROM unseen_activity ORDER BY row_count DESC, account

-- name: factors
SELECT count(*), max(event_time) FROM authentication_details

-- name: audit_newest
SELECT max(event_time) FROM unified_audit_log WHERE file_id NOT IN (SELECT file_id FROM files WHERE date_order = 'AMBIGUOUS')

-- name: synced
-- Downloads of whole mail folders, by persons or unnamed, and the accounts that made them.
SELECT count(*), list(DISTINCT account ORDER BY account) FILTER (WHERE account IS NOT NULL)
FROM unified_audit_log WHERE operation = 'MailItemsAccessed' AND mail_access_type = 'Sync'

-- name: withheld_risk
-- Sign-ins of files that have a column of risk, and how many of those hold no value in any.
SELECT count(*), count(*) FILTER (WHERE s.risk_level_during IS NULL AND s.risk_level_aggregated IS NULL AND s.risk_state IS NULL)
FROM sign_in_logs AS s
WHERE s.file_id IN (
    SELECT file_id FROM field_provenance
    WHERE log_type = 'sign_in_logs' AND field IN ('risk_level_during', 'risk_level_aggregated', 'risk_state') AND starts_with(provenance, 'source:')
)

-- name: policies_audited
-- Conditional Access policies that were made, changed or removed, as the directory audit log tells it.
SELECT event_time, target_display_name, lower(split_part(trim(activity), ' ', 1)), account
FROM entra_audit_logs
WHERE contains(lower(activity), 'conditional access policy') AND event_time > $begins AND lower(coalesce(result, 'success')) <> 'failure'
  AND file_id NOT IN (SELECT file_id FROM files WHERE date_order = 'AMBIGUOUS')

-- name: policies_logged
-- The same as the unified audit log tells it.
SELECT event_time, object_id, lower(split_part(operation, ' ', 1)), account
FROM unified_audit_log
WHERE lower(trim(operation, '. ')) IN (
    'add policy', 'update policy', 'delete policy',
    'add conditional access policy', 'update conditional access policy', 'delete conditional access policy'
  )
  AND event_time > $begins
  AND file_id NOT IN (SELECT file_id FROM files WHERE date_order = 'AMBIGUOUS')

-- name: policies_listed
-- The same as a list of the policies that stand now tells it.
SELECT moment, display_name, what, NULL
FROM (
    SELECT created_time AS moment, display_name, 'add' AS what, file_id FROM ca_policies
    UNION ALL
    SELECT event_time, display_name, 'update', file_id FROM ca_policies WHERE event_time IS DISTINCT FROM created_time
) AS listed
WHERE moment > $begins AND file_id NOT IN (SELECT file_id FROM files WHERE date_order = 'AMBIGUOUS')

-- name: span
-- First and last counted sign-in, refreshed tokens, and sign-ins that were stopped after the first factor.
SELECT
    min(event_time), max(event_time), count(*) FILTER (WHERE sign_in_type = 'noninteractiveuser'),
    count(*) FILTER (WHERE outcome = 'BLOCKED_AFTER_FIRST_FACTOR')
FROM judged
WHERE counted
