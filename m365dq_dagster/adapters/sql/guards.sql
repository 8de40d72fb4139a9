-- Tables of ours that keep one JSON object a row, as the columns that their guards look at.

-- name: field_profiles
CREATE OR REPLACE TEMP VIEW guarded_field_profiles AS
SELECT
    body ->> '$.log_type' AS log_type,
    body ->> '$.field' AS field,
    body ->> '$.role' AS role,
    TRY_CAST(body ->> '$.applicable_rows' AS BIGINT) AS applicable_rows,
    TRY_CAST(body ->> '$.population' AS DOUBLE) AS population,
    TRY_CAST(body ->> '$.top_share' AS DOUBLE) AS top_share,
    TRY_CAST(body ->> '$.uniqueness_ratio' AS DOUBLE) AS uniqueness_ratio,
    TRY_CAST(body ->> '$.normalized_entropy' AS DOUBLE) AS normalized_entropy,
    TRY_CAST(body ->> '$.discriminatory_power' AS DOUBLE) AS discriminatory_power,
    TRY_CAST(body ->> '$.decisiveness' AS DOUBLE) AS decisiveness,
    TRY_CAST(body ->> '$.consistency' AS DOUBLE) AS consistency,
    TRY_CAST(body ->> '$.base_score' AS DOUBLE) AS base_score,
    TRY_CAST(body ->> '$.score' AS DOUBLE) AS score,
    body ->> '$.state' AS state,
    TRY_CAST(body ->> '$.may_testify' AS BOOLEAN) AS may_testify,
    body ->> '$.cause' AS cause,
    body ->> '$.provenance' AS provenance
FROM field_profiles

-- name: recommendations
CREATE OR REPLACE TEMP VIEW guarded_recommendations AS
SELECT
    body ->> '$.log_type' AS log_type,
    body ->> '$.field' AS field,
    TRY_CAST(body ->> '$.score' AS DOUBLE) AS score,
    body ->> '$.confidence' AS confidence
FROM recommendations

-- name: account_verdicts
CREATE OR REPLACE TEMP VIEW guarded_account_verdicts AS
SELECT
    body ->> '$.account' AS account,
    TRY_CAST(body ->> '$.events' AS BIGINT) AS events,
    TRY_CAST(body ->> '$.success' AS BIGINT) AS success,
    TRY_CAST(body ->> '$.foreign_attempt_success_rate' AS DOUBLE) AS foreign_attempt_success_rate,
    TRY_CAST(body ->> '$.foreign_share_of_success' AS DOUBLE) AS foreign_share_of_success,
    TRY_CAST(body ->> '$.foreign_share_of_all' AS DOUBLE) AS foreign_share_of_all,
    body ->> '$.verdict' AS verdict,
    body ->> '$.confidence' AS confidence
FROM account_verdicts

-- name: findings
CREATE OR REPLACE TEMP VIEW guarded_findings AS
SELECT
    body ->> '$.id' AS id,
    body ->> '$.claim' AS claim,
    body ->> '$.severity' AS severity,
    body ->> '$.confidence' AS confidence,
    body ->> '$.rule_pack' AS rule_pack,
    TRY_CAST(body ->> '$.verified' AS BOOLEAN) AS verified,
    TRY_CAST(body ->> '$.contradictions' AS BIGINT) AS contradictions
FROM findings
