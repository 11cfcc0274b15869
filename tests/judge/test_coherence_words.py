"""Time zones and languages: which countries they point to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pcapleak.errors import PolicyError
from pcapleak.judge.coherence.languages import (
    language_countries,
    language_fit,
    parse_languages,
    region,
    telling,
)
from pcapleak.judge.coherence.stated import check_stated
from pcapleak.judge.coherence.zones import (
    canonical_zone,
    country_name,
    is_silent,
    related,
    same_clock,
    zone_countries,
)
from pcapleak.policy.policy import Policy

WINTER = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp()) * 1_000_000_000
SUMMER = int(datetime(2026, 7, 15, tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("zone", "countries"),
    [
        ("Europe/Berlin", ("DE",)),
        ("Europe/Oslo", ("NO",)),
        ("America/New_York", ("US",)),
        ("America/Argentina/Buenos_Aires", ("AR",)),
        # Other names, by their links in tzdata.zi.
        ("Asia/Calcutta", ("IN",)),
        ("US/Pacific", ("US",)),
        ("Europe/Kiev", ("UA",)),
        ("Asia/Saigon", ("VN",)),
        ("UTC", ()),
        ("GMT", ()),
        ("Etc/GMT+5", ()),
        ("CET", ()),
        ("EST5EDT", ()),
        ("PRC", ("CN",)),
        ("Europe/Belgrade", ("RS", "XK")),
        ("Japan", ("JP",)),
        ("DE", ()),
    ],
)
def test_a_zone_belongs_to_its_countries(zone: str, countries: tuple[str, ...]) -> None:
    assert zone_countries(zone) == countries


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Nowhere", "../zone.tab", "/etc/passwd", "zone.tab", "a\0b"]
)
def test_what_is_no_zone_is_none(name: str) -> None:
    assert canonical_zone(name) is None


def test_zones_are_known_in_any_case() -> None:
    assert canonical_zone("america/new_york") == "America/New_York"
    assert canonical_zone("EUROPE/BERLIN") == "Europe/Berlin"
    assert canonical_zone("Etc/Unknown") is None


@pytest.mark.parametrize(
    "name",
    ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Etc/Greenwich", "Zulu", "Atlantic/Reykjavik", "Iceland"],
)
def test_what_browsers_report_to_all_is_silent(name: str) -> None:
    assert is_silent(name)


@pytest.mark.parametrize("name", ["Etc/GMT+1", "Africa/Abidjan", "Europe/London", "WET"])
def test_zones_that_only_show_the_same_time_are_not(name: str) -> None:
    assert not is_silent(name)


def test_territories_belong_to_their_mother_country() -> None:
    assert related(["FR"], ["RE"])
    assert related(["GP"], ["RE"])
    assert related(["US"], ["PR"])
    assert not related(["FR"], ["DE"])
    assert not related(["CN"], ["HK"])


@pytest.mark.parametrize(
    ("zone", "country", "ts_ns", "same"),
    [
        ("Europe/Berlin", "FR", WINTER, True),
        ("Europe/Berlin", "GB", WINTER, False),
        # Lagos has the time of Berlin in winter and not in summer.
        ("Europe/Berlin", "NG", WINTER, True),
        ("Europe/Berlin", "NG", SUMMER, False),
        ("America/Los_Angeles", "US", WINTER, True),
        ("UTC", "GB", WINTER, True),
        ("Europe/Nowhere", "DE", WINTER, False),
        ("Europe/Berlin", "ZZ", WINTER, False),
    ],
)
def test_clocks_are_compared_at_the_time_of_the_capture(
    zone: str, country: str, ts_ns: int, same: bool
) -> None:
    assert same_clock(zone, country, ts_ns) is same


def test_countries_have_names() -> None:
    assert country_name("NL") == "Netherlands"
    assert country_name("XK") == "Kosovo"
    assert country_name("ZZ") == "ZZ"


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", ("de-DE", "de", "en-US", "en")),
        ("tl,iw,mo", ("fil", "he", "ro")),
        ("en;q=0.5, fr-ch ;q=0.9", ("fr-CH", "en")),
        ('"de-DE","de"', ("de-DE", "de")),
        ("zh-hant-tw", ("zh-Hant-TW",)),
        ("iw", ("he",)),
        ("de;q=0, en", ("en",)),
        ("*", ()),
        ("", ()),
        ("\x1b[31m,<script>", ()),
        (",".join(["xx"] * 10_000), ("xx",)),
    ],
)
def test_lists_of_languages_are_read_in_order_of_weight(text: str, tags: tuple[str, ...]) -> None:
    assert parse_languages(text) == tags


@pytest.mark.parametrize(
    ("tags", "countries", "fit"),
    [
        (("de-DE", "de", "en"), ["DE"], "agree"),
        (("de-DE", "de"), ["AT"], "agree"),
        (("fr-FR", "fr"), ["CH"], "agree"),
        (("es-MX", "es"), ["US"], "agree"),
        (("zh-TW",), ["TW"], "agree"),
        # Learnt by many, but official nowhere: not at home, and not foreign.
        (("de-DE", "de"), ["NL"], "uncertain"),
        (("ru",), ["DE"], "uncertain"),
        (("de-DE", "de"), ["US"], "disagree"),
        (("pl-PL", "pl"), ["DE"], "disagree"),
        (("pl-PL", "pl", "en"), ["DE"], "disagree"),
        (("de",), ["US", "DE"], "agree"),
        # English alone says nothing, either way.
        (("en-US", "en"), ["US"], "unknown"),
        (("en-US", "en"), ["DE"], "unknown"),
        (("en",), ["CN"], "unknown"),
        # A list is worth its first language; English goes with any.
        (("de-DE", "zh-CN", "ru-RU", "ar"), ["CN"], "disagree"),
        (("en-US", "de-DE", "en"), ["DE"], "agree"),
        (("en-US", "de-DE", "es"), ["ES"], "disagree"),
        # Scripts, and varieties of another continent.
        (("zh-CN",), ["CN"], "agree"),
        (("zh-TW",), ["CN"], "disagree"),
        (("zh-Hant-HK",), ["CN"], "disagree"),
        (("zh-HK",), ["TW"], "agree"),
        (("zh",), ["SG"], "agree"),
        (("pt-PT",), ["BR"], "uncertain"),
        (("pt-BR",), ["PT"], "uncertain"),
        (("pt-PT",), ["AO"], "agree"),
        (("es-ES",), ["US"], "uncertain"),
        (("es-419", "es"), ["ES"], "uncertain"),
        (("es-419", "es"), ["MX"], "agree"),
        (("es-AR",), ["MX"], "agree"),
        (("fr-CA",), ["FR"], "uncertain"),
        (("fr-FR",), ["BE"], "agree"),
        ((), ["DE"], "unknown"),
        (("de",), [], "unknown"),
        (("cy",), ["GB"], "uncertain"),
        (("br-FR", "br"), ["FR"], "agree"),
        (("br",), ["FR"], "uncertain"),
        (("br",), ["GB"], "disagree"),
        # Of no country: made up, or in no data. What follows a made-up one tells.
        (("eo", "en"), ["DE"], "unknown"),
        (("cak",), ["GT"], "unknown"),
        (("eo", "pl"), ["DE"], "disagree"),
    ],
)
def test_languages_fit_a_country_by_who_uses_them(
    tags: tuple[str, ...], countries: list[str], fit: str
) -> None:
    assert language_fit(tags, countries) == fit


def test_english_tells_nothing_beside_another_language() -> None:
    assert telling(("en-US", "de-DE", "en")) == ("de-DE",)
    assert telling(("fr", "de-DE", "fr-CH")) == ("fr", "fr-CH")
    assert telling(("en-US", "en")) == ()


def test_languages_point_to_countries() -> None:
    assert language_countries(("de-AT", "de", "en")) == ("AT",)
    assert language_countries(("de", "en"))[:1] == ("LI",)
    assert set(language_countries(("de",))) == {"AT", "CH", "DE", "LI", "LU"}
    assert language_countries(("en",)) == ()
    assert region("zh-Hant-TW") == "TW"
    assert region("de") is None


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (Policy(timezone="Berlin"), "--timezone"),
        (Policy(timezone="../../etc/localtime"), "--timezone"),
        (Policy(languages=("German",)), "--language"),
        (Policy(languages=("*",)), "--language"),
    ],
)
def test_what_is_stated_must_exist(policy: Policy, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        check_stated(policy)
