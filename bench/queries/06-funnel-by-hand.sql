-- hogql
SELECT countIf(seen > 0) AS saw, countIf(seen > 0 AND viewed >= seen) AS looked, countIf(seen > 0 AND viewed >= seen AND paid >= viewed) AS bought
FROM (SELECT person_id, minIf(toUnixTimestamp(timestamp), event = '$pageview') AS seen,
  minIf(toUnixTimestamp(timestamp), event = 'product viewed') AS viewed, minIf(toUnixTimestamp(timestamp), event = 'order paid') AS paid
  FROM events GROUP BY person_id)
-- clickhouse
SELECT countIf(seen > 0) AS saw, countIf(seen > 0 AND viewed >= seen) AS looked, countIf(seen > 0 AND viewed >= seen AND paid >= viewed) AS bought
FROM (SELECT person_id, minIf(toUnixTimestamp(timestamp), event = '$pageview') AS seen,
  minIf(toUnixTimestamp(timestamp), event = 'product viewed') AS viewed, minIf(toUnixTimestamp(timestamp), event = 'order paid') AS paid
  FROM events WHERE team_id = 1 GROUP BY person_id)
-- duckdb
SELECT count(*) FILTER (seen IS NOT NULL) AS saw, count(*) FILTER (viewed >= seen) AS looked,
  count(*) FILTER (viewed >= seen AND paid >= viewed) AS bought
FROM (SELECT person_id, min(timestamp) FILTER (event = '$pageview') AS seen,
  min(timestamp) FILTER (event = 'product viewed') AS viewed, min(timestamp) FILTER (event = 'order paid') AS paid
  FROM events GROUP BY person_id)
