-- What the rivals of the scoreboard are shown: the rows as they were taken in, as texts, and the columns they came from. Never asked when a case is judged.

-- name: readings
-- Sign-ins of both tables and the logons of the audit log; rows that say the same together.
SELECT
    file_id, 'sign_in_logs' AS log_type, trim(status_raw) AS status, trim(status_error_code_raw) AS code,
    trim(conditional_access_status_raw) AS access, NULL AS result, NULL AS number, NULL AS operation, account, country, count(*) AS row_count
FROM sign_in_logs
GROUP BY ALL
UNION ALL
SELECT
    file_id, 'legacy_auth_logs' AS log_type, trim(status_raw) AS status, trim(status_error_code_raw) AS code,
    trim(conditional_access_status_raw) AS access, NULL AS result, NULL AS number, NULL AS operation, account, country, count(*) AS row_count
FROM legacy_auth_logs
GROUP BY ALL
UNION ALL
SELECT
    file_id, 'unified_audit_log' AS log_type, NULL AS status, NULL AS code, NULL AS access, trim(result_status_raw) AS result,
    trim(error_number_raw) AS number, operation, account, country, count(*) AS row_count
FROM unified_audit_log
WHERE is_logon
GROUP BY ALL
ORDER BY ALL

-- name: exports
-- Every judged log of every file with the file's columns in their order, and the column of each outcome field.
SELECT f.file_id, p.log_type, f.header, map(list(p.field ORDER BY p.field), list(p.provenance ORDER BY p.field)) AS sources
FROM files AS f
JOIN field_provenance AS p ON p.file_id = f.file_id
WHERE
    p.log_type IN ('sign_in_logs', 'legacy_auth_logs', 'unified_audit_log')
    AND p.field IN ('status', 'status_error_code', 'conditional_access_status', 'result_status', 'error_number', 'operation')
GROUP BY f.file_id, p.log_type, f.header
ORDER BY f.file_id, p.log_type
