-- One row a session, kept as events arrive. Every state is idempotent (min, max, first, last, sets), so rows that come twice,
-- a group that is sent again or a session that is computed anew change nothing. The key is the UUIDv7 as a number: it begins
-- with the session's time, so sessions lie in the order of time. The sets are bounded: whoever has the public token can send
-- any number of events under one session's id.

CREATE TABLE IF NOT EXISTS raw_sessions
(
    team_id Int64,
    session_id_v7 UInt128,
    min_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    max_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    max_inserted_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    urls SimpleAggregateFunction(groupUniqArrayArray(1000), Array(String)),
    distinct_id AggregateFunction(argMax, String, DateTime64(6, 'UTC')),
    entry_url AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    end_url AggregateFunction(argMax, Nullable(String), DateTime64(6, 'UTC')),
    last_external_click_url AggregateFunction(argMax, Nullable(String), DateTime64(6, 'UTC')),
    -- where the first event says that the visitor came from: a JSON object of the few properties that a channel is read from
    entry AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    vitals_lcp AggregateFunction(argMin, Nullable(Float64), DateTime64(6, 'UTC')),
    -- hashes of the events' uuids
    pageviews SimpleAggregateFunction(groupUniqArrayArray(10000), Array(UInt64)),
    autocaptures SimpleAggregateFunction(groupUniqArrayArray(10000), Array(UInt64)),
    screens SimpleAggregateFunction(groupUniqArrayArray(10000), Array(UInt64))
)
ENGINE = AggregatingMergeTree
ORDER BY (team_id, session_id_v7)
SETTINGS non_replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728;

-- What a session is made of, over any rows of `events`: the view below reads those of an insert, a deletion what is left.
CREATE MATERIALIZED VIEW IF NOT EXISTS raw_sessions_of_events TO raw_sessions AS
SELECT
    team_id,
    toUInt128(toUUIDOrZero(`$session_id`)) AS session_id_v7,
    min(timestamp) AS min_timestamp,
    max(timestamp) AS max_timestamp,
    max(toDateTime64(inserted_at, 6, 'UTC')) AS max_inserted_at,
    groupUniqArrayIf(1000)(assumeNotNull(`p_$current_url`), `p_$current_url` != '') AS urls,
    argMaxState(distinct_id, timestamp) AS distinct_id,
    argMinState(nullIf(`p_$current_url`, ''), timestamp) AS entry_url,
    argMaxState(nullIf(`p_$current_url`, ''), timestamp) AS end_url,
    argMaxState(nullIf(trim(BOTH '"' FROM properties_map['$external_click_url']), ''), timestamp) AS last_external_click_url,
    argMinState(
        concat('{', arrayStringConcat(arrayMap(
            (key, value) -> concat('"', key, '":', value),
            mapKeys(mapFilter((key, value) -> key IN ('$referring_domain', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'gclid', 'gad_source', 'gclsrc', 'dclid', 'gbraid', 'wbraid', 'fbclid', 'msclkid', 'twclid', 'li_fat_id', 'mc_cid', 'igshid', 'ttclid', '_kx', 'irclid') AND value != 'null', properties_map) AS said),
            mapValues(said)), ','), '}'),
        timestamp) AS entry,
    argMinState(toFloat64OrNull(properties_map['$web_vitals_LCP_value']), timestamp) AS vitals_lcp,
    groupUniqArrayIf(10000)(cityHash64(uuid), event = '$pageview') AS pageviews,
    groupUniqArrayIf(10000)(cityHash64(uuid), event = '$autocapture') AS autocaptures,
    groupUniqArrayIf(10000)(cityHash64(uuid), event = '$screen') AS screens
FROM events
WHERE `$session_id` != '' AND bitAnd(bitShiftRight(toUInt128(toUUIDOrZero(`$session_id`)), 76), 15) = 7
GROUP BY team_id, session_id_v7;

-- Events from before this release: the same SELECT.
INSERT INTO raw_sessions
SELECT
    team_id,
    toUInt128(toUUIDOrZero(`$session_id`)) AS session_id_v7,
    min(timestamp) AS min_timestamp,
    max(timestamp) AS max_timestamp,
    max(toDateTime64(inserted_at, 6, 'UTC')) AS max_inserted_at,
    groupUniqArrayIf(1000)(assumeNotNull(`p_$current_url`), `p_$current_url` != '') AS urls,
    argMaxState(distinct_id, timestamp) AS distinct_id,
    argMinState(nullIf(`p_$current_url`, ''), timestamp) AS entry_url,
    argMaxState(nullIf(`p_$current_url`, ''), timestamp) AS end_url,
    argMaxState(nullIf(trim(BOTH '"' FROM properties_map['$external_click_url']), ''), timestamp) AS last_external_click_url,
    argMinState(
        concat('{', arrayStringConcat(arrayMap(
            (key, value) -> concat('"', key, '":', value),
            mapKeys(mapFilter((key, value) -> key IN ('$referring_domain', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'gclid', 'gad_source', 'gclsrc', 'dclid', 'gbraid', 'wbraid', 'fbclid', 'msclkid', 'twclid', 'li_fat_id', 'mc_cid', 'igshid', 'ttclid', '_kx', 'irclid') AND value != 'null', properties_map) AS said),
            mapValues(said)), ','), '}'),
        timestamp) AS entry,
    argMinState(toFloat64OrNull(properties_map['$web_vitals_LCP_value']), timestamp) AS vitals_lcp,
    groupUniqArrayIf(10000)(cityHash64(uuid), event = '$pageview') AS pageviews,
    groupUniqArrayIf(10000)(cityHash64(uuid), event = '$autocapture') AS autocaptures,
    groupUniqArrayIf(10000)(cityHash64(uuid), event = '$screen') AS screens
FROM events
WHERE `$session_id` != '' AND bitAnd(bitShiftRight(toUInt128(toUUIDOrZero(`$session_id`)), 76), 15) = 7
GROUP BY team_id, session_id_v7;
