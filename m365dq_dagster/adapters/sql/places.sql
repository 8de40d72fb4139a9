-- Where addresses are: what a database of countries adds to the exports, and where locations contradict each other. Works on distinct
-- addresses and on sightings (address, account, country, day), never on pairs of rows. Runs after the statement `logons` of judge.sql.

-- name: forget_database
-- Take back what an earlier run wrote into the provenance, so that it may be written anew.
UPDATE field_provenance SET provenance = CASE
    WHEN starts_with(provenance, 'derived:country_database') THEN 'absent'
    ELSE split_part(provenance, ' or derived:country_database', 1)
END
WHERE field = 'country' AND contains(provenance, 'derived:country_database')

-- name: address_places
CREATE OR REPLACE TABLE address_places (address VARCHAR, country VARCHAR)

-- name: clear_places
DELETE FROM address_places

-- name: reach
-- First and last moment of the logons, as read.
SELECT min(read_time), max(read_time) FROM logons

-- name: agreement
-- Over the addresses that exports and database both place: how many, how many differ, the rows of those, and the busiest examples.
SELECT
    count(*) AS compared, count(*) FILTER (WHERE a.country <> p.country) AS differing,
    coalesce(CAST(sum(a.all_rows) FILTER (WHERE a.country <> p.country) AS BIGINT), 0) AS row_count,
    coalesce(
        list((a.address, a.country, p.country) ORDER BY a.all_rows DESC, a.address) FILTER (WHERE a.country <> p.country)[1:3], []
    ) AS examples
FROM address_countries AS a
JOIN address_places AS p ON p.address = a.address
WHERE a.country IS NOT NULL

-- name: placed_rows
-- Logons without a country of their own that the database places, by log and file.
SELECT l.log_type, l.file_id, count(*) AS row_count
FROM logons AS l
JOIN address_places AS p ON p.address = l.address
WHERE l.stated_country IS NULL AND l.address NOT IN (SELECT address FROM address_countries)
GROUP BY l.log_type, l.file_id
ORDER BY l.log_type, l.file_id

-- name: add_origin
UPDATE field_provenance
SET provenance = CASE WHEN provenance = 'absent' THEN $origin ELSE concat(provenance, ' or ', $origin) END
WHERE log_type = $log_type AND file_id = $file_id AND field = 'country'

-- name: unplaced
-- Logons whose stated country is not believed, with the country taken in its place: NULL where none is known.
CREATE OR REPLACE TABLE unplaced (log_type VARCHAR, file_id INTEGER, row_no BIGINT, country VARCHAR, reason VARCHAR)

-- name: several_countries
-- Accounts whose logons are placed in several countries.
SELECT count(*)
FROM (
    SELECT account FROM logon_rows WHERE account IS NOT NULL AND stated_country IS NOT NULL
    GROUP BY account HAVING min(stated_country) <> max(stated_country)
) AS moved

-- name: account_days
-- Where each account succeeded on each day.
CREATE OR REPLACE TEMP TABLE account_days AS
SELECT l.account, l.stated_country AS country, CAST(l.event_time AS DATE) AS day, count(*) AS row_count
FROM logons AS l
JOIN decisions AS d ON d.log_type = l.log_type AND d.combo = l.combo AND d.outcome = 'SUCCESS'
WHERE l.account IS NOT NULL AND l.stated_country IS NOT NULL AND l.event_time IS NOT NULL
GROUP BY l.account, l.stated_country, CAST(l.event_time AS DATE)

-- name: usual_countries
-- The country of an account by days, then rows: as stated, and for the sanity of locations alone.
CREATE OR REPLACE TEMP TABLE usual_countries AS
SELECT account, country
FROM (
    SELECT account, country, row_number() OVER (PARTITION BY account ORDER BY count(*) DESC, sum(row_count) DESC, country) AS place
    FROM account_days
    GROUP BY account, country
) AS ranked
WHERE place = 1

