-- What accounts did, as rows and numbers that indicators are judged from. Runs after judge.sql; `act_operations` says which
-- operations the rule pack knows in which log, and which of them are read row by row because their parameters decide.

-- name: tables
CREATE OR REPLACE TEMP TABLE act_operations (
    log_type VARCHAR, operation VARCHAR, name VARCHAR, indicator VARCHAR, severity VARCHAR, mitre VARCHAR, is_act BOOLEAN, targeted BOOLEAN,
    reads BOOLEAN
);
CREATE OR REPLACE TEMP TABLE found_acts (
    log_type VARCHAR, file_id INTEGER, row_no BIGINT, account VARCHAR, address VARCHAR, session_id VARCHAR, event_time TIMESTAMP,
    operation VARCHAR, name VARCHAR, actor VARCHAR, result VARCHAR, parameters VARCHAR, more VARCHAR, target VARCHAR,
    stands_for BIGINT
);
CREATE OR REPLACE TEMP TABLE act_readings (
    kind BIGINT, detail VARCHAR, severity VARCHAR, after_foreign VARCHAR, indicator VARCHAR, mitre VARCHAR
)

-- name: unified_audit_log_names
SELECT DISTINCT operation FROM unified_audit_log WHERE operation IS NOT NULL AND NOT is_logon ORDER BY operation

-- name: entra_audit_logs_names
SELECT DISTINCT activity FROM entra_audit_logs_read WHERE activity IS NOT NULL ORDER BY activity

-- name: own_domains
-- Mail domains of the people seen, those that hold at least a share of them, and initial domains: the tenant's own. Guests bring theirs along.
WITH people AS (
    SELECT account FROM judged WHERE outcome = 'SUCCESS' AND counted AND contains(account, '@') AND NOT contains(account, '#ext#')
    UNION
    SELECT account FROM unified_audit_log WHERE is_person AND contains(account, '@') AND NOT contains(account, '#ext#')
),
domains AS (SELECT split_part(account, '@', 2) AS domain, count(*) AS accounts FROM people GROUP BY domain)
SELECT domain FROM domains WHERE domain <> '' AND (ends_with(domain, '.onmicrosoft.com') OR accounts >= $share * (SELECT sum(accounts) FROM domains)) ORDER BY domain

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
    u.result_status, CASE WHEN o.reads THEN u.parameters END, NULL, CASE WHEN o.targeted THEN u.object_id END, 1
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
    u.result, CASE WHEN o.reads THEN u.modified_properties END, CASE WHEN o.reads THEN u.target_resources END,
    CASE WHEN o.targeted THEN coalesce(u.target_user_principal_name, u.target_display_name) END, 1
FROM (
    SELECT
        * REPLACE (
            coalesce(account, CASE WHEN regexp_full_match(initiated_by, '[^@\s"{}:]+@[^@\s"{}:]+\.[^@\s"{}:]+') THEN lower(initiated_by) END)
            AS account
        ),
        account IS NULL AS told
    FROM entra_audit_logs_read
) AS u
JOIN act_operations AS o ON o.log_type = 'entra_audit_logs' AND o.operation = u.activity
LEFT JOIN files AS f ON f.file_id = u.file_id
WHERE o.is_act

-- name: act_kinds
-- Everything that is the same for the judge has one number, in an order that does not depend on that of the rows.
CREATE OR REPLACE TEMP TABLE acts AS
SELECT
    *,
    dense_rank() OVER (
        ORDER BY log_type, name, actor, result, parameters, more, target, CASE WHEN parameters IS NOT NULL OR more IS NOT NULL THEN account END
    ) AS kind
FROM found_acts;
SELECT kind, any_value(log_type), any_value(name), any_value(actor), any_value(result), any_value(parameters), any_value(more), any_value(target), min(account)
FROM acts
GROUP BY kind
ORDER BY kind

