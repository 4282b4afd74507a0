"""Days and moments: reading, taking apart, cutting, adding, printing (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.functions.registry import table

FROM_TEXT = table("""
toDate                   1    date?      -> @to_date
to_date                  1    date?      -> @to_date
toDateTime               1-2  datetime?  -> @to_datetime
toDateTime64             1-3  datetime   -> @to_datetime64
toDateTimeUS             1-2  datetime?  -> @best_effort_us
parseDateTime            2-3  datetime?  -> @parse_datetime
parseDateTimeBestEffort  1-2  datetime?  -> @best_effort
toTimeZone               1-2  datetime   -> @to_time_zone
timezone                 2    datetime   -> toTimeZone({1}, {0})
""")

PARTS = table("""
toYear              1    int
toQuarter           1    int
toMonth             1    int
toDayOfYear         1    int
toDayOfMonth        1    int
toDayOfWeek         1-3  int
toHour              1    int
toMinute            1    int
toSecond            1    int
toUnixTimestamp     1-2  int
toUnixTimestamp64Milli    1    int
fromUnixTimestamp         1    datetime
fromUnixTimestamp64Milli  1    datetime
toISOYear           1    int
toISOWeek           1    int
toWeek              1-3  int
toYearWeek          1-3  int
toYYYYMM            1    int
toYYYYMMDD          1    int
toYYYYMMDDhhmmss    1    int
toTime              1    datetime  -> toTimeWithFixedDate
timeSlot            1    datetime
timeSlots           2-3  array!
dateName            2    str
monthName           1    str
date_part           2    any       -> @date_part
timeZoneOf          1    str
timeZoneOffset      1    int
toModifiedJulianDay    1  int?     -> toModifiedJulianDayOrNull
fromModifiedJulianDay  1  str?     -> fromModifiedJulianDayOrNull
""")

STARTS = table("""
toStartOfInterval        2-3  startOfInterval
toStartOfYear            1    date
toStartOfISOYear         1    date
toStartOfQuarter         1    date
toStartOfMonth           1    date
toStartOfWeek            1-2  date  -> @to_start_of_week
toStartOfDay             1-2  datetime
toStartOfHour            1    datetime
toStartOfMinute          1    datetime
toStartOfSecond          1    datetime
toStartOfFiveMinutes     1    datetime
toStartOfTenMinutes      1    datetime
toStartOfFifteenMinutes  1    datetime
toLastDayOfMonth         1    date
toLastDayOfWeek          1-2  date
toMonday                 1    date
date_trunc               2-3  any  -> @date_trunc
dateTrunc                2-3  any  -> @date_trunc
date_bin                 3    any   -> toStartOfInterval({1}, {0}, {2})
""")

ARITHMETIC = table("""
age                 3    int
dateAdd             2-3  any  -> @add_interval
dateSub             2-3  any  -> @add_interval
date_add            2-3  any  -> @add_interval
date_subtract       2-3  any  -> @add_interval
dateDiff            3    int
date_diff           3    int
timeStampAdd        2-3  any  -> @add_interval
timeStampSub        2-3  any  -> @add_interval
addYears            2    arg1
addMonths           2    arg1
addWeeks            2    arg1
addDays             2    arg1
addHours            2    any
addMinutes          2    any
addSeconds          2    any
addQuarters         2    arg1
subtractYears       2    arg1
subtractMonths      2    arg1
subtractWeeks       2    arg1
subtractDays        2    arg1
subtractHours       2    any
subtractMinutes     2    any
subtractSeconds     2    any
subtractQuarters    2    arg1
toIntervalSecond    1    interval
toIntervalMinute    1    interval
toIntervalHour      1    interval
toIntervalDay       1    interval
toIntervalWeek      1    interval
toIntervalMonth     1    interval
toIntervalQuarter   1    interval
toIntervalYear      1    interval
make_interval       6    any  -> @make_interval
""")

MAKING = table("""
*now              0-1  datetime!  -> @now
*current_timestamp  0  datetime!  -> @now
today             0    date!
current_date      0    date!      -> today
yesterday         0    date!
nowInBlock        0-1  datetime!
formatDateTime    2-3  str
to_char           2-3  str        -> formatDateTime
to_timestamp      1    datetime   -> @to_timestamp
make_timestamp    6-7  datetime   -> makeDateTime
make_timestamptz  7    datetime   -> makeDateTime
make_date         3    date       -> makeDate
rowNumberInBlock      0  int!
rowNumberInAllBlocks  0  int!
tumble            2-3  any        -> @time_window
hop               3-4  any        -> @time_window
tumbleStart       1-3  datetime   -> @time_window
tumbleEnd         1-3  datetime   -> @time_window
hopStart          1-4  datetime   -> @time_window
hopEnd            1-4  datetime   -> @time_window
""")

TABLES = (FROM_TEXT, PARTS, STARTS, ARITHMETIC, MAKING)
