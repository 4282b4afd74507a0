-- hogql
SELECT count() AS hits FROM events WHERE properties.title ILIKE '%number 77%'
-- clickhouse
SELECT count() AS hits FROM events WHERE team_id = 1 AND properties_map['title'] ILIKE '%number 77%'
