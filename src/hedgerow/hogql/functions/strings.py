"""Strings, searching, replacing, URLs and addresses (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.functions.registry import table

STRINGS = table("""
left                  2    str
right                 2    str
lengthUTF8            1    int
leftPad               2-3  str
rightPad              2-3  str
leftPadUTF8           2-3  str
rightPadUTF8          2-3  str
*lower                1    str
*upper                1    str
lowerUTF8             1    str
upperUTF8             1    str
isValidUTF8           1    bool
toValidUTF8           1    str
format                2+   str
*reverse              1    arg1
reverseUTF8           1    str
*concat               2+   str!  -> @concat
*substring            3    str
substringUTF8         3    str
appendTrailingCharIfAbsent  2  str
convertCharset        3    str
base58Encode          1    str
base58Decode          1    str
tryBase58Decode       1    str
base64Encode          1    str
base64Decode          1    str
tryBase64Decode       1    str
endsWith              2    bool
startsWith            2    bool
encodeXMLComponent    1    str
decodeXMLComponent    1    str
extractTextFromHTML   1    str
*ascii                1    int
concatWithSeparator   2+   str
repeat                2    str
initcap               1    str
lpad                  3    str  -> leftPad
rpad                  3    str  -> rightPad
split_part            3    str  -> splitByString({1}, {0})[{2}]
ltrim                 1-2  str  -> trimLeft
trimLeft              1-2  str
rtrim                 1-2  str  -> trimRight
trimRight             1-2  str
btrim                 1-2  str  -> trimBoth
*trim                 1-2  str  -> trimBoth
md5                   1    str  -> hex(MD5({0}))
""")

SEARCHING = table("""
*position                     2-3  int
positionCaseInsensitive       2-3  int
positionUTF8                  2-3  int
positionCaseInsensitiveUTF8   2-3  int
multiSearchAllPositions       2    ints!
multiSearchAllPositionsUTF8   2    ints!
multiSearchFirstPosition      2    int
multiSearchFirstIndex         2    int
multiSearchAny                2    bool
multiSearchAnyCaseInsensitive 2    bool
match                         2    bool
multiMatchAny                 2    bool
multiMatchAnyIndex            2    int
multiMatchAllIndices          2    ints!
multiFuzzyMatchAny            3    bool  -> @bounded
multiFuzzyMatchAnyIndex       3    int  -> @bounded
multiFuzzyMatchAllIndices     3    ints!  -> @bounded
*extract                      2    str
extractAll                    2    strs!
extractAllGroups              2    array!
extractAllGroupsHorizontal    2    array!
extractAllGroupsVertical      2    array!
ngramDistance                 2    float
ngramSearch                   2    float
countSubstrings               2-3  int
countSubstringsCaseInsensitive      2-3  int
countSubstringsCaseInsensitiveUTF8  2-3  int
countMatches                  2    int
regexpExtract                 2-3  str
""")

REPLACING = table("""
*replace          3    str  -> replaceAll
replaceAll        3    str
replaceOne        3    str
replaceRegexpAll  3    str
replaceRegexpOne  3    str
regexpQuoteMeta   1    str
translate         3    str
translateUTF8     3    str
splitByChar       2-3  strs!
splitByString     2-3  strs!
splitByRegexp     2-3  strs!
splitByWhitespace 1-2  strs!
splitByNonAlpha   1-2  strs!
alphaTokens       1-2  strs!
ngrams            2    strs!
tokens            1    strs!
""")

URLS = table("""
protocol                  1  str
domain                    1  str
domainWithoutWWW          1  str
topLevelDomain            1  str
firstSignificantSubdomain       1  str
cutToFirstSignificantSubdomain  1  str
cutToFirstSignificantSubdomainWithWWW  1  str
port                      1-2  int
path                      1  str
pathFull                  1  str
queryString               1  str
fragment                  1  str
queryStringAndFragment    1  str
extractURLParameter       2  str
extractURLParameters      1  strs!
extractURLParameterNames  1  strs!
URLHierarchy              1  strs!
URLPathHierarchy          1  strs!
encodeURLComponent        1  str
decodeURLComponent        1  str
encodeURLFormComponent    1  str
decodeURLFormComponent    1  str
netloc                    1  str
cutWWW                    1  str
cutQueryString            1  str
cutFragment               1  str
cutQueryStringAndFragment 1  str
cutURLParameter           2  str
""")

ADDRESSES = table("""
IPv4NumToString     1  str
IPv4StringToNum     1  int
toIPv4              1  any
toIPv6              1  any
isIPv4String        1  bool
isIPv6String        1  bool
isIPAddressInRange  2  bool
extractIPv4Substrings  1  strs!  -> @ipv4s
""")

TABLES = (STRINGS, SEARCHING, REPLACING, URLS, ADDRESSES)
