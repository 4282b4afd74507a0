-- One row a recorded session, its parts merged as they come: every state is a minimum, a maximum, a sum or a first value.

CREATE TABLE IF NOT EXISTS session_replay_events
(
    team_id Int64,
    session_id String,
    distinct_id SimpleAggregateFunction(any, String),
    min_first_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    max_last_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    first_url AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    all_urls SimpleAggregateFunction(groupUniqArrayArray(1000), Array(String)),
    click_count SimpleAggregateFunction(sum, Int64),
    keypress_count SimpleAggregateFunction(sum, Int64),
    mouse_activity_count SimpleAggregateFunction(sum, Int64),
    active_milliseconds SimpleAggregateFunction(sum, Int64),
    console_log_count SimpleAggregateFunction(sum, Int64),
    console_warn_count SimpleAggregateFunction(sum, Int64),
    console_error_count SimpleAggregateFunction(sum, Int64),
    size SimpleAggregateFunction(sum, Int64),
    event_count SimpleAggregateFunction(sum, Int64),
    message_count SimpleAggregateFunction(sum, Int64),
    snapshot_source AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    snapshot_library AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    retention_period_days SimpleAggregateFunction(max, Nullable(Int64)),
    is_deleted SimpleAggregateFunction(max, UInt8),
    _timestamp SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (team_id, session_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- Lines that a recording, a job or a function wrote.
CREATE TABLE IF NOT EXISTS log_entries
(
    team_id Int64,
    log_source LowCardinality(String),
    log_source_id String,
    instance_id String,
    timestamp DateTime64(6, 'UTC'),
    level LowCardinality(String),
    message String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, log_source, log_source_id, timestamp)
SETTINGS non_replicated_deduplication_window = 1000;
