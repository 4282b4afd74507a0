-- The newest events that were stored since a moment, of the last three days by their own time: the sorting key leads
-- there, so that a page may ask every second. An empty list of distinct ids means everybody's.
SELECT
    toString(uuid) AS uuid,
    event,
    distinct_id,
    formatDateTime(timestamp, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS timestamp_text,
    toUnixTimestamp64Milli(inserted_at) AS stored_ms,
    JSONExtractString(properties, '$lib') AS lib,
    JSONExtractString(properties, '$pathname') AS path,
    JSONExtractString(properties, '$el_text') AS element_text
FROM events
WHERE team_id = {team_id:Int64}
    AND timestamp >= now() - INTERVAL 3 DAY
    AND inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64})
    AND (empty({distinct_ids:Array(String)}) OR has({distinct_ids:Array(String)}, distinct_id))
ORDER BY inserted_at DESC, timestamp DESC
LIMIT 30