-- name: indicator_rows
-- Every act with what it comes to. `earlier_days` counts the days before on which the account did the like: a habit.
CREATE OR REPLACE TABLE indicator_rows AS
SELECT
    a.log_type, a.file_id, a.row_no, a.account, a.address, a.session_id, a.event_time, a.operation, a.name, r.indicator, r.severity,
    r.after_foreign, FALSE AS followed, a.actor, a.actor = 'person' AS is_person, r.detail, r.mitre, a.stands_for,
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
SELECT log_type, name, detail, severity, indicator, mitre, actor, followed, CAST(sum(stands_for) AS BIGINT) AS row_count
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
    list(DISTINCT u.address ORDER BY u.address) FILTER (WHERE u.address IS NOT NULL AND u.is_person) AS addresses, 0 AS by_others
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

-- name: unified_audit_log_bursts
-- Many files of one account from one address within an hour, more than on the account's busiest hour of any earlier day.
INSERT INTO found_acts
WITH hours AS (
    SELECT
        u.account, u.address, CASE WHEN u.operation = 'FileAccessed' THEN 'files opened' ELSE 'files downloaded' END AS work,
        date_trunc('hour', u.event_time) AS hour, count(*) AS files, min(u.event_time) AS begins, min(u.session_id) AS session_id,
        min((u.file_id, u.row_no)) AS line
    FROM unified_audit_log AS u
    JOIN (SELECT file_id FROM files WHERE date_order IS DISTINCT FROM 'AMBIGUOUS') AS f ON f.file_id = u.file_id
    WHERE u.operation IN ('FileDownloaded', 'FileSyncDownloadedFull', 'FileSyncDownloadedPartial', 'FileAccessed')
      AND u.is_person AND u.account IS NOT NULL AND u.event_time IS NOT NULL
    GROUP BY u.account, u.address, work, hour
),
habits AS (
    SELECT
        *,
        max(files) OVER (
            PARTITION BY account, work ORDER BY date_trunc('day', hour)
            RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 DAY PRECEDING
        ) AS habit
    FROM hours
)
SELECT
    'unified_audit_log', line[1], line[2], account, address, session_id, begins, 'mass download', 'mass download', 'person', NULL,
    NULL, work, NULL, files
FROM habits
WHERE files >= CASE work WHEN 'files opened' THEN $opened ELSE $downloaded END AND files > $above * coalesce(habit, 0)

-- name: tenant_domains
CREATE OR REPLACE TEMP TABLE tenant_domains AS SELECT unnest(CAST($domains AS VARCHAR[])) AS domain

-- name: trace_domains
-- Where no account tells the tenant's domains: those that a party of at least half of the messages has.
INSERT INTO tenant_domains
SELECT domain
FROM (
    SELECT file_id, row_no, lower(split_part(sender_address, '@', 2)) AS domain FROM message_trace_read
    UNION
    SELECT file_id, row_no, lower(split_part(recipient_address, '@', 2)) AS domain FROM message_trace_read
) AS parties
WHERE domain <> '' AND (SELECT count(*) FROM tenant_domains) = 0
GROUP BY domain
HAVING count(*) * 2 >= (SELECT count(*) FROM message_trace_read)

-- name: mail_flow
-- One row for each message and recipient. A sender that was rewritten for a forwarding names the mailbox that forwards.
CREATE OR REPLACE TEMP TABLE mail_flow AS
SELECT
    m.file_id, m.row_no, m.event_time, coalesce(m.message_id, m.message_trace_id) AS message, m.sender, m.recipient, m.subject, m.passed_on,
    CASE WHEN NOT starts_with(m.sender, 'bounces+') AND contains(m.sender, '+srs=')
        THEN concat(split_part(m.sender, '+srs=', 1), '@', split_part(m.sender, '@', 2)) END AS forwarder,
    s.domain IS NOT NULL AS from_inside, r.domain IS NOT NULL AS to_inside
