-- hogql
SELECT $entry_utm_source AS source, count() AS sessions, avg($session_duration) AS seconds FROM sessions
GROUP BY source ORDER BY sessions DESC LIMIT 100
-- clickhouse
SELECT source, count() AS sessions, avg(dateDiff('second', first, last)) AS seconds FROM
  (SELECT min(min_timestamp) AS first, max(max_timestamp) AS last,
    nullIf(nullIf(JSONExtractString(argMinMerge(entry), 'utm_source'), ''), 'null') AS source
   FROM raw_sessions WHERE team_id = 1 GROUP BY session_id_v7)
GROUP BY source ORDER BY sessions DESC LIMIT 100
-- duckdb
SELECT source, count(*) AS sessions, avg(date_diff('second', first, last)) AS seconds FROM
  (SELECT min(timestamp) AS first, max(timestamp) AS last, arg_min(utm_source, timestamp) AS source
   FROM events GROUP BY session_id)
GROUP BY source ORDER BY sessions DESC LIMIT 100
