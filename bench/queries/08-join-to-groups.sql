-- hogql
SELECT group_0.properties.plan AS plan, count() AS n FROM events GROUP BY plan ORDER BY n DESC LIMIT 100
-- clickhouse
SELECT trim(BOTH '"' FROM g.plan) AS plan, count() AS n FROM events AS e LEFT ANY JOIN
  (SELECT group_key, properties_map['plan'] AS plan FROM groups FINAL WHERE team_id = 1 AND group_type_index = 0 AND NOT is_deleted) AS g
  ON e.`$group_0` = g.group_key
WHERE e.team_id = 1 GROUP BY plan ORDER BY n DESC LIMIT 100
