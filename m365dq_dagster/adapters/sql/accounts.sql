-- What the evidence shows of each account, as numbers for the verdict. Runs after judge.sql; binds policy numbers.

-- name: address_accounts
-- What came of every account at every address: the one pass over the events that the rules about addresses share.
CREATE OR REPLACE TEMP TABLE address_accounts AS
SELECT
    address, account, min(event_time) AS first_seen, bool_or(outcome = 'SUCCESS') AS entered, bool_or(normalized_status = 'FAILURE') AS failed,
    bool_or(outcome IN ('REJECTED', 'NOT_EVALUATED')) AS refused, count(*) FILTER (WHERE outcome = 'REJECTED') AS rejected,
    min(event_time) FILTER (WHERE outcome = 'SUCCESS') AS first_entered
FROM judged
WHERE counted AND address IS NOT NULL AND account IS NOT NULL
GROUP BY address, account

-- name: home_sprayers
-- Addresses that appeared late, guessed wrong on several accounts that they never entered, and entered fewer than that: a sprayer whose
-- address is placed at home, or nowhere. An office that opens late enters more accounts than it fails on.
CREATE OR REPLACE TEMP TABLE home_sprayers AS
SELECT address, count(*) FILTER (WHERE refused AND NOT entered) AS victims
FROM address_accounts
WHERE address NOT IN (SELECT address FROM known_egress)
GROUP BY address
HAVING count(*) FILTER (WHERE refused AND NOT entered) >= $spray_accounts
   AND count(*) FILTER (WHERE refused AND NOT entered) > count(*) FILTER (WHERE entered)
   AND count(*) FILTER (WHERE entered) > 0
   AND min(first_seen) > CAST($baseline_end AS TIMESTAMP)

-- name: standing_egress
-- Addresses that several accounts use from early on and that do not fail on others: an office, a VPN exit, a proxy of the tenant. One that
-- half of all accounts, and not only a few, succeed from may be opened later.
CREATE OR REPLACE TEMP TABLE standing_egress AS
SELECT address
FROM address_accounts
GROUP BY address
HAVING count(*) FILTER (WHERE entered) >= $egress_accounts
   AND (
       min(first_seen) <= CAST($baseline_end AS TIMESTAMP)
       OR count(*) FILTER (WHERE entered) >= greatest(
           $staff_accounts, $staff_share * (SELECT count(DISTINCT account) FROM address_accounts WHERE entered)
       )
   )
   AND count(*) FILTER (WHERE failed AND NOT entered) < $spray_accounts

-- name: rejected_addresses
-- Where an account was rejected many times and came in, from addresses that nobody came in from early.
CREATE OR REPLACE TEMP TABLE rejected_addresses AS
SELECT account, address
FROM address_accounts
WHERE rejected >= $rejections AND entered AND address NOT IN (
    SELECT address FROM address_accounts WHERE first_entered <= CAST($baseline_end AS TIMESTAMP)
)

-- name: asked_rows
-- Successes of the accounts whose devices are asked for: those with foreign successes, with successes from a sprayer's address, and with
-- many rejections from one address.
CREATE OR REPLACE TEMP TABLE asked_rows AS
SELECT log_type, file_id, row_no, account
FROM judged
WHERE counted AND outcome = 'SUCCESS' AND account IN (
    SELECT account FROM judged WHERE counted AND outcome = 'SUCCESS' AND (is_foreign OR address IN (SELECT address FROM home_sprayers))
    UNION
    SELECT account FROM rejected_addresses
);
CREATE OR REPLACE TEMP VIEW asked_successes AS
SELECT
    j.log_type, j.file_id, j.row_no, j.read_time, j.event_time, j.account, j.address, j.country, r.session_id, j.interactive, j.flow_id,
    j.confidence, j.decided_by, j.legacy_client, j.password_grant, j.is_foreign, r.device_id, r.device_trust_type, r.browser_family, r.os
FROM asked_rows AS a
JOIN logon_rows AS r ON r.log_type = a.log_type AND r.file_id = a.file_id AND r.row_no = a.row_no
JOIN judged AS j ON j.log_type = a.log_type AND j.file_id = a.file_id AND j.row_no = a.row_no

