-- hogql
SELECT event, count() AS n FROM events GROUP BY event ORDER BY n DESC LIMIT 100
-- clickhouse
SELECT event, count() AS n FROM events WHERE team_id = 1 GROUP BY event ORDER BY n DESC LIMIT 100
-- duckdb
SELECT event, count(*) AS n FROM events GROUP BY event ORDER BY n DESC LIMIT 100
