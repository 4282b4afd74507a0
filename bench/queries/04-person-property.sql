-- hogql
SELECT event, count() AS n FROM events WHERE person.properties.plan = 'pro' GROUP BY event ORDER BY n DESC LIMIT 100
-- clickhouse
SELECT event, count() AS n FROM events
WHERE team_id = 1 AND person_properties_id IN
  (SELECT id FROM person_properties_versions WHERE team_id = 1 AND properties_map['plan'] = '"pro"')
GROUP BY event ORDER BY n DESC LIMIT 100
-- duckdb
SELECT event, count(*) AS n FROM events JOIN persons ON persons.id = events.person_id
WHERE persons.plan = 'pro' GROUP BY event ORDER BY n DESC LIMIT 100
