"""Aggregates, their `If` forms, window functions (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.functions.registry import conditional, table

# each has an `If` form
_WITH_IF = table(
    """
*min                1    arg1
*max                1    arg1
*sum                1    arithmetic
*avg                1    float
any                 1    arg1
anyHeavy            1    arg1
anyLast             1    arg1
stddevPop           1    float
stddevSamp          1    float
varPop              1    float
varSamp             1    float
covarPop            2    float
covarSamp           2    float
argMin              2    arg1
argMax              2    arg1
avgWeighted         2    any
groupArray      0-1/1    array!
groupUniqArray  0-1/1    array!
groupArrayInsertAt 0-2/2 array!
groupArrayMovingAvg 0-1/1  array!
groupArrayMovingSum 0-1/1  array!
groupArraySample  1-2/1  array!
groupBitAnd         1    int
groupBitOr          1    int
groupBitXor         1    int
groupBitmap         1    int
groupBitmapAnd      1    any
groupBitmapOr       1    any
groupBitmapXor      1    any
sumWithOverflow     1    any
deltaSum            1    any
deltaSumTimestamp   2    any
sumMap              1-2  any
minMap              1-2  any
maxMap              1-2  any
avgMap              1    any
uniqMap             1    any
sumForEach          1    array!
minForEach          1    array!
skewSamp            1    float
skewPop             1    float
kurtSamp            1    float
kurtPop             1    float
uniq                1+   int!
uniqExact           1+   int!
uniqHLL12           1+   int!
uniqTheta           1+   int!  -> uniq
median              1    any
medianExact         1    any
medianExactLow      1    any
medianExactHigh     1    any
medianExactWeighted 2    any
medianTiming        1    any
medianTimingWeighted 2   any
medianDeterministic 2    any
medianTDigest       1    any
medianTDigestWeighted 2  any
medianBFloat16      1    any
quantile          1/1    any
quantiles        1+/1    any
simpleLinearRegression 2 any
contingency         2    any
cramersV            2    any
cramersVBiasCorrected 2  any
theilsU             2    any
maxIntersections    2    int!
maxIntersectionsPosition 2 any
windowFunnel     1+/2+   int
""",
    "aggregate",
)

_WITHOUT_IF = table(
    """
*count           0-1    int!
countIf          1-2    int!
countDistinctIf  2      int!   -> uniqExactIf
countMap         1      any    -> sumMap({0})
countState       0-1    any
countMerge       1      int!
corr             2      float
topK           1/1      array!
countMapIf       2      any    -> sumMapIf
avgArray         1      any    -> avgArrayOrNull
avgArrayIf       2      any    -> avgArrayOrNullIf
medianArrayIf    2      any    -> medianArrayOrNullIf
array_aggIf      2      array! -> groupArrayIf
medianArray      1      any    -> medianArrayOrNull
array_agg        1      array! -> groupArray
sumState         1      any
sumMerge         1      any
avgState         1      any
avgMerge         1      any
uniqState        1+     any
uniqMerge        1      int!
uniqExactMerge   1      int!
uniqUpToMerge  1/1      int!
sumMapMerge      1      any
avgMapState      1      any
avgMapMerge      1      any
uniqMapMerge     1      any
argMinMerge      1      any
argMaxMerge      1      any
json_agg         1      str!   -> toJSONString(groupArray({0}))
string_agg       2      str!   -> arrayStringConcat(groupArray({0}), {1})
every            1      bool   -> toBool(min({0}))
""",
    "aggregate",
)

AGGREGATES = [*_WITH_IF, *(conditional(each) for each in _WITH_IF), *_WITHOUT_IF]

WINDOW = table(
    """
rank          0    int!
dense_rank    0    int!
row_number    0    int!
first_value   1    any
last_value    1    any
nth_value     2    any
lagInFrame    1-3  any
leadInFrame   1-3  any
lag           1-3  any  -> @neighbour
lead          1-3  any  -> @neighbour
""",
    "window",
)

TABLES = (AGGREGATES, WINDOW)