FROM (
    SELECT
        t.file_id, t.row_no, CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN t.event_time END AS event_time, t.message_id,
        t.message_trace_id, lower(t.sender_address) AS sender, trim(unnest(string_split(lower(t.recipient_address), ';'))) AS recipient,
        regexp_replace(lower(t.subject), '^((fw|fwd|wg|tr|rv|i)\s*:\s*)+', '') AS subject,
        regexp_matches(lower(t.subject), '^(fw|fwd|wg|tr|rv|i)\s*:') AS passed_on
    FROM message_trace_read AS t
    LEFT JOIN files AS f ON f.file_id = t.file_id
    WHERE lower(coalesce(t.status, '')) NOT IN ('failed', 'quarantined', 'filteredasspam')
) AS m
LEFT JOIN (SELECT DISTINCT domain FROM tenant_domains) AS s ON s.domain = split_part(m.sender, '@', 2)
LEFT JOIN (SELECT DISTINCT domain FROM tenant_domains) AS r ON r.domain = split_part(m.recipient, '@', 2)

-- name: passed_on
-- Messages that an account passes on to the outside: redirected with their sender, rewritten by a forwarding, or sent on at once after another
-- message with the same subject came in.
CREATE OR REPLACE TEMP TABLE passed_on AS
SELECT o.file_id, o.row_no, o.event_time, i.account, o.recipient
FROM mail_flow AS o
JOIN (
    SELECT message, min(recipient) AS account FROM mail_flow WHERE to_inside AND message IS NOT NULL
    GROUP BY message HAVING count(DISTINCT recipient) = 1
) AS i ON i.message = o.message
WHERE NOT o.to_inside AND NOT o.from_inside
UNION
SELECT file_id, row_no, event_time, forwarder, recipient FROM mail_flow WHERE forwarder IS NOT NULL AND NOT to_inside
UNION
SELECT file_id, row_no, event_time, person, recipient
FROM (
    SELECT
        file_id, row_no, event_time, person, recipient, goes_out, count(*) FILTER (WHERE NOT goes_out) OVER came_before AS came,
        count(*) FILTER (WHERE NOT goes_out) OVER same_came_before AS same_came
    FROM (
        SELECT file_id, row_no, event_time, sender AS person, subject, message, recipient, TRUE AS goes_out
        FROM mail_flow WHERE from_inside AND NOT to_inside AND passed_on AND forwarder IS NULL
        UNION ALL
        SELECT file_id, row_no, event_time, recipient AS person, subject, message, NULL, FALSE
        FROM mail_flow WHERE to_inside AND NOT passed_on
    ) AS both_ways
    WHERE person IS NOT NULL AND subject IS NOT NULL AND event_time IS NOT NULL
    WINDOW
        came_before AS (
            PARTITION BY person, subject ORDER BY event_time
            RANGE BETWEEN to_seconds(CAST($seconds AS INTEGER)) PRECEDING AND CURRENT ROW
        ),
        same_came_before AS (
            PARTITION BY person, subject, message ORDER BY event_time
            RANGE BETWEEN to_seconds(CAST($seconds AS INTEGER)) PRECEDING AND CURRENT ROW
        )
) AS passed
WHERE goes_out AND came > same_came

-- name: message_trace_acts
-- One act for each account and outside recipient: how many messages, which share of what came in meanwhile, and since when.
INSERT INTO found_acts
WITH pairs AS (
    SELECT
        account, recipient, count(*) AS mails, min(event_time) AS begins, max(event_time) AS ends, min((file_id, row_no)) AS line
    FROM passed_on
    GROUP BY account, recipient
),
came_in AS (
    SELECT p.account, p.recipient, count(DISTINCT i.message) AS received
    FROM pairs AS p
    JOIN mail_flow AS i ON i.recipient = p.account AND i.event_time BETWEEN p.begins - INTERVAL 1 HOUR AND p.ends
    GROUP BY p.account, p.recipient
),
reach AS (SELECT min(event_time) AS begins, max(event_time) AS ends FROM mail_flow)
SELECT
    'message_trace', p.line[1], p.line[2], p.account, NULL, NULL, p.begins, 'external forwarding', 'external forwarding', 'person', NULL,
    to_json({
        'mails': p.mails, 'share': coalesce(p.mails / nullif(c.received, 0), 1.0),
        'standing': coalesce(p.begins <= r.begins + (r.ends - r.begins) / 4, FALSE) AND r.ends - r.begins >= INTERVAL 4 DAY
    }),
    p.recipient, NULL, p.mails
