-- What accounts did, as rows and numbers that indicators are judged from. Runs after judge.sql; `act_operations` says which
-- operations the rule pack knows in which log, and which of them are read row by row because their parameters decide.

-- name: tables
CREATE OR REPLACE TEMP TABLE act_operations (
    log_type VARCHAR, operation VARCHAR, name VARCHAR, indicator VARCHAR, severity VARCHAR, mitre VARCHAR, is_act BOOLEAN, targeted BOOLEAN
);
CREATE OR REPLACE TEMP TABLE found_acts (
    log_type VARCHAR, file_id INTEGER, row_no BIGINT, account VARCHAR, address VARCHAR, session_id VARCHAR, event_time TIMESTAMP,
    operation VARCHAR, name VARCHAR, actor VARCHAR, result VARCHAR, parameters VARCHAR, more VARCHAR, target VARCHAR
);
CREATE OR REPLACE TEMP TABLE act_readings (
    kind BIGINT, detail VARCHAR, severity VARCHAR, after_foreign VARCHAR, indicator VARCHAR, mitre VARCHAR
)

-- name: unified_audit_log_names
SELECT DISTINCT operation FROM unified_audit_log WHERE operation IS NOT NULL AND NOT is_logon ORDER BY operation

-- name: entra_audit_logs_names
SELECT DISTINCT activity FROM entra_audit_logs WHERE activity IS NOT NULL ORDER BY activity

-- name: own_domains
-- Mail domains of the people seen, those that hold at least a share of them: the tenant's own. Guests bring theirs along.
WITH people AS (
    SELECT account FROM events WHERE outcome = 'SUCCESS' AND counted AND contains(account, '@') AND NOT contains(account, '#ext#')
    UNION
    SELECT account FROM unified_audit_log WHERE is_person AND contains(account, '@') AND NOT contains(account, '#ext#')
),
domains AS (SELECT split_part(account, '@', 2) AS domain, count(*) AS accounts FROM people GROUP BY domain)
SELECT domain FROM domains WHERE domain <> '' AND accounts >= $share * (SELECT sum(accounts) FROM domains) ORDER BY domain