-- name: suspects
-- Accounts whose location may have moved without them: with two countries on one day, or in a crowd that was elsewhere on one day. A day
-- with a known fault at the vendor needs no crowd.
CREATE OR REPLACE TEMP TABLE suspects AS
WITH away AS (
    SELECT d.account, d.country, d.day
    FROM account_days AS d JOIN usual_countries AS u ON u.account = d.account AND u.country <> d.country
),
crowds AS (
    SELECT w.country, w.day
    FROM away AS w
    JOIN (SELECT day, count(DISTINCT account) AS accounts FROM account_days GROUP BY day) AS a ON a.day = w.day
    GROUP BY w.country, w.day
    HAVING (count(*) >= $fault_accounts AND count(*) >= $fault_share * any_value(a.accounts)) OR list_contains($known, CAST(w.day AS VARCHAR))
)
SELECT account FROM account_days GROUP BY account, day HAVING count(*) > 1
UNION
SELECT w.account FROM away AS w JOIN crowds AS c ON c.country = w.country AND c.day = w.day

-- name: has_suspects
SELECT count(*) FROM suspects

-- name: sightings
-- By address, country and day what those accounts did. A line is one connection: an old address, or /64 of new ones. A network is what
-- addresses of one holder share: /16 (wide) or /24 (narrow) of old addresses, /48 of new ones. Groups stand before any run of zeros.
CREATE OR REPLACE TEMP TABLE sightings AS
WITH seen AS (
    SELECT
        l.account, l.address, l.stated_country AS country, CAST(l.event_time AS DATE) AS day, count(*) AS row_count,
        count(*) FILTER (WHERE d.outcome = 'SUCCESS') AS successes
    FROM logons AS l
    JOIN suspects AS v ON v.account = l.account
    LEFT JOIN decisions AS d ON d.log_type = l.log_type AND d.combo = l.combo
    WHERE l.address IS NOT NULL AND l.stated_country IS NOT NULL AND l.event_time IS NOT NULL
    GROUP BY l.account, l.address, l.stated_country, CAST(l.event_time AS DATE)
),
cut AS (
    SELECT DISTINCT
        address, contains(address, ':') AS is_new, string_split(address, '.') AS four, string_split(split_part(address, '::', 1), ':') AS groups,
        trim(address, '0123456789.') = '' AS is_old
    FROM seen
),
nets AS (
    SELECT
        address,
        CASE
            WHEN is_new AND len(groups) > 1 THEN concat_ws(':', groups[1], groups[2], coalesce(groups[3], '0'), coalesce(groups[4], '0'))
            ELSE address
        END AS line,
        CASE
            WHEN is_new THEN concat(groups[1], ':', coalesce(groups[2], '0'), ':', coalesce(groups[3], '0'), '::/48')
            WHEN is_old AND len(four) = 4 THEN concat(four[1], '.', four[2], '.0.0/16')
        END AS wide,
        CASE
            WHEN is_new THEN concat(groups[1], ':', coalesce(groups[2], '0'), ':', coalesce(groups[3], '0'), '::/48')
            WHEN is_old AND len(four) = 4 THEN concat(four[1], '.', four[2], '.', four[3], '.0/24')
        END AS narrow
    FROM cut
)
SELECT s.*, n.line, n.wide, n.narrow FROM seen AS s JOIN nets AS n ON n.address = s.address

-- name: misplaced
-- Sightings outside an account's usual country from a network that it had used with success, and been placed at home, on another day.
-- `proves` where it succeeds from the very line: an attacker may share a network with its owner, the line he does not. What was refused
-- makes no history, or a sprayer could prepare one.
CREATE OR REPLACE TEMP TABLE misplaced AS
WITH own_lines AS (
    SELECT account, line, country, min(day) AS first_day, max(day) AS last_day
    FROM sightings
    WHERE successes > 0
    GROUP BY account, line, country
),
own_networks AS (
    SELECT account, wide, country, min(day) AS first_day, max(day) AS last_day
    FROM sightings
    WHERE successes > 0
    GROUP BY account, wide, country
)
SELECT s.account, s.address, s.country, s.day, s.row_count, l.account IS NOT NULL AND s.successes > 0 AS proves
FROM sightings AS s
JOIN usual_countries AS u ON u.account = s.account AND u.country <> s.country
JOIN own_networks AS n
    ON n.account = s.account AND n.wide = s.wide AND n.country = u.country AND (n.first_day <> s.day OR n.last_day <> s.day)