-- name: strangers
-- What is counted of the successes that may be a stranger's; without any, these tables stay empty.
CREATE OR REPLACE TEMP TABLE foreign_successes (
    log_type VARCHAR, file_id INTEGER, row_no BIGINT, read_time TIMESTAMP, event_time TIMESTAMP, account VARCHAR, address VARCHAR,
    country VARCHAR, session_id VARCHAR, interactive BOOLEAN, flow_id VARCHAR, confidence VARCHAR, decided_by VARCHAR, legacy_client BOOLEAN,
    password_grant BOOLEAN, names_device BOOLEAN, own_device BOOLEAN, plausible_device BOOLEAN, unknown_device BOOLEAN, from_egress BOOLEAN
);
CREATE OR REPLACE TEMP TABLE sprayed_addresses (address VARCHAR, victims BIGINT);
CREATE OR REPLACE TEMP TABLE prior_failures (account VARCHAR, failures BIGINT);
CREATE OR REPLACE TEMP TABLE home_sprayed (account VARCHAR, victims BIGINT);
CREATE OR REPLACE TEMP TABLE overlapping (account VARCHAR, successes BIGINT);
CREATE OR REPLACE TEMP TABLE followed_by_critical (account VARCHAR, operation VARCHAR, row_count BIGINT);
CREATE OR REPLACE TEMP TABLE two_places (account VARCHAR, days BIGINT);
CREATE OR REPLACE TEMP TABLE foreign_profile (
    account VARCHAR, success_flows BIGINT, eligible BIGINT, own BIGINT, own_or_plausible BIGINT, egress BIGINT, naming_device BIGINT,
    by_access BIGINT, high BIGINT, timed BIGINT, countries BIGINT, country_changes BIGINT, in_standing_country BIGINT, days BIGINT,
    home_days BIGINT, habitual BOOLEAN, spray_victims BIGINT, legacy BIGINT
)

-- name: home_devices
-- Devices of those accounts at home, and when each was first used there with success: by id, by join type, by browser and system.
CREATE OR REPLACE TEMP TABLE home_devices AS
WITH home AS (
    SELECT account, event_time, lower(device_id) AS device_id, lower(device_trust_type) AS trust, browser_family, os
    FROM asked_successes
    WHERE NOT is_foreign AND country IS NOT NULL AND event_time IS NOT NULL
)
SELECT account, 'id' AS kind, device_id AS signature, min(event_time) AS first_used FROM home WHERE device_id IS NOT NULL GROUP BY account, device_id
UNION ALL
SELECT account, 'join' AS kind, concat(trust, '|', os) AS signature, min(event_time) AS first_used
FROM home WHERE trust IS NOT NULL AND os IS NOT NULL GROUP BY account, concat(trust, '|', os)
UNION ALL
SELECT account, 'client' AS kind, concat(browser_family, '|', os) AS signature, min(event_time) AS first_used
FROM home WHERE browser_family IS NOT NULL AND os IS NOT NULL GROUP BY account, concat(browser_family, '|', os)

-- name: settled
-- The day from which an account's devices at home are known: its third day of success there.
CREATE OR REPLACE TEMP TABLE settled AS
SELECT account, list_sort(list(DISTINCT CAST(event_time AS DATE)))[CAST($days AS INTEGER)] AS day
FROM judged
WHERE counted AND outcome = 'SUCCESS' AND NOT is_foreign AND country IS NOT NULL AND event_time IS NOT NULL
  AND account IN (SELECT account FROM judged WHERE counted AND is_foreign AND outcome = 'SUCCESS')
GROUP BY account

-- name: foreign_successes
-- A device is the owner's own by its id, or by its join type where the row names no id: anybody who holds the password may register a
-- device of his own, so a joined device with a strange id is unknown. Before an account has settled at home there is no earlier use to ask
-- for: what it uses at home later is plausible then, and no more.
INSERT INTO foreign_successes
SELECT
    e.log_type, e.file_id, e.row_no, e.read_time, e.event_time, e.account, e.address, e.country, e.session_id, e.interactive, e.flow_id,
    e.confidence, e.decided_by, e.legacy_client, e.password_grant,
    (e.device_id IS NOT NULL OR (e.browser_family IS NOT NULL AND e.os IS NOT NULL)) AS names_device,
    (i.account IS NOT NULL OR j.account IS NOT NULL) AS own_device,
    (i.account IS NULL AND j.account IS NULL AND (c.account IS NOT NULL OR n.account IS NOT NULL)) AS plausible_device,
    (
        (e.device_id IS NOT NULL AND i.account IS NULL AND n.account IS NULL)
        OR (e.device_id IS NULL AND e.browser_family IS NOT NULL AND e.os IS NOT NULL AND c.account IS NULL AND j.account IS NULL)
    ) AS unknown_device,
    s.address IS NOT NULL AS from_egress
FROM asked_successes AS e
LEFT JOIN settled AS h ON h.account = e.account
LEFT JOIN home_devices AS n ON n.kind = 'id' AND n.account = e.account AND n.signature = lower(e.device_id)
    AND n.first_used >= e.event_time AND (h.day IS NULL OR CAST(e.event_time AS DATE) <= h.day)
LEFT JOIN home_devices AS i ON i.kind = 'id' AND i.account = e.account AND i.signature = lower(e.device_id) AND i.first_used < e.event_time
LEFT JOIN home_devices AS j ON j.kind = 'join' AND j.account = e.account AND e.device_id IS NULL
    AND j.signature = concat(lower(e.device_trust_type), '|', e.os) AND e.device_trust_type IS NOT NULL AND j.first_used < e.event_time
