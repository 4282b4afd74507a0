-- Rows arrive from the writer in sorted groups; every table keeps the newest version of a key, and every insert carries
-- a token, so that a group that is sent again lands once (non_replicated_deduplication_window).

CREATE TABLE IF NOT EXISTS events
(
    team_id Int64,
    uuid UUID,
    event LowCardinality(String),
    timestamp DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    created_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    -- what overrides are joined and squashed by: a quarter of the cost of the text
    distinct_id_hash UInt64 MATERIALIZED cityHash64(distinct_id) CODEC(Delta, ZSTD(1)),
    person_id UUID CODEC(ZSTD(1)),
    person_mode Enum8('full' = 0, 'propertyless' = 1, 'force_upgrade' = 2),
    person_created_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    -- what the client sent, to the letter, and what the server added
    properties String CODEC(ZSTD(1)),
    -- sent only where ClickHouse cannot read the text: lone surrogates are replaced in it
    indexed_properties String EPHEMERAL '',
    -- key -> raw JSON text of its value: what `properties.key` reads
    properties_map Map(LowCardinality(String), String) DEFAULT JSONExtractKeysAndValuesRaw(if(indexed_properties = '', properties, indexed_properties)) CODEC(LZ4),
    -- the person's properties as they were: a row of person_properties_versions; 0 for none
    person_properties_id UInt64,
    elements_chain String CODEC(ZSTD(1)),
    `$group_0` String CODEC(ZSTD(1)),
    `$group_1` String CODEC(ZSTD(1)),
    `$group_2` String CODEC(ZSTD(1)),
    `$group_3` String CODEC(ZSTD(1)),
    `$group_4` String CODEC(ZSTD(1)),
    `$session_id` String CODEC(ZSTD(1)),
    `$window_id` String CODEC(ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    `p_$browser` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$browser'], '"'), substring(properties_map['$browser'], 2, length(properties_map['$browser']) - 2), nullIf(nullIf(properties_map['$browser'], ''), 'null')),
    `p_$os` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$os'], '"'), substring(properties_map['$os'], 2, length(properties_map['$os']) - 2), nullIf(nullIf(properties_map['$os'], ''), 'null')),
    `p_$device_type` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$device_type'], '"'), substring(properties_map['$device_type'], 2, length(properties_map['$device_type']) - 2), nullIf(nullIf(properties_map['$device_type'], ''), 'null')),
    `p_$current_url` Nullable(String) DEFAULT if(startsWith(properties_map['$current_url'], '"'), substring(properties_map['$current_url'], 2, length(properties_map['$current_url']) - 2), nullIf(nullIf(properties_map['$current_url'], ''), 'null')),
    `p_$pathname` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$pathname'], '"'), substring(properties_map['$pathname'], 2, length(properties_map['$pathname']) - 2), nullIf(nullIf(properties_map['$pathname'], ''), 'null')),
    `p_$host` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$host'], '"'), substring(properties_map['$host'], 2, length(properties_map['$host']) - 2), nullIf(nullIf(properties_map['$host'], ''), 'null')),
    `p_$referring_domain` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$referring_domain'], '"'), substring(properties_map['$referring_domain'], 2, length(properties_map['$referring_domain']) - 2), nullIf(nullIf(properties_map['$referring_domain'], ''), 'null')),
    `p_$lib` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$lib'], '"'), substring(properties_map['$lib'], 2, length(properties_map['$lib']) - 2), nullIf(nullIf(properties_map['$lib'], ''), 'null')),
    `p_$geoip_country_code` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$geoip_country_code'], '"'), substring(properties_map['$geoip_country_code'], 2, length(properties_map['$geoip_country_code']) - 2), nullIf(nullIf(properties_map['$geoip_country_code'], ''), 'null')),
    `p_utm_source` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['utm_source'], '"'), substring(properties_map['utm_source'], 2, length(properties_map['utm_source']) - 2), nullIf(nullIf(properties_map['utm_source'], ''), 'null')),
    `p_$feature_flag` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$feature_flag'], '"'), substring(properties_map['$feature_flag'], 2, length(properties_map['$feature_flag']) - 2), nullIf(nullIf(properties_map['$feature_flag'], ''), 'null')),
    `p_$feature_flag_response` LowCardinality(Nullable(String)) DEFAULT if(startsWith(properties_map['$feature_flag_response'], '"'), substring(properties_map['$feature_flag_response'], 2, length(properties_map['$feature_flag_response']) - 2), nullIf(nullIf(properties_map['$feature_flag_response'], ''), 'null'))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), uuid)
SETTINGS non_replicated_deduplication_window = 1000, map_serialization_version = 'with_buckets', map_buckets_strategy = 'constant', max_buckets_in_map = 64, map_buckets_min_avg_size = 0, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS person_properties_versions
(
    team_id Int64,
    id UInt64,
    properties String CODEC(ZSTD(1)),
    indexed_properties String EPHEMERAL '',
    properties_map Map(LowCardinality(String), String) DEFAULT JSONExtractKeysAndValuesRaw(if(indexed_properties = '', properties, indexed_properties)) CODEC(LZ4)
)
ENGINE = ReplacingMergeTree
ORDER BY (team_id, id)
SETTINGS non_replicated_deduplication_window = 1000, map_serialization_version = 'with_buckets', map_buckets_strategy = 'constant', max_buckets_in_map = 64, map_buckets_min_avg_size = 0, min_bytes_for_wide_part = 10485760;

CREATE TABLE IF NOT EXISTS persons
(
    team_id Int64,
    id UUID,
    created_at DateTime64(6, 'UTC'),
    properties String CODEC(ZSTD(1)),
    indexed_properties String EPHEMERAL '',
    properties_map Map(LowCardinality(String), String) DEFAULT JSONExtractKeysAndValuesRaw(if(indexed_properties = '', properties, indexed_properties)) CODEC(LZ4),
    is_identified Bool,
    is_deleted Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (team_id, id)
SETTINGS non_replicated_deduplication_window = 1000, map_serialization_version = 'with_buckets', map_buckets_strategy = 'constant', max_buckets_in_map = 64, map_buckets_min_avg_size = 0, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS person_distinct_ids
(
    team_id Int64,
    distinct_id String CODEC(ZSTD(1)),
    person_id UUID,
    is_deleted Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (team_id, distinct_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- distinct ids that moved to another person after events had come: those events' person_id is stale until it is squashed
CREATE TABLE IF NOT EXISTS person_overrides
(
    team_id Int64,
    distinct_id String CODEC(ZSTD(1)),
    person_id UUID,
    is_deleted Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (team_id, distinct_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS groups
(
    team_id Int64,
    group_type_index UInt8,
    group_key String CODEC(ZSTD(1)),
    created_at DateTime64(6, 'UTC'),
    updated_at DateTime64(6, 'UTC'),
    properties String CODEC(ZSTD(1)),
    indexed_properties String EPHEMERAL '',
    properties_map Map(LowCardinality(String), String) DEFAULT JSONExtractKeysAndValuesRaw(if(indexed_properties = '', properties, indexed_properties)) CODEC(LZ4),
    is_deleted Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (team_id, group_type_index, group_key)
SETTINGS non_replicated_deduplication_window = 1000, map_serialization_version = 'with_buckets', map_buckets_strategy = 'constant', max_buckets_in_map = 64, map_buckets_min_avg_size = 0, min_bytes_for_wide_part = 134217728;