LEFT JOIN own_lines AS l
    ON l.account = s.account AND l.line = s.line AND l.country = u.country AND (l.first_day <> s.day OR l.last_day <> s.day)

-- name: faults
-- Days on which so many accounts succeeded in one country from their own lines that the location moved and not the people; on a day with a
-- known fault at the vendor, one account is enough.
CREATE OR REPLACE TEMP TABLE faults AS
SELECT
    m.country, m.day, count(DISTINCT m.account) FILTER (WHERE m.proves) AS accounts, any_value(a.accounts) AS active,
    CAST(sum(m.row_count) AS BIGINT) AS row_count
FROM misplaced AS m
JOIN (SELECT day, count(DISTINCT account) AS accounts FROM account_days GROUP BY day) AS a ON a.day = m.day
GROUP BY m.country, m.day
HAVING (
    count(DISTINCT m.account) FILTER (WHERE m.proves) >= $fault_accounts
    AND count(DISTINCT m.account) FILTER (WHERE m.proves) >= $fault_share * any_value(a.accounts)
) OR (bool_or(m.proves) AND list_contains($known, CAST(m.day AS VARCHAR)))

-- name: found_faults
SELECT country, day, accounts, active, row_count FROM faults ORDER BY country, day

-- name: distrust_faults
-- An address that has a country of its own by its history keeps it.
INSERT INTO unplaced
SELECT l.log_type, l.file_id, l.row_no, NULL AS country, 'LOCATION_FAULT' AS reason
FROM logons AS l
JOIN misplaced AS m
    ON m.account = l.account AND m.address = l.address AND m.country = l.stated_country AND m.day = CAST(l.event_time AS DATE)
JOIN faults AS f ON f.country = m.country AND f.day = m.day
JOIN address_countries AS a ON a.address = l.address
WHERE a.countries = 1

-- name: flickering
-- Networks that one account used from several countries, with the country of most of its successes there over enough days.
CREATE OR REPLACE TEMP TABLE flickering AS
WITH shares AS (
    SELECT account, narrow, country, sum(successes) AS row_count, count(DISTINCT CASE WHEN successes > 0 THEN day END) AS days,
           sum(sum(successes)) OVER (PARTITION BY account, narrow) AS all_rows
    FROM sightings
    WHERE narrow IS NOT NULL
    GROUP BY account, narrow, country
)
SELECT
    account, narrow, count(*) AS countries,
    max(country) FILTER (WHERE row_count >= $share * all_rows AND row_count > 0 AND days >= $days) AS country,
    string_agg(country, ', ' ORDER BY country) AS names
FROM shares
GROUP BY account, narrow
HAVING count(*) > 1

-- name: flicker_rows
-- The rows of those networks, once for the session and once for the device that they name.
CREATE OR REPLACE TEMP TABLE flicker_rows AS
WITH known AS (
    SELECT DISTINCT s.account, s.address, s.narrow
    FROM sightings AS s JOIN flickering AS f ON f.account = s.account AND f.narrow = s.narrow
),
found AS (
    SELECT l.log_type, l.file_id, l.row_no, l.event_id, l.account, k.narrow, l.stated_country AS country, l.event_time, l.address,
           l.session_id, lower(l.device_id) AS device_id
    FROM logons AS l JOIN known AS k ON k.account = l.account AND k.address = l.address
    WHERE l.stated_country IS NOT NULL AND l.event_time IS NOT NULL
)
SELECT *, concat('session ', session_id) AS same FROM found WHERE session_id IS NOT NULL
UNION ALL
SELECT *, concat('device ', device_id) AS same FROM found WHERE device_id IS NOT NULL

