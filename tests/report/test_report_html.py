"""The HTML page, also as a browser shows it."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import need_tool
from msgspec.structs import replace
from sample_report import sample

from pcapleak.report.document import Document, Generator, PolicyEntry, Verdict
from pcapleak.report.writers.html import LIMITS, TEMPLATES, to_html, to_html_fragment

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'\x1b[31m\u202e"


class Page(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def crowded() -> Document:
    report = sample(HOSTILE * 3)
    for name in (
        "findings", "mdns_names", "flows", "timeline", "observers", "malformed", "ice_sessions",
        "captures", "page_rows", "tunnels", "resolvers",
    ):  # fmt: skip
        setattr(report, name, getattr(report, name) * 400)
    report.tunnels[0].up *= 10_000
    return report


@pytest.mark.parametrize("text", ["", HOSTILE])
def test_page_loads_nothing_and_runs_only_its_own_script(text: str) -> None:
    """There is no inline style, no handler, no address to load from, and one script, by hash."""
    written = to_html(sample(text))
    page = Page(written)
    assert [link for link in page.links if not link.startswith("#")] == ["data:,"]
    assert not page.tags & {"img", "iframe", "object", "embed", "form", "base"}
    (script,) = re.findall(r"<script>(.*?)</script>", written, re.DOTALL)
    assert script == (TEMPLATES / "report.js").read_text(encoding="utf-8")
    assert "innerHTML" not in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in written
    assert not any(name.startswith("on") or name == "style" for name in page.attributes)


def test_hostile_strings_add_no_elements() -> None:
    """A report made of markup has the same elements as a harmless one."""
    hostile, harmless = to_html(sample(HOSTILE)), to_html(sample("x"))
    assert Page(hostile).tags == Page(harmless).tags
    assert hostile.count("<") == harmless.count("<")
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile


def test_page_holds_the_report() -> None:
    """Verdict, pictures, findings with filter, candidates, names, browsers, observers, limits."""
    page = to_html(sample())
    for expected in (
        ">Leak</div>",
        "203.0.113.7",
        "stun &amp;&amp; udp.port == 40150",
        "candidate:? 1 udp ? 203.0.113.7 40150 typ srflx",
        "71386b15-1cad-4c74-9819-06d41f4bc8be.local",
        "<title>PL101 203.0.113.7: 15:49:18.200 to 15:49:18.300, 100 ms</title>",
        "Who learned what",
        "asks a service of its own",
        "truncated",
        "no IPv6 traffic",
    ):
        assert expected in page


def test_findings_are_folded_by_kind_with_counts_contents_and_the_same_fix_once() -> None:
    report = sample()
    one = replace(report.findings[0], remedy="Turn it off.")
    report = replace(report, findings=[one, one, replace(one, id="PL102")])
    page = to_html(report, made="2026-01-02 03:04:05 UTC", command="pcapleak analyze x")
    assert page.count('<details class="card') == 2
    assert page.count("Turn it off.") == 1
    assert f'Same as for <a href="#{one.id}">' in page
    assert f">3 {one.severity}</b>" in page
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert {link[1:] for link in Page(page).links if link.startswith("#")} <= ids
    assert "at 2026-01-02 03:04:05 UTC" in page
    assert "pcapleak analyze x" in page


def test_a_fix_is_shown_whole_with_its_commands_and_a_long_reason_too() -> None:
    report = sample()
    remedy = f"Do this: `nft <b> drop`. {'Or that. ' * 60}At last this."
    one = replace(report.findings[0], remedy=remedy, message="of `a` stranger")
    verdict = replace(report.verdict, reason=f"{'It leaks. ' * 60}So it is.")
    page = to_html(replace(report, findings=[one], verdict=verdict))
    assert "<code>nft &lt;b&gt; drop</code>" in page
    assert "At last this." in page
    assert "So it is." in page
    assert "of `a` stranger" in page


def test_page_stays_small() -> None:
    """However much a capture holds, and however hostile, the page is under 300 kB."""
    page = to_html(crowded())
    assert len(page.encode()) < 300_000
    assert f"and {400 * 2 - LIMITS['findings']:,} more findings" in page


def test_empty_report_has_a_page() -> None:
    """A report of nothing is a page too."""
    empty = Document(
        "1.0", Generator("pcapleak", "0"), [], PolicyEntry("none"), Verdict("no-policy", "nothing")
    )
    assert "No policy to judge by" in to_html(empty)
    assert "no-policy" in to_html_fragment(empty)


def test_fragment_is_short_and_inert() -> None:
    """What a notebook shows is a few escaped lines, however much was found."""
    fragment = to_html_fragment(crowded())
    assert len(fragment) < 20_000
    assert Page(fragment).tags <= {
        "div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code",
    }  # fmt: skip
    assert "in <code>.findings</code>" in fragment


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            need_tool("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--enable-logging=stderr",
            f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


def complaints(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if "CONSOLE" in line]


def test_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """A browser opens the page without an error, and would refuse what the page does not hold."""
    page = tmp_path / "report.html"
    page.write_text(to_html(sample(HOSTILE)))
    assert complaints(browse(page, "--dump-dom")) == []
    page.write_text(to_html(sample()).replace("</body>", "<script>1</script></body>"))
    assert "Content Security Policy" in "".join(complaints(browse(page, "--dump-dom")))


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("text", ["", HOSTILE, "x" * 300])
def test_nothing_is_cut_at_any_width(tmp_path: Path, width: int, text: str) -> None:
    """No element is wider than the window of a phone or of a desk."""
    # A window cannot be as narrow as a phone; a frame in it can.
    page = tmp_path / "report.html"
    page.write_text(
        f'<iframe width="{width}" frameborder="0" srcdoc="{escape(to_html(sample(text)))}"'
        ' onload="document.title = contentDocument.documentElement.scrollWidth"></iframe>'
    )
    dom = browse(page, "--dump-dom", "--window-size=1600,900").stdout
    found = re.search(r"<title>(\d+)</title>", dom)
    assert found is not None
    assert 300 < int(found[1]) <= width


def test_paper_gets_tables_as_tables() -> None:
    """Paper is narrower than the width at which a screen shows rows as cards."""
    page = to_html(sample())
    assert "@media screen and (max-width" in page
    assert "@media (max-width" not in page
