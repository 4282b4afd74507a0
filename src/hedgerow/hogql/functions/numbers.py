"""Arithmetic, logic, NULL, mathematics and conversion (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.functions.registry import table

ARITHMETIC = table("""
plus            2    arithmetic
minus           2    arithmetic
multiply        2    arithmetic
divide          2    float
intDiv          2    int
intDivOrZero    2    int
modulo          2    arithmetic
moduloOrZero    2    arithmetic
positiveModulo  2    arithmetic
negate          1    arithmetic
*abs            1    arg1
gcd             2    int
lcm             2    int
*max2           2    float
*min2           2    float
multiplyDecimal 2-3  any
divideDecimal   2-3  any
""")

COMPARISON = table("""
equals           2  bool!  -> @compare
notEquals        2  bool!  -> @compare
less             2  bool!  -> @compare
greater          2  bool!  -> @compare
lessOrEquals     2  bool!  -> @compare
greaterOrEquals  2  bool!  -> @compare
like             2  bool!  -> @compare
ilike            2  bool!  -> @compare
notLike          2  bool!  -> @compare
notILike         2  bool!  -> @compare
in               2  bool!  -> @compare
notIn            2  bool!  -> @compare
and              2+ bool?arg
or               2+ bool?arg
xor              2+ bool?arg
*not             1  bool
*if              3  if
multiIf          3+ multiIf
_caseWithExpression  3+  any  -> caseWithExpression
""")

NULLS = table("""
*isnull       1   bool!      -> isNull
*isNotNull    1   bool!
*coalesce     1+  coalesce
*ifnull       2   coalesce   -> ifNull
*nullif       2   nullable1  -> nullIf
assumeNotNull 1   solid1
toNullable    1   nullable1
""")

MATHEMATICS = table("""
e             0    float
pi            0    float
*exp          1    float
*log          1    float
*ln           1    float  -> log
exp2          1    float
*log2         1    float
exp10         1    float
*log10        1    float
*sqrt         1    float
cbrt          1    float
erf           1    float
erfc          1    float
lgamma        1    float
tgamma        1    float
*sin          1    float
*cos          1    float
*tan          1    float
*asin         1    float
*acos         1    float
*atan         1    float
*pow          2    float
*power        2    float
intExp2       1    int
intExp10      1    int
cosh          1    float
acosh         1    float
sinh          1    float
asinh         1    float
atanh         1    float
atan2         2    float
hypot         2    float
log1p         1    float
*sign         1    int
*degrees      1    float
*radians      1    float
*factorial    1    int
width_bucket  4    int
*floor        1-2  arg1
*ceil         1-2  arg1
*trunc        1-2  arg1
*round        1-2  arg1
roundBankers  1-2  arg1
roundToExp2   1    arg1
roundDuration 1    int
roundAge      1    int
roundDown     2    any
rand          0    int
isFinite      1    bool
isInfinite    1    bool
ifNotFinite   2    float
isNaN         1    bool
*least        2    common
*greatest     2    common
bar           4    str
""")

CONVERSION = table("""
toInt             1    int?      -> accurateCastOrNull({0}, 'Int64')
toIntOrZero       1    int       -> @or_zero
toFloat           1    float?    -> accurateCastOrNull({0}, 'Float64')
toFloatOrZero     1    float     -> @or_zero
toFloatOrDefault  1-2  float     -> @or_zero
toDecimal         2    decimal?  -> @to_decimal
toUUID            1    uuid?     -> accurateCastOrNull({0}, 'UUID')
toString          1-2  str
toBool            1    bool
toJSONString      1    str
toTypeName        1    str!
hex               1    str
unhex             1    str
reinterpretAsUInt8    1  int
reinterpretAsUInt16   1  int
reinterpretAsUInt32   1  int
reinterpretAsUInt64   1  int
reinterpretAsUInt128  1  int
reinterpretAsUInt256  1  int
reinterpretAsInt8     1  int
reinterpretAsInt16    1  int
reinterpretAsInt32    1  int
reinterpretAsInt64    1  int
reinterpretAsInt128   1  int
reinterpretAsInt256   1  int
reinterpretAsFloat32  1  float
reinterpretAsFloat64  1  float
reinterpretAsUUID     1  uuid
cityHash64        1+   int!
UUIDv7ToDateTime  1    datetime
_toInt8           1    int   -> toInt8
_toInt16          1    int   -> toInt16
_toInt32          1    int   -> toInt32
_toInt64          1    int   -> toInt64
_toUInt64         1    int   -> toUInt64
_toUInt128        1    int   -> toUInt128
_toDate           1    date  -> toDate
""")

TABLES = (ARITHMETIC, COMPARISON, NULLS, MATHEMATICS, CONVERSION)
