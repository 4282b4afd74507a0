-- hogql
SELECT toDate(timestamp) AS day, count(DISTINCT person_id) AS users FROM events
WHERE event = '$pageview' AND timestamp >= now() - INTERVAL 90 DAY GROUP BY day ORDER BY day LIMIT 100
-- clickhouse
SELECT toDate(timestamp) AS day, uniqExact(person_id) AS users FROM events
WHERE team_id = 1 AND event = '$pageview' AND timestamp >= now() - INTERVAL 90 DAY GROUP BY day ORDER BY day LIMIT 100
-- duckdb
SELECT CAST(timestamp AS DATE) AS day, count(DISTINCT person_id) AS users FROM events
WHERE event = '$pageview' AND timestamp >= now() - INTERVAL 90 DAY GROUP BY day ORDER BY day LIMIT 100
