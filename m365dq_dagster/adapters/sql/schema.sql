-- Tables of one generation of a case. Canonical columns hold what the source held or NULL; `*_raw` columns hold the source's text as read.
-- file_id and row_no lead back to a line of a hashed file.

CREATE TABLE case_meta (key VARCHAR PRIMARY KEY, value VARCHAR);

CREATE TABLE table_stamps (
    table_name VARCHAR PRIMARY KEY,
    evidence_digest VARCHAR NOT NULL,
    context_digest VARCHAR NOT NULL,
    pack_hash VARCHAR NOT NULL,
    written_at TIMESTAMP NOT NULL
);

CREATE TABLE files (
    file_id INTEGER PRIMARY KEY,
    path VARCHAR NOT NULL,
    sha256 VARCHAR,
    bytes BIGINT NOT NULL,
    encoding VARCHAR,
    format VARCHAR,
    log_type VARCHAR,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    rows_read BIGINT NOT NULL DEFAULT 0,
    rows_imported BIGINT NOT NULL DEFAULT 0,
    rows_duplicate BIGINT NOT NULL DEFAULT 0,
    rows_quarantined BIGINT NOT NULL DEFAULT 0,
    rows_declared BIGINT,
    rows_stand_for BIGINT,
    window_from TIMESTAMP,
    window_to TIMESTAMP,
    first_event TIMESTAMP,
    last_event TIMESTAMP,
    date_order VARCHAR,
    header VARCHAR
);

-- Which formats the records of a file have: one, or several where a document holds records of many logs.
CREATE TABLE file_formats (file_id INTEGER NOT NULL, log_type VARCHAR NOT NULL, format VARCHAR NOT NULL);

CREATE TABLE quarantine (file_id INTEGER NOT NULL, row_no BIGINT, reason VARCHAR NOT NULL, detail VARCHAR, raw VARCHAR);

CREATE TABLE duplicates (
    file_id INTEGER NOT NULL,
    row_no BIGINT NOT NULL,
    of_file_id INTEGER NOT NULL,
    of_row_no BIGINT NOT NULL,
    rule VARCHAR NOT NULL
);

CREATE TABLE completeness (
    kind VARCHAR NOT NULL,
    log_type VARCHAR,
    from_time TIMESTAMP,
    to_time TIMESTAMP,
    detail VARCHAR NOT NULL
);

CREATE TABLE field_provenance (
    file_id INTEGER NOT NULL,
    log_type VARCHAR NOT NULL,
    field VARCHAR NOT NULL,
    provenance VARCHAR NOT NULL
);

CREATE TABLE sign_in_logs (
    file_id INTEGER NOT NULL,
    row_no BIGINT NOT NULL,
    event_id VARCHAR,
    event_time TIMESTAMP,
    event_time_raw VARCHAR,
    correlation_id VARCHAR,
    session_id VARCHAR,
    unique_token_id VARCHAR,
    user_id VARCHAR,
    user_principal_name VARCHAR,
    user_display_name VARCHAR,
    account VARCHAR,
    is_person BOOLEAN,
    user_type VARCHAR,
    service_principal_id VARCHAR,
    service_principal_name VARCHAR,
    sign_in_event_type VARCHAR,
    is_interactive BOOLEAN,
    app_id VARCHAR,
    app_display_name VARCHAR,
    resource_display_name VARCHAR,
    client_app_used VARCHAR,
    authentication_protocol VARCHAR,
    authentication_requirement VARCHAR,
    incoming_token_type VARCHAR,
    ip_address VARCHAR,
    address VARCHAR,
    country VARCHAR,
    city VARCHAR,
    device_id VARCHAR,
    device_trust_type VARCHAR,
    browser VARCHAR,
    os VARCHAR,
    user_agent VARCHAR,
    status_error_code VARCHAR,
    status_error_code_raw VARCHAR,
    status_error_code_copy VARCHAR,
    status VARCHAR,
    status_raw VARCHAR,
    conditional_access_status VARCHAR,
    conditional_access_status_raw VARCHAR,
    failure_reason VARCHAR,
    risk_level_aggregated VARCHAR,
    risk_level_during VARCHAR,
    risk_state VARCHAR
);

-- A legacy-authentication export tells of sign-ins with the same columns.
CREATE TABLE legacy_auth_logs AS FROM sign_in_logs WITH NO DATA;

CREATE TABLE unified_audit_log (
    file_id INTEGER NOT NULL,
    row_no BIGINT NOT NULL,
    event_id VARCHAR,
    event_time TIMESTAMP,
    event_time_raw VARCHAR,
    record_type VARCHAR,
    operation VARCHAR,
    workload VARCHAR,
    user_id VARCHAR,
    user_key VARCHAR,
    account VARCHAR,
    is_person BOOLEAN,
    user_type VARCHAR,
    organization_id VARCHAR,
    is_logon BOOLEAN NOT NULL,
    result_status VARCHAR,
    result_status_raw VARCHAR,
    error_number VARCHAR,
    error_number_raw VARCHAR,
    logon_error VARCHAR,
    ip_address VARCHAR,
    address VARCHAR,
    country VARCHAR,
    session_id VARCHAR,
    unique_token_id VARCHAR,
    correlation_id VARCHAR,
    user_agent VARCHAR,
    client_info_string VARCHAR,
    app_id VARCHAR,
    object_id VARCHAR,
    mail_access_type VARCHAR,
    is_throttled BOOLEAN,
    operation_count BIGINT,
    parameters VARCHAR
);
