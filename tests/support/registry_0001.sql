-- What a program of revision 0001 left in its registry: one row or more of every table, in the SQL that both engines share.
-- Frozen: it is history, and no later revision changes it.

INSERT INTO cases (case_id, folder, context, verdict, identity, registered_at, updated_at, last_run_at) VALUES
    ('oculus', '/evidence/oculus', '{"home_countries": ["AU"], "options": {}}', 'BREACH_INDICATED', 'd1', '2026-03-01 08:00:00.000000', '2026-03-01 08:05:00.000000', '2026-03-01 08:05:00.000000'),
    ('quiet', '/evidence/Zürich ''26', '{}', NULL, NULL, '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', NULL);

INSERT INTO case_status (case_id, stage, updated_at, blocked_by) VALUES
    ('oculus', 'REPORTED', '2026-03-01 08:05:00.000000', NULL),
    ('quiet', 'IMPORTED', '2026-03-02 08:00:00.000000', 'ledger');

INSERT INTO case_tasks (case_id, stage, task, status, updated_at) VALUES
    ('oculus', 'IMPORTED', 'read_files', 'COMPLETE', '2026-03-01 08:05:00.000000'),
    ('oculus', 'IMPORTED', 'balance_ledger', 'COMPLETE', '2026-03-01 08:05:00.000000'),
    ('quiet', 'IMPORTED', 'read_files', 'OPEN', '2026-03-02 08:00:00.000000');

INSERT INTO imports (case_id, run_id, started_at, seconds, rows, status, reason, verifications, recorded_at) VALUES
    ('oculus', 'r1', '2026-03-01 08:00:00.000000', 4.25, 27000, 'PASS', NULL, 3, '2026-03-01 08:05:00.000000'),
    ('quiet', 'r2', '2026-03-02 08:00:00.000000', 0.5, 9000000000, 'FAIL', 'LEDGER', 0, '2026-03-02 08:00:00.123456');

INSERT INTO status_code_reference (log_type, field_name, code_value, meaning, severity, first_seen, last_validated, deprecated) VALUES
    ('sign_in_logs', 'status_error_code', '50126', 'wrong password', 'WARNING', '2025-01-02', '2025-06-07', FALSE),
    ('sign_in_logs', 'status_error_code', '530031', 'device policy', 'CRITICAL', '2025-01-02', '2025-01-02', TRUE);

INSERT INTO status_code_details (code_id, category, outcome, first_factor, portal_status, provenance, method, state)
SELECT code_id, 'bad_credentials', 'failure', 'rejected', 'Failure', 'documented', 'listed', 'ACTIVE' FROM status_code_reference WHERE code_value = '50126';

INSERT INTO status_code_details (code_id, category, state)
SELECT code_id, 'password_correct_blocked', 'PENDING' FROM status_code_reference WHERE code_value = '530031';

INSERT INTO schema_versions (log_type, api_version, schema_hash, detected_date, notes) VALUES
    ('sign_in_logs', 'v1.0', 'aa11', '2026-03-01', NULL),
    ('unified_audit_log', 'beta', 'bb22', '2026-03-02', '12 fields');

INSERT INTO code_sightings (case_id, log_type, field_name, code_value, rows, first_event, last_event, flagged, first_sighted_at, last_sighted_at) VALUES
    ('oculus', 'sign_in_logs', 'status_error_code', '50126', 31, '2026-02-01 00:00:00.000000', '2026-02-28 23:59:59.999999', FALSE, '2026-03-01 08:05:00.000000', '2026-03-01 08:05:00.000000'),
    ('oculus', 'unified_audit_log', 'error_number', '512345', 2, NULL, NULL, TRUE, '2026-03-01 08:05:00.000000', '2026-03-02 08:05:00.000000');

INSERT INTO data_quality_checks (check_name, stage, blocking, severity, runbook, first_run_at) VALUES
    ('ledger_balances', 'intake', TRUE, 'CRITICAL', 'docs/runbooks/quality-check-failure.md', '2026-03-01 08:05:00.000000');

INSERT INTO quality_check_results (case_id, run_id, check_name, passed, blocking, severity, reason, headline, checked_at) VALUES
    ('oculus', 'r1', 'ledger_balances', TRUE, TRUE, 'CRITICAL', '', 'Every row is accounted for.', '2026-03-01 08:05:00.000000'),
    ('quiet', 'r2', 'ledger_balances', FALSE, TRUE, 'CRITICAL', 'LEDGER', 'A row is missing.', '2026-03-02 08:00:00.000000');

INSERT INTO field_reliability_scores (case_id, table_name, field_name, base_score, adjusted_score, rules_applied, computed_at) VALUES
    ('oculus', 'sign_in_logs', 'conditional_access_status', 0.99, 0.98, '["place-of-ipv6"]', '2026-03-01 08:05:00.000000'),
    ('oculus', 'sign_in_logs', 'status', NULL, NULL, '[]', '2026-03-01 08:05:00.000000');

INSERT INTO alerts (rule, case_id, subject, episode, severity, message, recipients, state, raised_at, last_raised_at, times_raised, attempts, claimed_at, next_attempt_at, last_error, delivered_at, acknowledged_at, acknowledged_by) VALUES
    ('breach_indicator', 'oculus', 'case', 1, 'CRITICAL', 'Breach', '["ir@contoso.example"]', 'DELIVERED', '2026-03-01 08:05:00.000000', '2026-03-01 08:05:00.000000', 1, 1, NULL, NULL, NULL, '2026-03-01 08:05:01.000000', NULL, NULL),
    ('quality_check_failure', 'quiet', 'ledger', 0, 'CRITICAL', 'Ledger', '["sre@maia.local"]', 'RECORDED', '2026-03-02 08:00:00.000000', '2026-03-02 08:00:00.000000', 2, 0, NULL, NULL, 'refused', NULL, NULL, NULL);

INSERT INTO overrides (case_id, reason, actor, expires, created_at) VALUES
    ('quiet', 'vendor outage', 'kim', '2026-03-20', '2026-03-02 09:00:00.000000');

INSERT INTO approvals (subject, decision, actor, reason, decided_at) VALUES
    ('sign_in_logs/status_error_code/50126', 'APPROVED', 'lee', NULL, '2026-03-01 09:00:00.000000');

INSERT INTO corrections (case_id, finding, verdict, reason, actor, corrected_at) VALUES
    ('oculus', 'F-002', 'NO_INDICATION', 'travel', 'kim', '2026-03-02 09:00:00.000000');

INSERT INTO audit_log (actor, action, detail, logged_at) VALUES
    ('kim', 'override', '{"case": "quiet", "reason": "vendor outage"}', '2026-03-02 09:00:00.000000'),
    ('kim', 'correct', '{"case": "oculus", "finding": "F-002"}', '2026-03-02 09:00:00.000000');