FROM pairs AS p
LEFT JOIN came_in AS c ON c.account = p.account AND c.recipient = p.recipient
CROSS JOIN reach AS r

-- name: message_trace_bursts
-- Much mail of one sender to many outside recipients within an hour, more than on any earlier day.
INSERT INTO found_acts
WITH hours AS (
    SELECT
        sender, date_trunc('hour', event_time) AS hour, count(*) AS mails, count(DISTINCT recipient) AS recipients, min(event_time) AS begins,
        min((file_id, row_no)) AS line
    FROM mail_flow
    WHERE from_inside AND NOT to_inside AND forwarder IS NULL AND event_time IS NOT NULL
    GROUP BY sender, hour
),
habits AS (
    SELECT
        *,
        max(mails) OVER (
            PARTITION BY sender ORDER BY date_trunc('day', hour) RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 DAY PRECEDING
        ) AS habit
    FROM hours
)
SELECT
    'message_trace', line[1], line[2], sender, NULL, NULL, begins, 'outbound mail burst', 'outbound mail burst', 'person', NULL, NULL, NULL,
    NULL, mails
FROM habits
WHERE mails >= $mails AND recipients >= $recipients AND mails > $above * coalesce(habit, 0)

-- name: risk_detections_acts
-- A detection is told again whenever its state changes: the latest one stands.
INSERT INTO found_acts
SELECT
    'risk_detections', d.file_id, d.row_no, d.account, d.address, NULL,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN d.event_time END, coalesce(d.risk_event_type, 'risk detection'),
    concat('risk: ', lower(coalesce(d.risk_event_type, 'detection'))),
    CASE WHEN d.account IS NOT NULL THEN 'person' WHEN d.service_principal_id IS NOT NULL THEN 'application' ELSE 'not named' END,
    d.risk_level, d.risk_state, CASE WHEN d.turn = 1 THEN 'latest' END, NULL, 1
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY coalesce(event_id, concat(file_id, ':', row_no))
            ORDER BY last_updated_time DESC NULLS LAST, detected_time DESC NULLS LAST, file_id, row_no
        ) AS turn
    FROM risk_detections_read
) AS d
LEFT JOIN files AS f ON f.file_id = d.file_id

-- name: risky_users_acts
INSERT INTO found_acts
SELECT
    'risky_users', d.file_id, d.row_no, d.account, NULL, NULL,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN d.event_time END, 'user at risk', 'user at risk',
    CASE WHEN d.account IS NOT NULL THEN 'person' ELSE 'not named' END,
    d.risk_level, d.risk_state, CASE WHEN d.turn = 1 THEN 'latest' END, NULL, 1
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY coalesce(user_id, account, concat(file_id, ':', row_no))
            ORDER BY risk_last_updated DESC NULLS LAST, file_id, row_no
        ) AS turn
    FROM risky_users_read
) AS d
LEFT JOIN files AS f ON f.file_id = d.file_id

-- name: security_alerts_acts
INSERT INTO found_acts
SELECT
    'security_alerts', d.file_id, d.row_no, NULL, NULL, NULL,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN d.event_time END, left(coalesce(d.title, 'alert'), 120),
    concat('alert: ', lower(left(coalesce(d.title, 'alert'), 120))), 'not named', d.severity,
    coalesce(d.classification, d.status), d.category, d.attack_techniques, 1
FROM security_alerts_read AS d
LEFT JOIN files AS f ON f.file_id = d.file_id

