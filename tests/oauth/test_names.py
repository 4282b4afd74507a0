"""What an application may call itself, on a page on which a person in a hurry decides (gateway §6.5)."""

from __future__ import annotations

import pytest

from hedgerow.oauth.names import misleads


@pytest.mark.parametrize(
    "name",
    [
        "PostHog",
        "posthog Support",
        "Post-Hog",
        "p o s t h o g",
        "[PostHog] Support",
        "🦔 PostHog",
        "“Hedgerow”",
        "P\u200bostHog",
        "\u202ePostHog",
        "Ｐｏｓｔｈｏｇ",
        "P\u043estH\u043eg",  # o of Cyrillic
        "\u03a1\u039f\u0053\u03a4\u0397\u039f\u0047",  # capitals of Greek
        "P0STH0G",
        "PøstHog",
        "Hedger0w",
        "He\u0301dgerow",
        "Our 0fficial app",
        "Offlcial app",
        "0ff1cial",
        "VERIFIED ✔",
        "verif1ed",
        "t-r-u-s-t-e-d",
    ],
)
def test_a_claim_however_it_is_spelled(name: str) -> None:
    assert misleads(name)


@pytest.mark.parametrize(
    "name",
    [
        "Orchard",
        "My PostHog client",
        "MCP Inspector",
        "Mill 2000",
        "Post office",
        "Trust & Co",
        "Hedge fund",
        "Метрика",
        "Ηλέκτρα",
        "日本語",
        "",
        "✔",
    ],
)
def test_a_name(name: str) -> None:
    assert not misleads(name)