LEFT JOIN home_devices AS c ON c.kind = 'client' AND c.account = e.account
    AND c.signature = concat(e.browser_family, '|', e.os) AND e.browser_family IS NOT NULL
    AND (c.first_used < e.event_time OR (e.event_time IS NOT NULL AND (h.day IS NULL OR CAST(e.event_time AS DATE) <= h.day)))
LEFT JOIN standing_egress AS s ON s.address = e.address
WHERE e.is_foreign

-- name: proven_egress
-- Foreign addresses that several owners reach on their own devices, most of those that succeed from them, and that fail on few others: the
-- staff goes out there, so a colleague's unknown device is no stranger's. Nobody holds the devices of several owners.
CREATE OR REPLACE TEMP TABLE proven_egress AS
SELECT f.address
FROM foreign_successes AS f
WHERE f.address IS NOT NULL AND f.address NOT IN (SELECT address FROM sprayed_addresses WHERE victims >= $spray_accounts)
GROUP BY f.address
HAVING count(DISTINCT f.account) FILTER (WHERE f.own_device) >= $egress_accounts
   AND 2 * count(DISTINCT f.account) FILTER (WHERE f.own_device) >= count(DISTINCT f.account)

-- name: with_the_staff
UPDATE foreign_successes SET own_device = TRUE, plausible_device = FALSE, unknown_device = FALSE, from_egress = TRUE
WHERE address IN (SELECT address FROM proven_egress)

-- name: prior_failures
-- Failures from the country of a foreign success on the same account in the days before the account's first success from there.
INSERT INTO prior_failures
WITH firsts AS (
    SELECT account, country, min(event_time) AS first_success
    FROM foreign_successes
    WHERE event_time IS NOT NULL AND NOT own_device AND NOT from_egress AND NOT plausible_device
    GROUP BY account, country
)
SELECT x.account, max(x.failures) AS failures
FROM (
    SELECT s.account, s.country, count(*) AS failures
    FROM firsts AS s
    JOIN flows AS f
        ON f.account = s.account AND f.country = s.country AND f.is_attempt AND f.outcome <> 'SUCCESS'
        AND f.event_time < s.first_success AND f.event_time >= s.first_success - to_days(CAST($days AS INTEGER))
    GROUP BY s.account, s.country
) AS x
GROUP BY x.account

-- name: sprayed_addresses
-- Addresses of foreign successes and how many other accounts they failed on without ever succeeding.
INSERT INTO sprayed_addresses
SELECT address, count(*) AS victims
FROM address_accounts
WHERE failed AND NOT entered AND address IN (SELECT address FROM foreign_successes)
GROUP BY address

-- name: home_sprayed
-- Accounts that such an address entered from where it is not foreign, from no device that the account used before.
INSERT INTO home_sprayed
SELECT e.account, max(s.victims) AS victims
FROM asked_successes AS e
JOIN home_sprayers AS s ON s.address = e.address
LEFT JOIN home_devices AS i ON i.kind = 'id' AND i.account = e.account AND i.signature = lower(e.device_id) AND i.first_used < e.event_time
WHERE NOT e.is_foreign AND i.account IS NULL
GROUP BY e.account

-- name: overlapping
-- Interactive foreign successes from an unknown device close in time to an interactive home success of the account.
INSERT INTO overlapping
WITH abroad AS (
    SELECT account, event_time, flow_id
    FROM foreign_successes
    WHERE interactive AND unknown_device AND NOT own_device AND NOT from_egress AND event_time IS NOT NULL
      AND flow_id IN (SELECT flow_id FROM flows)
),
both_sides AS (
    SELECT account, event_time, flow_id FROM abroad
    UNION ALL
    SELECT account, event_time, NULL AS flow_id FROM judged
    WHERE counted AND outcome = 'SUCCESS' AND NOT is_foreign AND country IS NOT NULL AND interactive AND event_time IS NOT NULL
      AND account IN (SELECT account FROM abroad)
),
close AS (
    SELECT
        account, flow_id,
        count(*) FILTER (WHERE flow_id IS NULL) OVER (
            PARTITION BY account ORDER BY event_time
            RANGE BETWEEN to_hours(CAST($hours AS INTEGER)) PRECEDING AND to_hours(CAST($hours AS INTEGER)) FOLLOWING
        ) AS at_home
    FROM both_sides
)
SELECT account, count(DISTINCT flow_id) AS successes
FROM close
WHERE flow_id IS NOT NULL AND at_home > 0
GROUP BY account

