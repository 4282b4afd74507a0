"""What the writer of random queries puts together: `@text` stands for an expression of that type, `@column` for a query of one."""

from __future__ import annotations

WORDS = ("text", "number", "truth", "time", "id", "any", "column")
LINKED = {
    "events": [
        "person.properties.secret",
        "person.properties",
        "pdi.distinct_id",
        "pdi.person.properties.secret",
        "group_0.key",
        "group_0.properties.secret",
        "poe.properties.secret",
        "person.properties.$browser",
        "poe.properties.$os",
        "properties.secret",
        "properties.$browser",
        "properties.nested.secret",
        "properties['nested']['secret']",
        "properties?.nested?.secret",
        "session.$entry_utm_source",
        "session.distinct_id",
    ],
    "persons": ["properties.secret", "pdi.distinct_id"],
    "raw_persons": ["properties.secret"],
    "groups": ["properties.secret"],
    "raw_groups": ["properties.secret"],
    "person_distinct_ids": ["person.properties.secret", "person.properties"],
    "session_replay_events": ["person.properties.secret", "events.event", "session.distinct_id"],
}
"""Fields beyond a table's own columns."""

_TEXTS = """
lower(@text)
concat(@text, @text)
ifNull(@text, '7')
nullIf(@text, 'x')
toString(@any)
@text ?? 'x'
if(@truth, @text, @text)
assumeNotNull(@text)
replaceAll(@text, '7', '8')
base64Decode(@text)
arrayElement(splitByChar('7', ifNull(@text, '')), 1)
tryBase64Decode(@text)
hex(@text)
repeat(@text, 2)
extract(@text, '.')
JSONExtractString(@text, 'secret')
arrayStringConcat([@text, @text], ',')
'7'
'x'
'it''s -- no comment'
'a\\'b'
toTypeName(@any)
toJSONString(@any)
multiIf(@truth, @text, @truth, @text, 'x')
substring(@text, 1, 3)
case when @truth then @text else @text end
case @text when @text then @text when '7' then 'y' else 'n' end
cast(@any as String)
(@any)::String
f'x{@text}y'
(@truth ? @text : @text)
(@text, @number).1
[@text, 'y'][1]
(select @column limit 1)
trim(@text)
arrayMap(x -> concat(x, @text), [@text])[1]
arrayFilter((x, i) -> i = 1, [@text], [1])[1]
toString({'a': @text})
toString(<Sparkline data={[@number]} />)
map('a', @text)['a']
tupleElement(tuple(@text, @text), 2)
try_cast(@any as String)
coalesce(@text, @text, 'z')
formatDateTime(@time, '%Y')
arrayJoin([@text, 'q'])
"""
_NUMBERS = """
_toInt64(@text)
_toInt8(@text)
_toUInt64(@text)
length(@text)
toInt(@text)
toFloat(@text)
1
0
-1.5e3
toIntOrZero(@text)
(@number + @number)
(@number - @number * 2)
@number % 3
@number / 2
-@number
intDiv(@number, @number)
cityHash64(@text)
toUnixTimestamp(@time)
IPv4StringToNum(@text)
if(@truth, @number, @number)
dateDiff('day', @time, @time)
toHour(@time)
toUnixTimestamp(@text)
abs(@number)
arraySum(x -> _toInt64(x), [@text])
toDayOfWeek(@time)
extract(year from @time)
cast(@text as int)
(@text)::int
arrayReduce('sum', [@number, 1])
arrayCount(x -> x = @text, [@text])
arrayFold((acc, x) -> acc + x, [@number], @number)
@number ?? 0
position(@text, '7')
multiIf(@truth, @number, 2)
"""
_TRUTHS = """
@text = @text
@text == @text
@text != @text
@text <> '7'
@text like '%7%'
@text not ilike '%S%'
@text =~ '^S'
@text !~* 's'
@text =~* @text
@text in ('7', 'x')
@text not in ['7', 'x']
@text global in ('7', 'x')
@number > @number
(@truth and @truth)
(@truth or @truth)
not @truth
@time > '2026-01-01'
@time < @time
@text is null
@text is not null
@id = @id
@id in ('00000000-0000-0000-0000-000000000000')
toBool(@text)
_toInt64(@text) = 1
isNotNull(@any)
@number between 1 and 9
@number not between @number and 9
_toDate(@text) = '2026-01-05'
arrayExists(x -> _toInt64(x) = 7, [@text])
1 = 1
@text not like @text
@text is distinct from @text
@text is not distinct from @text
has([@text], @text)
@text in (select @column)
@text not in (select @column)
(@text, 1) in (select event, 1 from events)
startsWith(@text, '7')
match(@text, '7')
toUUID(@text) = @id
toIPv4(@text) = toIPv4('1.1.1.1')
@id in cohort 1
@id not in cohort 'sevens'
xor(@truth, @truth)
"""
_TIMES = """
toStartOfDay(@time)
@time + interval 1 day
@time - interval '2 hours'
toDateTime(@text)
now()
toTimeZone(@time, 'Asia/Tokyo')
toDateTime64(@text, 3)
toStartOfHour(@time)
parseDateTimeBestEffort(@text)
if(@truth, @time, @time)
toStartOfInterval(@time, interval 5 minute)
dateAdd('day', @number, @time)
addDays(@time, 1)
fromUnixTimestamp(@number)
"""
_IDS = """
toUUID(@text)
assumeNotNull(toUUID(@text))
if(@truth, @id, @id)
"""


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


PRODUCTIONS = {
    "text": _lines(_TEXTS),
    "number": _lines(_NUMBERS),
    "truth": _lines(_TRUTHS),
    "time": _lines(_TIMES),
    "id": _lines(_IDS),
}
AGGREGATES = _lines("""
count()
count(*)
COUNT(DISTINCT @text)
uniq(@text)
any(@text)
min(@text)
max(@any)
groupArray(@text)
groupUniqArray(@text)
topK(3)(@text)
anyLast(@text)
countIf(@truth)
sumIf(@number, @truth)
groupArrayIf(@text, @truth)
quantile(0.5)(@number)
quantiles(0.5, 0.9)(@number)
argMax(@text, @time)
avg(@number)
uniqMerge(uniqState(@text))
uniqState(@text)
sumMap(map(@text, @number))
string_agg(@text, ',')
json_agg(@text)
windowFunnel(60)(@time, @truth, @truth)
max(arrayReduce('max', [@number]))
""")
WINDOWS = _lines("""
row_number() over (order by 1)
count() over (partition by @text)
sum(@number) over (order by @time rows between unbounded preceding and current row)
dense_rank() over (partition by @text order by @number desc)
lag(@number, 1) over (order by @time)
length(lead(@text) over (order by @number))
length(first_value(@text) over (partition by @id))
uniq(@text) over (order by @number rows between 1 preceding and 1 following)
""")
JOINS = _lines("""
join
left join
right join
full outer join
cross join
any join
all join
left any join
left semi join
left anti join
right anti join
right semi join
inner join
asof join
left asof join
global left join
""")
COMMENTS = (" /* ' */ ", "\n-- ` it's\n", "\t", ' // "\n', " /* from system.tables */ ")
"""What may stand where a space does."""
