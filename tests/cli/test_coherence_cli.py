"""`pcapleak geo`, the options of coherence, and the blocks on the pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_runs import imported, run
from conftest import ROOT

from pcapleak.cli.geo import _age

SOCKS = str(ROOT / "captures" / "socks.pcapng")
PROXY = "socks5://198.51.100.30:1080"
PLACES = str(ROOT / "captures" / "places.toml")


def test_geo_prints_what_the_data_say_and_how_sure_they_are() -> None:
    """Agreeing and differing sources, a carried address, anycast, special ranges, a date."""
    result = run("geo", "185.65.134.66", "2002:5db8:d822::1", "1.1.1.1", "10.0.0.1", COLUMNS="80")
    assert result.returncode == 0
    text = result.stdout
    assert "Netherlands (NL), the sources agree" in text
    assert "AS39351 31173 Services AB" in text
    assert "6to4, carries 93.184.216.34" in text
    assert "United Kingdom (GB) or United States (US), the sources differ" in text
    assert "a public resolver of Cloudflare; in many places: not locatable" in text
    assert "Australia" not in text
    assert "cdn, from a list of networks or ranges" in text
    assert "private address" in text
    assert "DB-IP Lite country of 2026-09-01 (CC BY 4.0, IP Geolocation by DB-IP" in text


def test_old_data_are_told_of() -> None:
    assert _age("2016-09-16").endswith("days old; give a newer one by --geo-db")
    assert _age(datetime.now(UTC).date().isoformat()) == ""
    assert _age("") == ""


def test_geo_takes_a_map_and_gives_json() -> None:
    result = run("geo", "203.0.113.7", "--geo-map", PLACES, "--json")
    place = json.loads(result.stdout)
    assert (place["countries"], place["asn"], place["confidence"]) == (["DE"], 64501, "certain")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["geo", "example.com"], "is not an IP address (pcapleak sends nothing"),
        (["geo", "203.0.113.7", "--geo-map", "none.toml"], "--geo-map: none.toml cannot be read"),
        (["analyze", SOCKS, "--geo-db", "none.mmdb"], "--geo-db: none.mmdb cannot be read"),
        (["analyze", SOCKS, "--timezone", "Berlin"], "--timezone: 'Berlin' is not a time zone"),
        (["analyze", SOCKS, "--language", "German"], "--language: 'German' is not a language tag"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_pair_is_told_by_the_addresses_that_differ() -> None:
    """WebRTC shows the exit's address too; the one beside it is what contradicts."""
    capture = str(ROOT / "captures" / "native-ipv6.pcapng")
    report = json.loads(run("analyze", capture, "--geo-map", PLACES, "--json", "-").stdout)
    pairs = {tuple(one["vectors"]): one for one in report["coherence"]["contradictions"]}
    pair = pairs["exit", "webrtc"]
    assert pair["verdict"] == "disagree"
    assert pair["sentence"].startswith("exit 198.51.100.40, WebRTC address 2001:db8:50::42: ")


def test_pages_show_the_contradiction(tmp_path: Path) -> None:
    """The terminal's page and the HTML page have the sentence, the pairs and the findings."""
    html = tmp_path / "report.html"
    options = ["--proxy", PROXY, "--geo-map", PLACES, "--timezone", "Europe/Berlin"]
    result = run("analyze", SOCKS, *options, "--exit-zero", "--html", str(html), COLUMNS="200")
    sentence = (
        "The page would see an exit in Canada, a WebRTC address in Germany, a clock set to "
        "Europe/Berlin and a browser that asks for en-US, en."
    )
    written = html.read_text()
    for text in (result.stdout, written):
        assert sentence in text
        assert "Europe/Berlin is not in CA, and its clock differs" in text
        assert "PL401" in text
        assert "PL403" in text
    assert "the exit is not where the client is" in written
    verbose = run("analyze", SOCKS, *options, "--exit-zero", "--verbose", COLUMNS="200").stdout
    assert "the exit is not where the client is" in verbose
    assert "Address translation" in verbose


def test_a_page_without_contradiction_has_no_such_block() -> None:
    assert "Coherence" not in run("analyze", SOCKS, "--proxy", PROXY, "--exit-zero").stdout


def test_the_policy_file_takes_the_same(tmp_path: Path) -> None:
    """Paths in it are from its own folder; options outweigh its time zone."""
    (tmp_path / "places.toml").write_text(Path(PLACES).read_text())
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'timezone = "Europe/Berlin"\nlanguages = ["de-DE"]\ngeo_maps = ["places.toml"]\n'
        f'[[proxy]]\nurl = "{PROXY}"\n'
    )

    def planted(*options: str) -> set[str]:
        arguments = ["--policy", str(policy), *options, "--json", "-", "--exit-zero"]
        found = json.loads(run("analyze", SOCKS, *arguments).stdout)["findings"]
        return {one["id"] for one in found if one["id"].startswith("PL40")}

    assert planted() == {"PL401", "PL402", "PL403", "PL404"}
    assert planted("--timezone", "America/Toronto") == {"PL401", "PL402", "PL404"}
    assert planted("--language", "en") == {"PL401", "PL402", "PL403"}


def test_no_database_is_read_for_documentation_ranges() -> None:
    """An analysis of them loads neither the reader of databases nor anything slow."""
    assert "maxminddb" not in imported("analyze", SOCKS, "--exit-zero", "--quiet")
