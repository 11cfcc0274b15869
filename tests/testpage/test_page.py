"""The test page as it is written: what it holds, what it may do, and which servers it takes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_runs import run

from pcapleak.errors import PcapleakError
from pcapleak.testpage.page import check_servers, write_page
from pcapleak.testpage.servers import STUN_SCHEMES, TURN_SCHEMES, parse_server

STUN = "stun:stun.own.example:3479"
TURN = "turn:[2001:db8::7]:3478?transport=tcp"


class Elements(HTMLParser):
    """Every element with its attributes, and the text of those that run or style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.inside: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.inside is not None:
            self.texts[self.inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = None


@pytest.fixture(scope="module")
def page() -> str:
    return write_page(check_servers([STUN], [TURN], "user", 'a"</script><b>&'))


def policy_of(page: str) -> dict[str, list[str]]:
    (content,) = (
        attributes["content"] or ""
        for tag, attributes in Elements(page).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = (rule.split() for rule in content.split(";"))
    return {name: values for name, *values in rules}


def test_only_the_script_and_the_style_inside_are_allowed(page: str) -> None:
    elements, policy = Elements(page), policy_of(page)
    setup, script = elements.texts["script"]
    (style,) = elements.texts["style"]
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[name] == [f"'sha256-{digest}'"]
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:"]
    assert "connect-src" not in policy
    assert json.loads(setup)["servers"][1]["credential"] == 'a"</script><b>&'
    assert not any("style" in attributes for _, attributes in elements.found)
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)


def test_it_names_no_resource_and_no_server_but_those_given(page: str) -> None:
    links = [
        value
        for _, attributes in Elements(page).found
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "poster", "srcset", "ping", "formaction")
    ]
    assert links == ["data:,"]
    assert not re.search(r"(?:https?|wss?|ftp|data):(?!,)", page.replace("img-src data:", ""))
    servers = set(re.findall(r"\b(?:stun|turn)s?:[\w\[]\S*?(?=[\"<\s])", page))
    assert servers == {STUN, TURN}
    rest = page.replace(STUN, "").replace(TURN, "")
    assert not re.search(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", rest)
    assert not re.search(r"\b[a-z0-9-]+\.(?:com|org|net|example|io|invalid)\b", rest)
    assert "url(" not in page
    assert "@import" not in page


def test_its_script_stores_and_fetches_nothing(page: str) -> None:
    script = Elements(page).texts["script"][1]
    for word in (
        "fetch(", "XMLHttpRequest", "sendBeacon", "WebSocket", "EventSource", "importScripts",
        "localStorage", "sessionStorage", "indexedDB", "cookie", "caches", "innerHTML", "eval(",
        "import(", "window.open", "location",
    ):  # fmt: skip
        assert word not in script, word


def test_public_servers_are_named_before_it_starts() -> None:
    page = write_page(check_servers([], [], None, None))
    assert "These are public servers" in page
    assert "stun:stun.l.google.com:19302" in page
    own = write_page(check_servers([STUN], [], None, None))
    assert "public servers" not in own
    assert "google" not in own
    assert "password" not in own


def test_every_control_has_a_name_and_status_is_told(page: str) -> None:
    elements = Elements(page).found
    labels = {
        attributes["for"] for tag, attributes in elements if tag == "label" and "for" in attributes
    }
    assert labels == {"text"}
    assert page.count("<label") == page.count("<input") + page.count("<textarea")
    status = next(attributes for _, attributes in elements if attributes.get("id") == "status")
    assert (status["role"], status["aria-live"]) == ("status", "polite")
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {"lang": "en"} in [attributes for tag, attributes in elements if tag == "html"]


@pytest.mark.parametrize(
    "url",
    [
        "stun:192.0.2.1", "stun:stun.example.org", "STUN:stun.example.org:3478", "stuns:x:5349",
        "stun:[2001:db8::1]", "stun:[2001:db8::1]:3478", "stun:a_b.example.", "stun:x:65535",
    ],
)  # fmt: skip
def test_stun_urls(url: str) -> None:
    scheme, _, rest = url.partition(":")
    assert parse_server("--stun", url, STUN_SCHEMES) == f"{scheme.lower()}:{rest}"


@pytest.mark.parametrize("url", ["turn:x", "turns:x:443?transport=tcp", "turn:x?transport=udp"])
def test_turn_urls(url: str) -> None:
    assert parse_server("--turn", url, TURN_SCHEMES) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no URL"),
        ("stun.example.org:3478", "does not begin"),
        ("http://example.org", "does not begin"),
        ("turn:x", "does not begin with stun: or stuns:"),
        ("stun://example.org", "//"),
        ("stun:", "names no host"),
        ("stun::3478", "names no host"),
        ("stun:user@host", "names no host"),
        ("stun:a b", "names no host"),
        ("stun:x\n", "names no host"),
        ("stun:münchen.example", "names no host"),
        ("stun:1.2.3", "names no host"),
        ("stun:1.2.3.256", "names no host"),
        ("stun:2001:db8::1", "names no host"),
        ("stun:[2001:db8::1%eth0]", "names no host"),
        ("stun:[::1", "no URL"),
        ("stun:x:0", "no port"),
        ("stun:x:65536", "no port"),
        ("stun:x:", "no port"),
        ("stun:x:٣", "no port"),
        ("stun:x?transport=udp", "query"),
        (f"stun:{'a' * 64}.example", "names no host"),
        (f"stun:{'a.' * 200}", "no URL"),
    ],
)
def test_what_is_no_stun_url(url: str, why: str) -> None:
    with pytest.raises(PcapleakError, match=re.escape(why)):
        parse_server("--stun", url, STUN_SCHEMES)


def test_a_query_that_turn_does_not_have() -> None:
    with pytest.raises(PcapleakError, match="query"):
        parse_server("--turn", "turn:x?transport=sctp", TURN_SCHEMES)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--stun", "stun:x:0"],
        ["--turn", "turn:x"],
        ["--turn", "turn:x", "--turn-user", "u"],
        ["--turn-user", "u"],
        ["--turn-password", "p"],
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    result = run("page", str(out), *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"pcapleak: {arguments[0]}: ")
    assert result.stderr.count("\n") == 1
    assert not out.exists()


def test_the_file_is_its_owners_and_replaces_the_old_one_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    assert run("page", str(out), "--stun", STUN).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    first = out.read_text()
    assert run("page", str(out), "--stun", "stun:other.example").returncode == 0
    assert out.read_text() != first
    assert list(tmp_path.iterdir()) == [out]
    printed = run("page", "--stun", STUN)
    assert printed.stdout == first
    assert run("page", str(tmp_path / "none" / "x.html")).returncode == 2
    assert run("page", str(tmp_path)).returncode == 2
