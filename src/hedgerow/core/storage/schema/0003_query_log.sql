-- What a project asked: one row a calculated query, for thirty days.
CREATE TABLE IF NOT EXISTS query_log
(
    team_id Int64,
    event_time DateTime64(6, 'UTC'),
    query_start_time DateTime64(6, 'UTC'),
    query_id String,
    endpoint LowCardinality(String),
    kind LowCardinality(String),
    query String CODEC(ZSTD(1)),
    hogql_name String,
    query_duration_ms UInt64,
    read_rows UInt64,
    read_bytes UInt64,
    result_rows UInt64,
    result_bytes UInt64,
    memory_usage UInt64,
    cpu_microseconds UInt64,
    status LowCardinality(String),
    exception_code Int32,
    exception String CODEC(ZSTD(1)),
    created_by Int64,
    key_id String,
    is_personal_api_key_request Bool
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (team_id, event_time)
TTL toDateTime(event_time) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 1000;