-- name: raise_after_foreign
-- What is ordinary by itself is grave where it follows a foreign success from the same address or session that neither the owner's own
-- device nor a standing egress explains.
UPDATE indicator_rows SET severity = 'CRITICAL', followed = TRUE
FROM (
    SELECT DISTINCT account, kind, place, event_time
    FROM (
        SELECT
            account, kind, place, event_time, enters,
            max(event_time) FILTER (WHERE enters) OVER (PARTITION BY account, kind, place ORDER BY event_time) AS entered_at
        FROM (
            SELECT account, 'address' AS kind, address AS place, event_time, TRUE AS enters
            FROM foreign_successes WHERE NOT own_device AND NOT from_egress
            UNION ALL
            SELECT account, 'session', session_id, event_time, TRUE FROM foreign_successes WHERE NOT own_device AND NOT from_egress
            UNION ALL
            SELECT account, 'address', address, event_time, FALSE FROM indicator_rows WHERE is_person AND after_foreign = 'CRITICAL'
            UNION ALL
            SELECT account, 'session', session_id, event_time, FALSE FROM indicator_rows WHERE is_person AND after_foreign = 'CRITICAL'
        ) AS told
        WHERE account IS NOT NULL AND place IS NOT NULL AND event_time IS NOT NULL
    ) AS seen
    WHERE NOT enters AND event_time <= entered_at + to_hours(CAST($hours AS INTEGER))
) AS f
WHERE is_person AND after_foreign = 'CRITICAL' AND f.account = indicator_rows.account AND f.event_time = indicator_rows.event_time
  AND f.place = CASE f.kind WHEN 'address' THEN indicator_rows.address ELSE indicator_rows.session_id END

-- name: critical_operations
-- What persons did that is grave by its parameters or by what it followed; habits are taken out before.
CREATE OR REPLACE TEMP TABLE critical_operations AS
SELECT log_type, file_id, row_no, account, address, session_id, event_time, operation, name, indicator, detail
FROM indicator_rows
WHERE severity = 'CRITICAL' AND is_person AND account IS NOT NULL

-- name: followed_by_critical
-- Foreign successes followed from the same address or session by a critical persistence or exfiltration operation that is no habit.
INSERT INTO followed_by_critical
WITH told AS (
    SELECT account, 'address' AS kind, address AS place, event_time, NULL AS operation FROM foreign_successes
    UNION ALL
    SELECT account, 'session', session_id, event_time, NULL FROM foreign_successes
    UNION ALL
    SELECT account, 'address', address, event_time, operation FROM critical_operations
    WHERE indicator IN ('persistence', 'exfiltration') AND log_type IN ('unified_audit_log', 'entra_audit_logs')
    UNION ALL
    SELECT account, 'session', session_id, event_time, operation FROM critical_operations
    WHERE indicator IN ('persistence', 'exfiltration') AND log_type IN ('unified_audit_log', 'entra_audit_logs')
),
seen AS (
    SELECT
        account, operation, event_time,
        max(event_time) FILTER (WHERE operation IS NULL) OVER (PARTITION BY account, kind, place ORDER BY event_time) AS entered_at
    FROM told
    WHERE place IS NOT NULL AND event_time IS NOT NULL
)
SELECT account, min(operation) AS operation, count(*) AS row_count
FROM seen
WHERE operation IS NOT NULL AND event_time <= entered_at + to_hours(CAST($hours AS INTEGER))
GROUP BY account

-- name: standing_countries
-- Countries that several accounts succeeded in from the first quarter on.
CREATE OR REPLACE TEMP TABLE standing_countries AS
SELECT country
FROM judged
WHERE counted AND outcome = 'SUCCESS' AND account IS NOT NULL AND country IS NOT NULL AND event_time <= CAST($baseline_end AS TIMESTAMP)
GROUP BY country
HAVING count(DISTINCT account) >= $accounts

-- name: homes_elsewhere
-- Accounts with a home of their own beside the case's.
SELECT count(*) FROM own_homes WHERE country NOT IN (SELECT country FROM case_homes)

-- name: two_places
-- Accounts with a home of their own beside the case's, and on how many days they succeeded both there and elsewhere while no device that is
-- named was used in both: two people may use them, one of them from the first days.
INSERT INTO two_places
WITH present AS (
    SELECT
        account, country, CAST(event_time AS DATE) AS day,
        coalesce(lower(device_id), CASE WHEN browser_family IS NOT NULL AND os IS NOT NULL THEN concat(browser_family, '|', os) END) AS device
    FROM events
    WHERE counted AND outcome = 'SUCCESS' AND country IS NOT NULL AND event_time IS NOT NULL
      AND account IN (SELECT account FROM own_homes WHERE country NOT IN (SELECT country FROM case_homes))
    GROUP BY account, country, day, device
),
compared AS (
    SELECT
        account, country, day, device,
        min(country) OVER (PARTITION BY account, day) <> max(country) OVER (PARTITION BY account, day) AS elsewhere,
        min(country) OVER (PARTITION BY account, device) <> max(country) OVER (PARTITION BY account, device) AS in_both
    FROM present
)
SELECT a.account, count(DISTINCT a.day) AS days
FROM compared AS a
JOIN own_homes AS o ON o.account = a.account AND o.country = a.country
WHERE a.country NOT IN (SELECT country FROM case_homes) AND a.elsewhere AND NOT (a.device IS NOT NULL AND a.in_both)
GROUP BY a.account