-- name: flips
-- One session or device in one network that changes its country faster than anybody moves.
CREATE OR REPLACE TEMP TABLE flips AS
SELECT account, narrow, same, count(*) AS flips
FROM (
    SELECT
        account, narrow, same, country, event_time,
        lag(country) OVER (PARTITION BY account, narrow, same ORDER BY event_time, country) AS before,
        lag(event_time) OVER (PARTITION BY account, narrow, same ORDER BY event_time, country) AS left_at
    FROM flicker_rows
) AS steps
WHERE before <> country AND event_time <= left_at + to_minutes(CAST($minutes AS INTEGER))
GROUP BY account, narrow, same

-- name: distrust_flickers
INSERT INTO unplaced
SELECT DISTINCT r.log_type, r.file_id, r.row_no, f.country, 'LOCATION_FLICKERS' AS reason
FROM flicker_rows AS r
JOIN flips AS x ON x.account = r.account AND x.narrow = r.narrow AND x.same = r.same
JOIN flickering AS f ON f.account = r.account AND f.narrow = r.narrow
JOIN address_countries AS a ON a.address = r.address AND a.countries = 1
WHERE NOT EXISTS (
    SELECT 1 FROM unplaced AS u WHERE u.log_type = r.log_type AND u.file_id = r.file_id AND u.row_no = r.row_no
)

-- name: found_flickers
SELECT t.account, t.narrow, f.names, f.country, t.row_count, t.examples
FROM (
    SELECT
        r.account, r.narrow, count(DISTINCT (r.file_id, r.row_no)) AS row_count,
        list_sort(list(DISTINCT coalesce(r.event_id, concat(r.file_id, ':', r.row_no))))[1:5] AS examples
    FROM flicker_rows AS r
    JOIN flips AS x ON x.account = r.account AND x.narrow = r.narrow AND x.same = r.same
    GROUP BY r.account, r.narrow
) AS t
JOIN flickering AS f ON f.account = t.account AND f.narrow = t.narrow
ORDER BY row_count DESC, t.account, t.narrow

-- name: unbelieved
-- Rows whose stated country is not believed, by log and reason, and how many of them are left without one.
SELECT log_type, reason, count(*) AS row_count, count(*) FILTER (WHERE country IS NULL) AS unknown
FROM unplaced
GROUP BY log_type, reason
ORDER BY log_type, reason

-- name: unsettled
-- Rows of addresses that were placed in several countries and have none by their history.
SELECT coalesce(CAST(sum(all_rows) AS BIGINT), 0) FROM address_countries WHERE countries > 1 AND country IS NULL

-- name: in_several_countries
-- Accounts that succeeded in several countries.
SELECT count(*) FROM (SELECT account FROM success_countries GROUP BY account HAVING count(*) > 1) AS several

-- name: fast_travel
-- Persons who succeed in two countries within a time in which nobody travels, those with most such moves first. Known egress is no place.
WITH several AS (SELECT account FROM success_countries GROUP BY account HAVING count(*) > 1),
steps AS (
    SELECT
        account, country, event_time, event_id, file_id, row_no,
        lag(country) OVER (PARTITION BY account ORDER BY event_time, country) AS before,
        lag(event_time) OVER (PARTITION BY account ORDER BY event_time, country) AS left_at
    FROM events AS e
    WHERE counted AND outcome = 'SUCCESS' AND coalesce(is_person, TRUE) AND country IS NOT NULL AND event_time IS NOT NULL
      AND account IN (SELECT account FROM several)
      AND NOT EXISTS (SELECT 1 FROM suspected_copies AS c WHERE c.file_id = e.file_id AND c.row_no = e.row_no)
      AND coalesce(address, '') NOT IN (SELECT address FROM known_egress)
)
SELECT
    account, count(*) AS moves, min(epoch(event_time) - epoch(left_at)) AS fastest,
    arg_min(concat(before, ' to ', country), (epoch(event_time) - epoch(left_at), event_time, country)) AS route,
    list(coalesce(event_id, concat(file_id, ':', row_no)) ORDER BY event_time, file_id, row_no)[1:5] AS examples
FROM steps
WHERE before <> country AND event_time <= left_at + to_minutes(CAST($minutes AS INTEGER))
GROUP BY account
ORDER BY moves DESC, account
LIMIT 100