-- name: mail_access_after_foreign
-- Mail read from the address or in the session of a foreign success that neither the owner's own device nor a standing egress explains.
SELECT count(*) AS row_count, count(*) FILTER (WHERE lower(u.mail_access_type) = 'sync') AS whole_folders
FROM unified_audit_log AS u
WHERE u.operation = 'MailItemsAccessed' AND u.is_person
  AND (
    (u.account, u.address) IN (
        SELECT (account, address) FROM foreign_successes
        WHERE NOT own_device AND NOT from_egress AND account IS NOT NULL AND address IS NOT NULL
    )
    OR (u.account, u.session_id) IN (
        SELECT (account, session_id) FROM foreign_successes
        WHERE NOT own_device AND NOT from_egress AND account IS NOT NULL AND session_id IS NOT NULL
    )
  )

-- name: tried_passwords
-- Addresses that were rejected on at least so many accounts, in whatever log.
SELECT count(*)
FROM (SELECT address FROM address_accounts WHERE rejected > 0 GROUP BY address HAVING count(*) >= $accounts) AS tried

-- name: password_sprays
-- Addresses whose passwords were rejected on several accounts that never succeeded from them: not an office whose people mistype.
WITH tried AS (
    SELECT address, account, count(*) AS rejected, min(event_time) AS begins, max(event_time) AS ends
    FROM judged
    WHERE counted AND log_type = $log_type AND outcome = 'REJECTED' AND address IS NOT NULL AND account IS NOT NULL
    GROUP BY address, account
),
came_in AS (
    SELECT address, account, count(*) FILTER (WHERE outcome = 'SUCCESS') AS succeeded, count(*) FILTER (WHERE accepted AND outcome <> 'SUCCESS') AS stopped
    FROM judged
    WHERE counted AND log_type = $log_type AND address IN (SELECT address FROM tried)
    GROUP BY address, account
),
sprayed AS (
    SELECT t.address
    FROM tried AS t
    LEFT JOIN came_in AS c ON c.address = t.address AND c.account = t.account AND c.succeeded > 0
    WHERE c.account IS NULL
    GROUP BY t.address
    HAVING count(*) >= $accounts
)
SELECT
    CAST(coalesce(sum(t.rejected), 0) AS BIGINT) AS rejected, min(t.begins) AS begins, max(t.ends) AS ends,
    list(DISTINCT t.account ORDER BY t.account) AS accounts, list(DISTINCT t.address ORDER BY t.address) AS addresses,
    (SELECT CAST(coalesce(sum(stopped), 0) AS BIGINT) FROM came_in WHERE address IN (SELECT address FROM sprayed)) AS stopped,
    (SELECT CAST(coalesce(sum(succeeded), 0) AS BIGINT) FROM came_in WHERE address IN (SELECT address FROM sprayed)) AS succeeded
FROM tried AS t
WHERE t.address IN (SELECT address FROM sprayed)

-- name: legacy_sign_ins
-- Sign-ins over protocols that know no second factor, by outcome.
SELECT
    outcome, count(*) AS row_count, min(event_time) AS begins, max(event_time) AS ends,
    list(DISTINCT account ORDER BY account) FILTER (WHERE account IS NOT NULL) AS accounts,
    list(DISTINCT address ORDER BY address) FILTER (WHERE address IS NOT NULL) AS addresses
FROM judged
WHERE log_type = $log_type AND (legacy_client OR log_type = 'legacy_auth_logs')
GROUP BY outcome
ORDER BY outcome

-- name: mailbox_audit_names
SELECT DISTINCT operation FROM mailbox_audit_read WHERE operation IS NOT NULL ORDER BY operation

-- name: mailbox_audit_operations
-- What was done in mailboxes, by operation. Only of an owner the account is known: a delegate is a display name.
SELECT
    o.operation, min(o.indicator) AS indicator, min(o.severity) AS severity, min(o.mitre) AS mitre, count(*) AS row_count,
    count(*) FILTER (WHERE lower(m.logon_type) IN ('owner', 'delegate', 'admin', 'delegatedadmin', '0', '1', '2', '6')) AS by_persons,
    count(*) FILTER (WHERE m.logon_type IS NULL) AS not_named, min(m.event_time) AS begins, max(m.event_time) AS ends,
    list(DISTINCT lower(m.mailbox_owner_upn) ORDER BY lower(m.mailbox_owner_upn))
        FILTER (WHERE m.mailbox_owner_upn IS NOT NULL AND lower(m.logon_type) IN ('owner', '0')) AS accounts,
    list(DISTINCT m.address ORDER BY m.address) FILTER (WHERE m.address IS NOT NULL) AS addresses,
    count(*) FILTER (WHERE lower(m.logon_type) IN ('delegate', 'admin', 'delegatedadmin', '1', '2', '6')) AS by_others