-- name: foreign_profile
-- Per account: its foreign successes by device and origin, and whether they look like a journey.
INSERT INTO foreign_profile
WITH success_flows AS (
    SELECT
        s.*, lag(s.country) OVER (PARTITION BY s.account ORDER BY s.event_time, s.file_id, s.row_no) AS country_before,
        s.country IN (SELECT country FROM standing_countries) AS in_standing_country
    FROM flows AS f
    JOIN foreign_successes AS s ON s.file_id = f.file_id AND s.row_no = f.row_no AND s.log_type = f.log_type
),
spans AS (
    SELECT account, CAST(event_time AS DATE) AS day FROM foreign_successes WHERE event_time IS NOT NULL GROUP BY account, CAST(event_time AS DATE)
),
home_on_days AS (
    SELECT s.account, count(*) AS overlapping_days
    FROM spans AS s
    WHERE EXISTS (
        SELECT 1 FROM judged AS e
        WHERE e.account = s.account AND e.counted AND e.outcome = 'SUCCESS' AND NOT e.is_foreign AND e.country IS NOT NULL
          AND e.interactive AND CAST(e.event_time AS DATE) = s.day
    )
    GROUP BY s.account
)
SELECT
    f.account,
    count(*) AS success_flows,
    count(*) FILTER (WHERE NOT f.own_device AND NOT f.from_egress AND NOT f.plausible_device) AS eligible,
    count(*) FILTER (WHERE f.own_device) AS own,
    count(*) FILTER (WHERE f.own_device OR f.plausible_device) AS own_or_plausible,
    count(*) FILTER (WHERE f.from_egress) AS egress,
    count(*) FILTER (WHERE f.names_device) AS naming_device,
    count(*) FILTER (WHERE f.decided_by = 'conditional_access_status') AS by_access,
    count(*) FILTER (WHERE f.confidence = 'HIGH') AS high,
    count(*) FILTER (WHERE f.read_time IS NOT NULL) AS timed,
    count(DISTINCT f.country) AS countries,
    count(*) FILTER (WHERE f.country_before <> f.country) AS country_changes,
    count(*) FILTER (WHERE f.in_standing_country) AS in_standing_country,
    count(DISTINCT CAST(f.event_time AS DATE)) AS days,
    coalesce(max(h.overlapping_days), 0) AS home_days,
    coalesce(
        count(DISTINCT CAST(f.event_time AS DATE)) >= $habit_days
        AND min(f.event_time) <= CAST($baseline_end AS TIMESTAMP) AND max(f.event_time) >= CAST($middle AS TIMESTAMP), FALSE
    ) AS habitual,
    coalesce(max(v.victims) FILTER (WHERE NOT f.own_device AND NOT f.from_egress), 0) AS spray_victims,
    count(*) FILTER (WHERE f.legacy_client OR f.password_grant) AS legacy
FROM success_flows AS f
LEFT JOIN home_on_days AS h ON h.account = f.account
LEFT JOIN sprayed_addresses AS v ON v.address = f.address
GROUP BY f.account

-- name: lead_rejections
-- Many rejections on an account from an address without early success, then a success from it, not from the owner's own device.
SELECT s.account, s.address, min(r.first_rejected) AS begins, min(s.event_time) AS ends
FROM asked_successes AS s
JOIN (
    SELECT DISTINCT account, address, event_time AS at_time, first_rejected
    FROM (
        SELECT
            account, address, event_time, outcome, count(*) FILTER (WHERE outcome = 'REJECTED') OVER before AS rejections,
            min(event_time) FILTER (WHERE outcome = 'REJECTED') OVER before AS first_rejected
        FROM judged
        WHERE counted AND outcome IN ('SUCCESS', 'REJECTED') AND event_time IS NOT NULL
          AND (account, address) IN (SELECT (account, address) FROM rejected_addresses)
        WINDOW before AS (
            PARTITION BY account, address ORDER BY event_time
            RANGE BETWEEN to_hours(CAST($hours AS INTEGER)) PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
        )
    ) AS tried
    WHERE outcome = 'SUCCESS' AND rejections >= $rejections
) AS r ON r.account = s.account AND r.address = s.address AND r.at_time = s.event_time
WHERE NOT EXISTS (
    SELECT 1 FROM home_devices AS i
    WHERE i.kind = 'id' AND i.account = s.account AND i.signature = lower(s.device_id) AND i.first_used < r.first_rejected
  )
  AND s.address NOT IN (
    SELECT address FROM judged
    WHERE counted AND outcome = 'SUCCESS' AND address IN (SELECT address FROM rejected_addresses)
      AND event_time <= CAST($baseline_end AS TIMESTAMP)
  )