-- name: unified_audit_log_acts
INSERT INTO found_acts
SELECT
    'unified_audit_log', u.file_id, u.row_no, u.account, u.address, u.session_id,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN u.event_time END, u.operation, o.name,
    CASE
        WHEN u.is_person THEN 'person'
        WHEN u.account IS NULL THEN 'not named'
        WHEN starts_with(u.account, 'serviceprincipal') OR regexp_full_match(u.account, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
            THEN 'application'
        ELSE 'system'
    END,
    u.result_status, u.parameters, NULL, CASE WHEN o.targeted THEN u.object_id END
FROM unified_audit_log AS u
JOIN act_operations AS o ON o.log_type = 'unified_audit_log' AND o.operation = u.operation
LEFT JOIN files AS f ON f.file_id = u.file_id
WHERE o.is_act AND NOT u.is_logon

-- name: entra_audit_logs_acts
-- Where the export names the initiator in one plain text, a user principal name in it is that of a person.
INSERT INTO found_acts
SELECT
    'entra_audit_logs', u.file_id, u.row_no, u.account, u.address, NULL,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN u.event_time END, u.activity, o.name,
    CASE
        WHEN u.account IS NOT NULL AND (u.is_person OR u.told) THEN 'person'
        WHEN u.service_principal_id IS NOT NULL OR u.app_display_name IS NOT NULL OR u.app_id IS NOT NULL THEN 'application'
        WHEN u.account IS NULL THEN 'not named'
        ELSE 'system'
    END,
    u.result, u.modified_properties, u.target_resources,
    CASE WHEN o.targeted THEN coalesce(u.target_user_principal_name, u.target_display_name) END
FROM (
    SELECT
        * REPLACE (
            coalesce(account, CASE WHEN regexp_full_match(initiated_by, '[^@\s"{}:]+@[^@\s"{}:]+\.[^@\s"{}:]+') THEN lower(initiated_by) END)
            AS account
        ),
        account IS NULL AS told
    FROM entra_audit_logs
) AS u
JOIN act_operations AS o ON o.log_type = 'entra_audit_logs' AND o.operation = u.activity
LEFT JOIN files AS f ON f.file_id = u.file_id
WHERE o.is_act

-- name: act_kinds
-- Everything that is the same for the judge has one number, in an order that does not depend on that of the rows.
CREATE OR REPLACE TEMP TABLE acts AS
SELECT *, dense_rank() OVER (ORDER BY name, actor, result, parameters, more, target, account) AS kind FROM found_acts;
SELECT kind, any_value(name), any_value(actor), any_value(result), any_value(parameters), any_value(more), any_value(target), any_value(account)
FROM acts
GROUP BY kind
ORDER BY kind

-- name: indicator_rows
-- Every act with what it comes to. `earlier_days` counts the days before on which the account did the like: a habit.
CREATE OR REPLACE TABLE indicator_rows AS
SELECT
    a.log_type, a.file_id, a.row_no, a.account, a.address, a.session_id, a.event_time, a.operation, a.name, r.indicator, r.severity,
    r.after_foreign, FALSE AS followed, a.actor, a.actor = 'person' AS is_person, r.detail, r.mitre,
    CASE
        WHEN a.event_time IS NULL OR r.after_foreign <> 'CRITICAL' THEN 0
        ELSE dense_rank() OVER (PARTITION BY a.account, a.name, r.after_foreign ORDER BY CAST(a.event_time AS DATE)) - 1
    END AS earlier_days
FROM acts AS a
JOIN act_readings AS r ON r.kind = a.kind

-- name: take_habits
UPDATE indicator_rows SET severity = 'WARNING', after_foreign = 'WARNING'
WHERE earlier_days >= $habit_days AND after_foreign = 'CRITICAL' AND account IS NOT NULL

-- name: act_details
-- Rows of every operation by what they come to, by actor, and whether they followed a foreign success.
SELECT log_type, name, detail, severity, indicator, mitre, actor, followed, count(*) AS row_count
FROM indicator_rows
GROUP BY log_type, name, detail, severity, indicator, mitre, actor, followed
ORDER BY log_type, name, row_count DESC, detail, severity, indicator, mitre, actor, followed

-- name: act_reach
-- Who, when and from where of every operation; the gravest lines are its examples.
SELECT
    r.log_type, r.name, min(r.operation) AS operation, min(r.event_time) AS begins, max(r.event_time) AS ends,
    list(DISTINCT r.account ORDER BY r.account) FILTER (WHERE r.account IS NOT NULL AND r.is_person) AS accounts,
    list(DISTINCT r.address ORDER BY r.address) FILTER (WHERE r.address IS NOT NULL AND r.is_person) AS addresses,
    list({'file': f.path, 'row': r.row_no} ORDER BY CASE r.severity WHEN 'CRITICAL' THEN 0 WHEN 'WARNING' THEN 1 ELSE 2 END, f.path, r.row_no)[1:5]
        AS examples
FROM indicator_rows AS r
LEFT JOIN files AS f ON f.file_id = r.file_id
GROUP BY r.log_type, r.name
ORDER BY r.log_type, r.name

-- name: bulk_operations
-- Operations that are common and tell by their number: counted, never read one by one.
SELECT
    u.operation, min(o.indicator) AS indicator, min(o.severity) AS severity, min(o.mitre) AS mitre, count(*) AS row_count,
    count(*) FILTER (WHERE u.is_person) AS by_persons, count(*) FILTER (WHERE u.account IS NULL AND NOT u.is_person) AS not_named,
    min(u.event_time) AS begins, max(u.event_time) AS ends,
    list(DISTINCT u.account ORDER BY u.account) FILTER (WHERE u.account IS NOT NULL AND u.is_person) AS accounts,
    list(DISTINCT u.address ORDER BY u.address) FILTER (WHERE u.address IS NOT NULL AND u.is_person) AS addresses
FROM unified_audit_log AS u
JOIN act_operations AS o ON o.log_type = 'unified_audit_log' AND o.operation = u.operation
WHERE NOT o.is_act AND o.severity <> 'INFO' AND NOT u.is_logon
GROUP BY u.operation
ORDER BY u.operation

-- name: mail_access
SELECT
    coalesce(mail_access_type, 'not stated') AS kind, count(*) AS row_count, count(*) FILTER (WHERE is_throttled) AS throttled,
    coalesce(sum(operation_count) FILTER (WHERE mail_access_type IS DISTINCT FROM 'Sync'), 0) AS items
FROM unified_audit_log
WHERE operation = 'MailItemsAccessed'
GROUP BY kind
ORDER BY kind
