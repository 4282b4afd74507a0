-- Who is in a cohort. Each calculation writes its persons under a version of its own, and only then is that version named:
-- in SQL, and in cohort_versions. So a reader sees one calculation, whole.

CREATE TABLE IF NOT EXISTS cohort_people
(
    team_id Int64,
    cohort_id Int64,
    version UInt64,
    person_id UUID
)
ENGINE = MergeTree
ORDER BY (team_id, cohort_id, version, person_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS cohort_versions
(
    team_id Int64,
    cohort_id Int64,
    is_deleted Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (team_id, cohort_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- The persons of lists. The version is the moment of the change, in µs.
CREATE TABLE IF NOT EXISTS static_cohort_people
(
    team_id Int64,
    cohort_id Int64,
    person_id UUID,
    is_deleted Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (team_id, cohort_id, person_id)
SETTINGS non_replicated_deduplication_window = 1000;