FROM mailbox_audit_read AS m
JOIN act_operations AS o ON o.log_type = 'mailbox_audit' AND o.operation = m.operation
WHERE o.severity <> 'INFO'
GROUP BY o.operation
ORDER BY o.operation

-- name: inbox_rules_acts
-- Rules that stood when they were asked for, read like those that the audit log shows being made. Their conditions are not in the export.
INSERT INTO found_acts
SELECT
    'inbox_rules', file_id, row_no, lower(mailbox), NULL, NULL, NULL, 'inbox rule in force', 'new-inboxrule',
    CASE WHEN mailbox IS NULL THEN 'not named' ELSE 'person' END, NULL,
    to_json({
        'Name': rule_name, 'ForwardTo': forward_to, 'ForwardAsAttachmentTo': forward_as_attachment_to, 'RedirectTo': redirect_to,
        'DeleteMessage': CAST(delete_message AS VARCHAR), 'MoveToFolder': move_to_folder, 'Identity': 'in force'
    }),
    NULL, NULL, 1
FROM inbox_rules_read
WHERE enabled IS DISTINCT FROM FALSE

-- name: transport_rules_acts
INSERT INTO found_acts
SELECT
    'transport_rules', file_id, row_no, NULL, NULL, NULL, NULL, 'transport rule in force', 'new-transportrule', 'not named', NULL,
    to_json({
        'BlindCopyTo': blind_copy_to, 'CopyTo': copy_to, 'RedirectMessageTo': redirect_message_to,
        'DeleteMessage': CAST(delete_message AS VARCHAR), 'SetSCL': CAST(set_scl AS VARCHAR), 'Name': name
    }),
    NULL, NULL, 1
FROM transport_rules_read
WHERE lower(coalesce(state, 'enabled')) <> 'disabled'

-- name: oauth_consents_acts
INSERT INTO found_acts
SELECT
    'oauth_consents', file_id, row_no, NULL, NULL, NULL, NULL, 'consent in force', 'consent to application', 'not named', NULL,
    to_json({'Scope': scope, 'ConsentType': consent_type}), NULL, NULL, 1
FROM oauth_consents_read

-- name: mailbox_delegations_acts
-- Rights of somebody on another's mailbox; those that were inherited and one's own are no delegation.
INSERT INTO found_acts
SELECT
    'mailbox_delegations', file_id, row_no, NULL, NULL, NULL, NULL, 'delegation in force', 'add-mailboxpermission', 'not named', NULL,
    to_json({'User': delegate, 'Identity': mailbox, 'AccessRights': coalesce(access_rights, permission_type)}), NULL, NULL, 1
FROM mailbox_delegations_read
WHERE is_inherited IS DISTINCT FROM TRUE AND NOT contains(lower(coalesce(delegate, '')), 'nt authority')

-- name: mfa_changes_names
SELECT DISTINCT activity FROM mfa_changes_read WHERE activity IS NOT NULL ORDER BY activity

-- name: mfa_changes_acts
-- Whose factors changed is told, and not who changed them.
INSERT INTO found_acts
SELECT
    'mfa_changes', m.file_id, m.row_no, NULL, NULL, NULL,
    CASE WHEN f.date_order IS DISTINCT FROM 'AMBIGUOUS' THEN m.event_time END, m.activity, o.name, 'not named', m.result, NULL, NULL, NULL, 1
FROM mfa_changes_read AS m
JOIN act_operations AS o ON o.log_type = 'mfa_changes' AND o.operation = m.activity
LEFT JOIN files AS f ON f.file_id = m.file_id
WHERE o.is_act