GROUP BY s.account, s.address
ORDER BY s.account, s.address

-- name: lead_new_addresses
-- An address first seen after the baseline that succeeds on several accounts to which it is foreign, from devices that are not their own.
SELECT address, list(DISTINCT account ORDER BY account) AS accounts, min(event_time) AS begins, max(event_time) AS ends
FROM foreign_successes
WHERE address IS NOT NULL AND NOT own_device AND address NOT IN (
    SELECT address FROM judged WHERE counted AND address IS NOT NULL AND (event_time IS NULL OR event_time <= CAST($baseline_end AS TIMESTAMP))
)
GROUP BY address
HAVING count(DISTINCT account) >= $accounts
ORDER BY address

-- name: mfa_denials
SELECT count(*) FROM adjudicated WHERE counted AND code = '500121'

-- name: lead_mfa_denials
-- Repeated denials of the second factor, then a success. The owner who refused prompts that others caused, and goes on working from where he
-- had worked before, is no lead: prompts and success are logged with the address that asked for them.
WITH asked AS (
    SELECT
        account, address, event_time, outcome = 'SUCCESS' AS entered,
        coalesce(code = '500121' AND decided_by IN ('status_error_code', 'error_number'), FALSE) AS denied
    FROM judged
    WHERE counted AND event_time IS NOT NULL AND (outcome = 'SUCCESS' OR code = '500121')
      AND account IN (SELECT account FROM judged WHERE counted AND code = '500121' GROUP BY account HAVING count(*) >= $denials)
),
compared AS (
    SELECT
        account, event_time, entered, count(*) FILTER (WHERE denied) OVER before AS denials,
        min(event_time) FILTER (WHERE denied) OVER before AS first_denied,
        count(*) FILTER (WHERE denied) OVER before_from_here AS denials_from_here,
        CASE WHEN address IS NOT NULL THEN min(event_time) FILTER (WHERE entered) OVER (PARTITION BY account, address) END AS first_entered
    FROM asked
    WINDOW
        before AS (
            PARTITION BY account ORDER BY event_time
            RANGE BETWEEN to_hours(CAST($hours AS INTEGER)) PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
        ),
        before_from_here AS (
            PARTITION BY account, address ORDER BY event_time
            RANGE BETWEEN to_hours(CAST($hours AS INTEGER)) PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
        )
)
SELECT account, first_denied AS begins, min(event_time) AS ends
FROM compared
WHERE entered AND denials >= $denials AND (denials_from_here > 0 OR NOT coalesce(first_entered < first_denied, FALSE))
GROUP BY account, first_denied
ORDER BY account, begins

-- name: lead_known_bad
-- Successes from an address that the responder knows to be the attacker's.
SELECT account, list(DISTINCT address ORDER BY address) AS addresses, min(event_time) AS begins, max(event_time) AS ends
FROM judged
WHERE counted AND outcome = 'SUCCESS' AND account IS NOT NULL AND address IN (SELECT address FROM known_bad)
GROUP BY account
ORDER BY account

-- name: absent_accounts
-- Accounts in scope that no log of the case holds.
SELECT asked.account
FROM (SELECT unnest($accounts) AS account) AS asked
WHERE asked.account NOT IN (SELECT account FROM judged WHERE account IS NOT NULL)
  AND asked.account NOT IN (SELECT account FROM unified_audit_log WHERE account IS NOT NULL)
ORDER BY asked.account

-- name: lead_legacy
SELECT account, list(DISTINCT address ORDER BY address) FILTER (WHERE address IS NOT NULL) AS addresses, min(event_time) AS begins, max(event_time) AS ends
FROM foreign_successes
WHERE legacy_client OR password_grant
GROUP BY account
ORDER BY account

-- name: lead_sessions
-- One session in two countries, unless the owner's own device took it abroad or all of them are known to be home.
WITH several AS (
    SELECT session_id FROM logon_rows WHERE session_id IS NOT NULL GROUP BY session_id HAVING count(*) > 1
)
SELECT e.session_id, list(DISTINCT e.account ORDER BY e.account) FILTER (WHERE e.account IS NOT NULL) AS accounts,
       list(DISTINCT e.address ORDER BY e.address) FILTER (WHERE e.address IS NOT NULL) AS addresses, min(e.event_time) AS begins,
       max(e.event_time) AS ends
