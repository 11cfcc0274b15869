"""What clients say of themselves, in requests, messages and saved pages."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from builders import CLIENT, PROXY_POLICY, WEB, Recording, judged
from lab_truth import CAPTURES

import pcapleak
from pcapleak.decode.ice.page import PageFacts, read_page_facts
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.errors import PcapleakError
from pcapleak.pipeline.inputs import read_pages
from pcapleak.track import client_hints as claims
from pcapleak.track.client_hints import ClaimTracker
from pcapleak.values.packets import Context, Endpoint

CHROME = ("User-Agent", "Mozilla/5.0 Chrome/156.0.0.0")


def context(frame: int = 1, client: str = CLIENT) -> Context:
    ends = Endpoint(ip_address(client), 40000), Endpoint(ip_address(WEB), 80)
    return Context(frame, frame * 1000, 0, 2, "tcp", *ends, 0, True)


def get(*headers: tuple[str, str], target: str = "/", body: bytes = b"") -> HttpRequest:
    return HttpRequest("GET", target, "1.1", headers, body)


def told(tracker: ClaimTracker) -> list[tuple[str, str, str, int]]:
    return [(str(one.client), one.kind, one.value, one.seen.count) for one in tracker.claims()]


def test_the_different_claims_of_each_client_are_counted() -> None:
    tracker = ClaimTracker()
    for frame in (1, 2):
        tracker.add(context(frame), get(("ACCEPT-LANGUAGE", "de-DE,de;q=0.9"), CHROME))
    tracker.add(context(3), get(("Accept-Language", "en")))
    tracker.add(context(4, "192.168.50.43"), get(("Accept-Language", "en")))
    assert told(tracker) == [
        (CLIENT, "language", "de-DE,de;q=0.9", 2),
        (CLIENT, "browser", CHROME[1], 2),
        (CLIENT, "language", "en", 1),
        ("192.168.50.43", "language", "en", 1),
    ]
    assert tracker.claims()[0].seen.frames == [1, 2]


@pytest.mark.parametrize(
    "message",
    [
        get(target="/collect?tz=Europe%2FBerlin&x=1"),
        get(body=b'{"timezone": "Europe/Berlin"}'),
        WebSocketMessage("text", b'{"timeZone":"Europe/Berlin"}'),
    ],
)
def test_a_time_zone_is_read_where_a_script_reports_it(message: object) -> None:
    tracker = ClaimTracker()
    tracker.add(context(), message)
    assert told(tracker) == [(CLIENT, "time zone", "Europe/Berlin", 1)]


def test_other_messages_claim_nothing() -> None:
    tracker = ClaimTracker()
    tracker.add(context(), get(("Host", "example.com"), body=b"timezone"))
    assert told(tracker) == []


def test_claims_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's endless new values are cut and then passed over; known ones still count."""
    monkeypatch.setattr(claims, "MAX_CLAIMS", 3)
    tracker = ClaimTracker()
    for number in range(10):
        tracker.add(context(number), get(("User-Agent", f"{number}" * 5000)))
    tracker.add(context(11), get(("User-Agent", "0" * 5000)))
    assert [(len(one.value), one.seen.count) for one in tracker.claims()] == [
        (500, 2),
        (500, 1),
        (500, 1),
    ]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            '{"timeZone":"Europe/Berlin","language":"de-DE","languages":["de-DE","de"]}',
            PageFacts("Europe/Berlin", '"de-DE","de"'),
        ),
        (
            "timezone: America/Argentina/Buenos_Aires\nAccept-Language: de-DE,de;q=0.9,en;q=0.8\n",
            PageFacts("America/Argentina/Buenos_Aires", "de-DE,de;q=0.9,en;q=0.8"),
        ),
        ('{"time_zone_id": "UTC"}', PageFacts("UTC", None)),
        ("locale = fr-CH", PageFacts(None, "fr-CH")),
        ("candidate:1 1 udp 2113937151 a.local 51000 typ host", PageFacts(None, None)),
        ('{"timezoneOffset": -60}', PageFacts(None, None)),
        ("", PageFacts(None, None)),
        ("language=[" * 10_000, PageFacts(None, None)),
    ],
)
def test_pages_tell_time_zone_and_languages(text: str, facts: PageFacts) -> None:
    assert read_page_facts(text) == facts


def test_a_page_without_candidates_serves_for_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text("timeZone: Europe/Berlin")
    pages = read_pages([path])
    assert pages.candidates == {}
    assert pages.facts == {str(path): PageFacts("Europe/Berlin", None)}
    path.write_text("nothing of use")
    with pytest.raises(PcapleakError, match="no ICE candidate, time zone or language"):
        read_pages([path])


def test_the_language_of_a_capture_names_its_frame(tmp_path: Path) -> None:
    """The browser's request outweighs what another program says once."""
    recording = Recording()
    page = b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: de-DE,de;q=0.9\r\n\r\n"
    other = b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: fr\r\n\r\n"
    answer = b"HTTP/1.1 204 No\r\n\r\n"
    recording.socks(0, other, answer, page, answer, page, answer)
    language = judged(recording, PROXY_POLICY, tmp_path).coherence.vectors[3]
    assert language.value == "de-DE, de"
    assert language.countries == ["DE"]
    assert language.provenance.startswith(f"Accept-Language of {CLIENT} in frame ")
    assert language.frames


def test_a_browsers_language_is_read_inside_tls_too(tshark: str) -> None:
    """The keys are in the capture."""
    document = pcapleak.analyze(CAPTURES / "signalling-tls.pcapng").document
    language = document.coherence.vectors[3]
    assert language.value == "en-US, en"
    assert "HeadlessChrome" in language.details["browser"]
