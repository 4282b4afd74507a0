-- hogql
SELECT properties.$pathname AS path, count() AS views FROM events WHERE event = '$pageview' GROUP BY path ORDER BY views DESC LIMIT 10
-- clickhouse
SELECT `p_$pathname` AS path, count() AS views FROM events WHERE team_id = 1 AND event = '$pageview' GROUP BY path ORDER BY views DESC LIMIT 10