FROM events AS e
LEFT JOIN (SELECT log_type, file_id, row_no FROM foreign_successes WHERE own_device) AS o
    ON o.log_type = e.log_type AND o.file_id = e.file_id AND o.row_no = e.row_no
WHERE e.session_id IN (SELECT session_id FROM several) AND e.counted AND e.country IS NOT NULL AND e.outcome = 'SUCCESS'
GROUP BY e.session_id
HAVING count(DISTINCT e.country) FILTER (WHERE o.row_no IS NULL) > 1
   AND bool_or(e.is_foreign OR ((SELECT count(*) FROM case_homes) = 0 AND coalesce(e.account NOT IN (SELECT account FROM own_homes), TRUE)))
ORDER BY e.session_id

-- name: accounts
SELECT
    e.account,
    e.row_count, e.success, e.blocked, e.rejected, e.unknown, e.foreign_success, e.foreign_accepted, e.attempts,
    e.unfirm_rows, e.success_untimed, e.any_device,
    coalesce(w.foreign_attempts, 0) AS foreign_attempts,
    coalesce(w.foreign_success_flows, 0) AS foreign_success_flows,
    coalesce(w.foreign_open, 0) AS foreign_open,
    coalesce(w.success_flows, 0) AS success_flows,
    coalesce(w.flow_count, 0) AS flow_count,
    coalesce(p.eligible, 0) AS eligible, coalesce(p.own, 0) AS own, coalesce(p.own_or_plausible, 0) AS own_or_plausible,
    coalesce(p.egress, 0) AS egress, coalesce(p.naming_device, 0) AS naming_device, coalesce(p.by_access, 0) AS by_access,
    coalesce(p.high, 0) AS high, coalesce(p.timed, 0) AS timed, coalesce(p.countries, 0) AS countries, coalesce(p.country_changes, 0) AS country_changes,
    coalesce(p.in_standing_country, 0) AS in_standing_country, coalesce(p.days, 0) AS days,
    coalesce(p.home_days, 0) AS home_days, coalesce(p.habitual, FALSE) AS habitual, coalesce(p.spray_victims, 0) AS spray_victims,
    coalesce(v.failures, 0) AS prior_failures, coalesce(o.successes, 0) AS overlapping,
    coalesce(y.victims, 0) AS home_spray_victims, coalesce(t.days, 0) AS two_places, k.operation AS critical_operation, h.homes
FROM (
    SELECT
        account, count(*) AS row_count,
        count(*) FILTER (WHERE outcome = 'SUCCESS') AS success,
        count(*) FILTER (WHERE outcome = 'BLOCKED_AFTER_FIRST_FACTOR') AS blocked,
        count(*) FILTER (WHERE outcome = 'REJECTED') AS rejected,
        count(*) FILTER (WHERE outcome IN ('UNKNOWN', 'CONFLICT')) AS unknown,
        count(*) FILTER (WHERE outcome = 'SUCCESS' AND is_foreign) AS foreign_success,
        count(*) FILTER (WHERE accepted AND is_foreign AND outcome <> 'SUCCESS') AS foreign_accepted,
        count(*) FILTER (WHERE normalized_status <> 'UNKNOWN') AS attempts,
        count(*) FILTER (WHERE NOT firm AND outcome NOT IN ('UNKNOWN', 'CONFLICT')) AS unfirm_rows,
        count(*) FILTER (WHERE outcome = 'SUCCESS' AND read_time IS NOT NULL) = 0 AS success_untimed,
        bool_or(names_device) AS any_device
    FROM judged
    WHERE counted AND account IS NOT NULL
    GROUP BY account
) AS e
LEFT JOIN (
    SELECT
        account,
        count(*) AS flow_count,
        count(*) FILTER (WHERE outcome = 'SUCCESS') AS success_flows,
        count(*) FILTER (WHERE is_foreign AND is_attempt) AS foreign_attempts,
        count(*) FILTER (WHERE is_foreign AND outcome = 'SUCCESS') AS foreign_success_flows,
        count(*) FILTER (WHERE is_foreign AND outcome IN ('UNKNOWN', 'CONFLICT')) AS foreign_open
    FROM flows
    WHERE account IS NOT NULL
    GROUP BY account
) AS w ON w.account = e.account
LEFT JOIN foreign_profile AS p ON p.account = e.account
LEFT JOIN prior_failures AS v ON v.account = e.account
LEFT JOIN overlapping AS o ON o.account = e.account
LEFT JOIN home_sprayed AS y ON y.account = e.account
LEFT JOIN two_places AS t ON t.account = e.account
LEFT JOIN followed_by_critical AS k ON k.account = e.account
LEFT JOIN (SELECT account, list(country ORDER BY country) AS homes FROM own_homes GROUP BY account) AS h ON h.account = e.account
ORDER BY e.account

