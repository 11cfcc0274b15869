"""The pictures."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from sample_report import sample

from pcapleak.report import pictures
from pcapleak.report.document import Document, Generator, PolicyEntry, Verdict
from pcapleak.report.drawing import CHARACTER, Drawing, fit
from pcapleak.report.report import Report

EMPTY = Document(
    "1.0", Generator("pcapleak", "0"), [], PolicyEntry("none"), Verdict("no-policy", "nothing")
)
PICTURES = [pictures.topology, pictures.timeline, pictures.ladder]


def crowded() -> Document:
    report = sample("$x^2$ \x1b[31m" + "y" * 300)
    for name in ("findings", "tunnels", "flows", "mdns_names", "ice_sessions"):
        setattr(report, name, getattr(report, name) * 50)
    report.tunnels *= 20
    report.statistics.paths = {"tunnel": 10**9, "bypass": 10**9, "unassessed": 10**9, "local": 1}
    return report


def extents(drawing: Drawing) -> Iterator[tuple[float, float, float, float]]:
    """Left, top, right and bottom of everything painted."""
    for box in drawing.boxes:
        yield box.x, box.y, box.x + box.width, box.y + box.height
        for number, text in enumerate(box.lines):
            yield (
                box.x + 8,
                box.y + 7 + 15 * number,
                box.x + 8 + CHARACTER * len(text),
                box.y + 20 + 15 * number,
            )
            assert box.y + 20 + 15 * number <= box.y + box.height + 1
            assert box.x + 8 + CHARACTER * len(text) <= box.x + box.width
    for line in drawing.lines:
        yield (
            min(line.x1, line.x2), min(line.y1, line.y2),
            max(line.x1, line.x2), max(line.y1, line.y2),
        )  # fmt: skip
    for label in drawing.labels:
        width = CHARACTER * len(label.text)
        left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        yield left, label.y - 10, left + width, label.y + 3


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("report", [sample(), EMPTY, crowded()], ids=["sample", "empty", "crowded"])
def test_everything_lies_inside_the_picture(picture: object, report: Document) -> None:
    """Whatever the report holds, nothing is cut off or runs out of its box."""
    assert callable(picture)
    drawing = picture(report)
    for left, top, right, bottom in extents(drawing):
        assert -2 <= left <= right <= drawing.width + 2
        assert -2 <= top <= bottom <= drawing.height + 2
    assert drawing.height < 1000


def test_topology_shows_both_ways() -> None:
    """The picture names the carrier, what leaked, and who saw it."""
    drawing = pictures.topology(sample())
    texts = [line for box in drawing.boxes for line in box.lines]
    assert "socks 198.51.100.30:1080" in texts
    assert "seen as 203.0.113.7" in texts
    assert "198.51.100.10:3478" in texts
    assert [text for text in texts if "packets" in text] == ["58 packets", "4 packets"]


def test_timeline_places_spans_to_scale() -> None:
    """A bar starts and ends where its times lie between the first and last packet."""
    tunnel, leak = pictures.timeline(sample()).boxes
    assert tunnel.x == pytest.approx(420 * 100 / 5230)
    assert tunnel.width == pytest.approx(420 * 3900 / 5230)
    assert leak.x == pytest.approx(420 * 1200 / 5230)
    assert "100 ms" in leak.title


def test_ladder_follows_the_frames() -> None:
    """Steps come in the order of the frames that show them."""
    labels = [label.text for label in pictures.ladder(sample()).labels]
    assert labels.index("frames 30, 31") < labels.index("you are 203.0.113.7:40150")


@pytest.mark.parametrize(
    ("text", "width", "expected"), [("abc", 100, "abc"), ("abcdefghij", 43, "abc…hij")]
)
def test_fit_leaves_out_the_middle(text: str, width: float, expected: str) -> None:
    """A long text keeps its two ends."""
    assert fit(text, width) == expected


@pytest.mark.parametrize("name", ["topology", "timeline", "candidates_ladder"])
@pytest.mark.parametrize("report", [sample(), EMPTY, crowded()], ids=["sample", "empty", "crowded"])
def test_a_notebook_shows_a_picture_as_svg_that_stands_alone(name: str, report: Document) -> None:
    """Well-formed, of the SVG namespace, with nothing that runs or is loaded."""
    drawing = getattr(Report(report), name)()
    text = drawing._repr_svg_()
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    shapes = len(drawing.boxes) + len(drawing.lines) + len(drawing.labels)
    assert len(list(root.iter())) > shapes
    assert "script" not in text
    assert "href" not in text
    assert "\x1b" not in text
    assert len(repr(drawing)) < 300
