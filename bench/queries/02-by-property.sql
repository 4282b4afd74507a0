-- hogql
SELECT properties.$browser AS browser, count() AS n FROM events GROUP BY browser ORDER BY n DESC LIMIT 100
-- clickhouse
SELECT `p_$browser` AS browser, count() AS n FROM events WHERE team_id = 1 GROUP BY browser ORDER BY n DESC LIMIT 100
-- duckdb
SELECT browser, count(*) AS n FROM events GROUP BY browser ORDER BY n DESC LIMIT 100