-- name: case_rows
SELECT
    log_type, counted, outcome, count(*) AS row_count,
    count(*) FILTER (WHERE firm) AS firm_rows,
    count(*) FILTER (WHERE is_foreign) AS foreign_rows,
    count(*) FILTER (WHERE country IS NULL) AS no_country,
    count(*) FILTER (WHERE decided_by = 'conditional_access_status') AS by_access,
    count(*) FILTER (WHERE accepted AND outcome <> 'SUCCESS') AS accepted_rows
FROM judged
GROUP BY log_type, counted, outcome
ORDER BY log_type, counted, outcome

-- name: case_flows
SELECT
    count(*) AS flow_count,
    count(*) FILTER (WHERE outcome = 'SUCCESS') AS success,
    count(*) FILTER (WHERE is_foreign AND is_attempt) AS foreign_attempts,
    count(*) FILTER (WHERE is_foreign AND outcome = 'SUCCESS') AS foreign_success
FROM flows

-- name: case_numbers
-- Of the counted rows: codes that tell a failure; types of sign-in; successes that may be an intruder's, from abroad or from a sprayer's
-- address, and are told by more than a uniform field; successes outside the case's home that name no account and are of no application, so
-- that nobody's home can be held against them.
SELECT
    count(DISTINCT code_key) FILTER (WHERE normalized_status = 'FAILURE' AND decided_by IN ('status_error_code', 'error_number')) AS codes,
    list(DISTINCT sign_in_type ORDER BY sign_in_type) FILTER (WHERE sign_in_type IS NOT NULL) AS sign_in_types,
    count(*) FILTER (
        WHERE outcome = 'SUCCESS' AND confidence <> 'LOW' AND (is_foreign OR address IN (SELECT address FROM home_sprayers))
    ) AS sure_foreign,
    count(*) FILTER (
        WHERE outcome = 'SUCCESS' AND account IS NULL AND country IS NOT NULL
          AND coalesce(sign_in_type, '') NOT IN ('serviceprincipal', 'managedidentity')
          AND country NOT IN (SELECT country FROM case_homes) AND coalesce(address, '') NOT IN (SELECT address FROM known_egress)
    ) AS nameless
FROM judged
WHERE counted

-- name: ambiguous_dates
SELECT count(*) FROM files WHERE date_order = 'AMBIGUOUS'

-- name: unread_files
-- Files of the folder that no format takes, and rows that could not be read.
SELECT path FROM files WHERE status IN ('UNRECOGNISED', 'REFUSED') ORDER BY path

-- name: unmatched_audit_logons
-- Successful logons of the audit log from an account and address that the sign-in log does not hold.
SELECT count(*) AS row_count, count(DISTINCT u.account) AS accounts
FROM judged AS u
WHERE u.log_type = 'unified_audit_log' AND NOT u.counted AND u.outcome = 'SUCCESS'
  AND NOT EXISTS (
    SELECT 1 FROM judged AS s WHERE s.counted AND s.account = u.account AND s.address IS NOT DISTINCT FROM u.address
      AND s.outcome IN ('SUCCESS', 'INTERRUPTED', 'UNKNOWN')
  )

-- name: corroborate
-- A success that only Conditional Access tells is sure where the same account acts from the same address or session in another log.
INSERT INTO corroborated
SELECT p.log_type, p.file_id, p.row_no
FROM placed AS p
LEFT JOIN (
    SELECT DISTINCT account, address FROM unified_audit_log
    WHERE account IS NOT NULL AND address IS NOT NULL AND operation <> 'UserLoginFailed'
) AS a ON a.account = p.account AND a.address = p.address
LEFT JOIN (
    SELECT DISTINCT account, session_id FROM unified_audit_log
    WHERE account IS NOT NULL AND session_id IS NOT NULL AND operation <> 'UserLoginFailed'
) AS s ON s.account = p.account AND s.session_id = p.session_id
WHERE p.decided_by = 'conditional_access_status' AND p.outcome = 'SUCCESS' AND p.confidence <> 'LOW'
  AND (a.account IS NOT NULL OR s.account IS NOT NULL)

-- name: critical_by_persons
-- One act that two logs hold is one: the log with more of its rows counts.
SELECT min(operation) AS operation, max(row_count) AS row_count, max(accounts) AS accounts
FROM (
    SELECT name, log_type, min(operation) AS operation, count(*) AS row_count, count(DISTINCT account) AS accounts
    FROM critical_operations
    WHERE log_type NOT IN ('risk_detections', 'risky_users')
    GROUP BY name, log_type
) AS by_log
GROUP BY name
ORDER BY operation

-- name: accounts_at_risk
-- Accounts that a risk engine holds open at a high level, or whose compromise somebody confirmed.
SELECT DISTINCT account FROM critical_operations WHERE log_type IN ('risk_detections', 'risky_users') ORDER BY account
