-- hogql
SELECT event, avg(pause) AS seconds FROM (SELECT event, dateDiff('second', lagInFrame(timestamp, 1, timestamp) OVER
    (PARTITION BY $session_id ORDER BY timestamp, uuid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), timestamp) AS pause
  FROM events WHERE timestamp >= toStartOfDay(now()) - INTERVAL 7 DAY)
GROUP BY event ORDER BY seconds DESC LIMIT 100
-- clickhouse
SELECT event, avg(pause) AS seconds FROM (SELECT event, dateDiff('second', lagInFrame(timestamp, 1, timestamp) OVER
    (PARTITION BY `$session_id` ORDER BY timestamp, uuid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), timestamp) AS pause
  FROM events WHERE team_id = 1 AND timestamp >= toStartOfDay(now()) - INTERVAL 7 DAY)
GROUP BY event ORDER BY seconds DESC LIMIT 100
