"""Where a visitor came from, as one of the channel types (hogql §5.1).

The tables name the sources and mediums that most traffic has; a domain is looked up whole, then by its first significant
subdomain (`m.facebook.com` is `facebook`).
"""

from __future__ import annotations

from collections.abc import Callable

_SEARCH = (
    *(
        "google",
        "bing",
        "yahoo",
        "duckduckgo",
        "baidu",
        "yandex",
        "ecosia",
        "qwant",
        "startpage",
        "brave",
        "ask",
        "aol",
    ),
    *("naver", "seznam", "sogou", "so", "daum", "kagi", "swisscows", "mojeek", "presearch", "lycos", "excite"),
)
_SOCIAL = (
    *("facebook", "instagram", "twitter", "x", "t", "linkedin", "lnkd", "reddit", "pinterest", "tiktok", "snapchat"),
    *(
        "threads",
        "mastodon",
        "bsky",
        "tumblr",
        "quora",
        "whatsapp",
        "telegram",
        "wechat",
        "weibo",
        "vk",
        "discord",
        "fb",
    ),
    *("messenger", "ig", "ycombinator", "hackernews", "meetup", "medium", "xing", "slack", "nextdoor"),
)
_VIDEO = ("youtube", "youtu", "vimeo", "twitch", "dailymotion", "netflix", "hulu", "disneyplus", "bilibili")
_SHOPPING = ("amazon", "ebay", "etsy", "walmart", "alibaba", "aliexpress", "shopify", "shopzilla", "temu", "rakuten")
_OF_SOURCE = {"Search": _SEARCH, "Social": _SOCIAL, "Video": _VIDEO, "Shopping": _SHOPPING}
_EMAIL = ("email", "e-mail", "newsletter", "gmail", "mailchimp", "hubspot", "klaviyo", "sendgrid")
_OF_MEDIUM = {
    "Email": ("email", "e-mail", "e_mail", "e mail", "newsletter"),
    "SMS": ("sms",),
    "Audio": ("audio",),
    "Affiliate": ("affiliate", "affiliates"),
    "Push": ("push", "mobile", "notification"),
}
_SOCIAL_MEDIUMS = ("social", "social-network", "social-media", "sm", "social network", "social media")
_SHOP = "^(.*(([^a-df-z]|^)shop|shopping).*)$"


def _looked_up(value: str, types: dict[str, str]) -> str:
    names = ", ".join(f"'{name}'" for name in types)
    kinds = ", ".join(f"'{kind}'" for kind in types.values())
    return f"nullIf(transform(ifNull({value}, ''), [{names}], [{kinds}], ''), '')"


def _sources(prefix: str) -> dict[str, str]:
    return {name: f"{prefix} {kind}" for kind, names in _OF_SOURCE.items() for name in names}


def _of_source(value: str, prefix: str) -> str:
    """By the whole text, then by the part of a domain that names the site."""
    types = _sources(prefix)
    if prefix == "Organic":
        types |= dict.fromkeys(_EMAIL, "Email") | {"sms": "SMS"}
    short = f"firstSignificantSubdomain({value})"
    return f"coalesce({_looked_up(value, types)}, {_looked_up(short, types)})"


def _of_medium(value: str, prefix: str) -> str:
    types = dict.fromkeys(_SOCIAL_MEDIUMS, f"{prefix} Social") | {"video": f"{prefix} Video"}
    types |= {name: kind for kind, names in _OF_MEDIUM.items() for name in names}
    if prefix == "Paid":
        types |= {"display": "Paid Unknown", "banner": "Paid Unknown", "interstitial": "Paid Unknown"}
    return _looked_up(value, types)


def _of_domain(value: str) -> str:
    types = {name: kind for kind, names in _OF_SOURCE.items() for name in names} | dict.fromkeys(_EMAIL, "Email")
    short = f"firstSignificantSubdomain({value})"
    return f"coalesce({_looked_up(value, types)}, {_looked_up(short, types)})"


LOOKUPS: dict[str, str] = {
    "lookupDomainType": _of_domain("{0}"),
    "lookupPaidSourceType": _of_source("{0}", "Paid"),
    "lookupPaidMediumType": _of_medium("{0}", "Paid"),
    "lookupOrganicSourceType": _of_source("{0}", "Organic"),
    "lookupOrganicMediumType": _of_medium("{0}", "Organic"),
}
"""ClickHouse SQL of the functions that look a text, `{0}`, up in the tables; NULL where it is not in them (hogql §7)."""


def channel_type(entry: Callable[[str], str]) -> str:
    """ClickHouse SQL for the channel; `entry` gives that of a property, NULL where it is missing, empty or `null`."""
    campaign, medium, source = (f"lower({entry(key)})" for key in ("utm_campaign", "utm_medium", "utm_source"))
    domain, gad, facebook = entry("$referring_domain"), entry("gad_source"), f"isNotNull({entry('fbclid')})"
    shop = f"ifNull(match({campaign}, '{_SHOP}'), 0)"
    video = f"ifNull(match({campaign}, '^(.*video.*)$'), 0)"
    paid = (
        f"ifNull({medium} IN ('cpc', 'cpm', 'cpv', 'cpa', 'ppc', 'retargeting') OR startsWith({medium}, 'paid'), 0)"
        f" OR isNotNull({entry('gclid')}) OR isNotNull({gad})"
    )
    direct = (
        f"ifNull({domain} = '$direct', 0) AND isNull({medium})"
        f" AND ifNull({source} IN ('(direct)', 'direct', '$direct'), 1) AND NOT {facebook}"
    )
    paid_type = (
        f"coalesce({_of_source(source, 'Paid')}, if({shop}, 'Paid Shopping', NULL), {_of_medium(medium, 'Paid')},"
        f" {_of_source(domain, 'Paid')}, multiIf(ifNull({gad} = '1', 0), 'Paid Search', {video}, 'Paid Video',"
        f" {facebook}, 'Paid Social', 'Paid Unknown'))"
    )
    organic = (
        f"coalesce({_of_source(source, 'Organic')}, if({shop}, 'Organic Shopping', NULL),"
        f" {_of_medium(medium, 'Organic')}, {_of_source(domain, 'Organic')}, multiIf({video}, 'Organic Video',"
        f" ifNull(endsWith({medium}, 'push'), 0), 'Push', {facebook}, 'Organic Social',"
        f" ifNull({domain} = '$direct', 0), 'Direct', isNotNull({domain}), 'Referral', 'Unknown'))"
    )
    cross = f"ifNull(match({campaign}, 'cross-network'), 0)"
    return f"multiIf({cross}, 'Cross Network', {paid}, {paid_type}, {direct}, 'Direct', {organic})"
