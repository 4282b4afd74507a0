"""Arrays, JSON, maps, bits and bitmaps, tuples and vectors (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.functions.registry import table

ARRAYS = table("""
empty                1    bool
notEmpty             1    bool
isEmpty              1    bool   -> empty
isNotEmpty           1    bool   -> notEmpty
*length              1    int
array                0+   arrayOf
range                1-3  ints!
arrayConcat          1+   arg1
arrayElement         2    element1
has                  2    bool!
hasAll               2    bool!
hasAny               2    bool!
hasSubstr            2    bool!
indexOf              2    int!
arrayCount           1+   int!
countEqual           2    int!
arrayEnumerate       1    ints!
arrayEnumerateUniq   1+   ints!
arrayEnumerateDense  1+   ints!
arrayPopBack         1    arg1
arrayPopFront        1    arg1
arrayPushBack        2    array!
arrayPushFront       2    array!
arrayResize          2-3  array!
arraySlice           2-3  arg1
arraySort            1+   arrayLast
arrayReverseSort     1+   arrayLast
arrayUniq            1+   int!
arrayJoin            1    element1
arrayDifference      1    array!
arrayDistinct        1    arg1
arrayIntersect       1+   arg1
arrayReduce          2+   any    -> @array_reduce
arrayReverse         1    arg1
arrayFilter          2+   array!
arrayFlatten         1    array!
arrayCompact         1    arg1
arrayZip             1+   array!
arrayAUC             2    float
arrayMap             2+   array!
arrayFill            2+   array!
arrayFold            3+   any
arrayWithConstant    2    array!
arraySplit           2+   array!
arrayReverseFill     2+   array!
arrayReverseSplit    2+   array!
arrayRotateLeft      2    arg1
arrayRotateRight     2    arg1
arrayExists          1+   bool!
arrayAll             1+   bool!
arrayFirst           2+   any
arrayLast            2+   any
arrayFirstIndex      2+   int!
arrayLastIndex       2+   int!
arrayMin             1+   any
arrayMax             1+   any
arraySum             1+   any
arrayAvg             1+   any
arrayCumSum          1+   array!
arrayCumSumNonNegative  1+  array!
arrayProduct         1+   any
arrayStringConcat    1-2  str!
""")

JSON = table("""
isValidJSON        1   bool
JSONHas            1+  bool
JSONLength         1+  int
JSONArrayLength    1   any
JSONType           1+  any
JSONExtract        2+  any
JSONExtractUInt    1+  int
JSONExtractInt     1+  int
JSONExtractFloat   1+  float
JSONExtractBool    1+  bool
JSONExtractString  1+  str
JSONExtractKeys    1+  strs!
JSONExtractRaw     1+  str
JSONExtractArrayRaw  1+  strs!
JSONExtractKeysAndValues     2+  array!
JSONExtractKeysAndValuesRaw  1+  array!
JSON_VALUE         2   str
""")

MAPS = table("""
map                  0+   any
mapFromArrays        2    any
mapAdd               2+   any
mapSubtract          2+   any
mapPopulateSeries    1-3  any
mapContains          2    bool!
mapKeys              1    array!
mapValues            1    array!
mapContainsKeyLike   2    bool!
mapExtractKeyLike    2    any
mapApply             2    any
mapFilter            2    any
mapUpdate            2    any
""")

BITS = table("""
bitAnd             2    int
bitOr              2    int
bitXor             2    int
bitNot             1    int
bitShiftLeft       2    arg1
bitShiftRight      2    arg1
bitRotateLeft      2    int
bitRotateRight     2    int
bitSlice           2-3  str
bitTest            2    bool
bitTestAll         2+   bool
bitTestAny         2+   bool
bitCount           1    int
bitHammingDistance 2    int
bitmapBuild            1  any
bitmapToArray          1  array!
bitmapSubsetInRange    3  any
bitmapSubsetLimit      3  any
subBitmap              3  any
bitmapContains         2  bool
bitmapHasAny           2  bool
bitmapHasAll           2  bool
bitmapCardinality      1  int
bitmapMin              1  int
bitmapMax              1  int
bitmapTransform        3  any
bitmapAnd              2  any
bitmapOr               2  any
bitmapXor              2  any
bitmapAndnot           2  any
bitmapAndCardinality     2  int
bitmapOrCardinality      2  int
bitmapXorCardinality     2  int
bitmapAndnotCardinality  2  int
""")

TUPLES = table("""
tuple                  0+   tupleOf
tupleElement           2-3  any
tupleHammingDistance   2    int
tupleToNameValuePairs  1    array!
tuplePlus              2    any
tupleMinus             2    any
tupleMultiply          2    any
tupleDivide            2    any
tupleNegate            1    any
tupleMultiplyByNumber  2    any
tupleDivideByNumber    2    any
dotProduct             2    any
L1Norm                 1    any
L2Norm                 1    any
LinfNorm               1    any
LpNorm                 2    any
L1Distance             2    any
L2Distance             2    any
LinfDistance           2    any
LpDistance             3    any
L1Normalize            1    any
L2Normalize            1    any
LinfNormalize          1    any
LpNormalize            2    any
cosineDistance         2    any
""")

OTHER = table("""
transform                   3-4  any
formatReadableDecimalSize   1    str
formatReadableSize          1    str
formatReadableQuantity      1    str
formatReadableTimeDelta     1-3  str
indexHint                   1+   any
sortableSemver              1    any  -> @sortable_semver
""")

GEOGRAPHY = table("""
greatCircleDistance  4    float
geoDistance          4    float
greatCircleAngle     4    float
pointInEllipses      6+   bool
pointInPolygon       2+   bool
geohashEncode        2-3  str
geohashDecode        1    any
geohashesInBox       5    strs!
geoToH3              3    int
stringToH3           1    int
h3ToString           1    str
h3IsValid            1    bool
h3GetResolution      1    int
h3EdgeAngle          1    float
h3EdgeLengthM        1    float
h3ToGeo              1    any
h3ToGeoBoundary      1    any
h3kRing              2    ints!  -> @bounded
h3GetBaseCell        1    int
h3HexAreaM2          1    float
h3IndexesAreNeighbors  2  bool
h3ToChildren         2    ints!
h3ToParent           2    int
""")

TABLES = (ARRAYS, JSON, MAPS, BITS, TUPLES, OTHER, GEOGRAPHY)
