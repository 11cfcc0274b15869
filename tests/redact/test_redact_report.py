"""Redacted captures, and what `analyze --redact` writes: nothing of the originals is left."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_runs import run
from redaction_facts import BROWSERS, KEY, LAB, renamed

import pcapleak.redact.capture
from pcapleak.capture import open_capture
from pcapleak.cli.redacted import PLACES
from pcapleak.redact import Renamer, redact_capture
from pcapleak.redact.labels import KEPT_NAMES
from pcapleak.redact.leftovers import Leftovers

OUTPUTS = ("json", "html", "junit", "evidence")


class Recorder(Renamer):
    """Remembers all that was renamed."""

    names: set[bytes]
    last: Recorder

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.names = set()
        Recorder.last = self

    def label(self, label: bytes) -> bytes:
        made = super().label(label)
        if made != label:
            self.names.add(label)
        return made

    def token(self, token: bytes) -> bytes:
        self.names.add(token)
        return super().token(token)


@pytest.mark.parametrize(
    "path", [*LAB, *BROWSERS], ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_no_byte_of_a_redacted_capture_is_an_original(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the program believes to know of its bytes: all are searched, for every address
    that is no other's new name, in every form; and for names and credentials."""
    monkeypatch.setattr(pcapleak.redact.capture, "Renamer", Recorder)
    redact_capture(path, tmp_path / "copy.pcapng", KEY)
    recorder = Recorder.last
    images = {recorder.address(address) for address in set(recorder.seen)}
    leftovers = Leftovers(
        recorder.originals - images, recorder.hardware - set(map(recorder.mac, recorder.hardware))
    )
    assert len(recorder.originals - images) > 1
    kept = {label.encode() for name in KEPT_NAMES for label in name.split(".")}
    # Foundations of the wildcard address stay, as it does.
    names = [name for name in recorder.names - kept if len(name) > 5 and not name.isdigit()]
    with open_capture(tmp_path / "copy.pcapng") as source:
        for batch in source:
            for number, start, size in zip(
                batch.frame, batch.offset, batch.captured_length, strict=True
            ):
                data = batch.data[start : start + size].tobytes()
                assert leftovers.find(data, bytes(len(data))) is None, number
                assert not [name for name in names if name in data], number


def outputs(path: Path, tmp_path: Path, *options: str) -> dict[str, bytes]:
    """Everything `analyze` writes."""
    files = [part for name in OUTPUTS for part in (f"--{name}", str(tmp_path / name))]
    done = run(
        "analyze", str(path), "--exit-zero", *options, *files, "--csv", str(tmp_path / "csv")
    )
    assert done.returncode == 0, done.stderr
    made = {name: (tmp_path / name).read_bytes() for name in OUTPUTS}
    made["page"] = done.stdout.encode()
    made |= {file.name: file.read_bytes() for file in (tmp_path / "csv").iterdir()}
    return made


_BLANKED = {"lan-scan", "snap-96", "snap-128"}
"""What a page forged, and what the recorder cut, is blanked, and so are findings that tell of it
(`test_redact.py` holds these to the rest)."""
SAMPLE = [path for path in LAB[::5] if path.stem not in {"signalling-clear", *_BLANKED}]
SAMPLE += [path for path in LAB if path.stem == "signalling-clear"]
"""With the one that signals in clear; each takes some seconds."""


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.stem)
def test_no_output_names_anybody(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address, hardware address, name or credential of the capture is left in any output, and
    what was found is the same."""
    monkeypatch.setattr(pcapleak.redact.capture, "Renamer", Recorder)
    redact_capture(path, tmp_path / "copy.pcapng", KEY)
    recorder = Recorder.last
    key = tmp_path / "key"
    key.write_bytes(KEY)
    made = outputs(path, tmp_path, "--redact", "--redact-key", str(key))
    images = {str(recorder.address(address)) for address in set(recorder.originals)}
    gone = {str(address) for address in recorder.originals} - images
    gone |= {mac.hex(":") for mac in recorder.hardware}
    gone |= {name.decode("latin-1") for name in recorder.names if len(name) > 3}
    gone -= {"stun", "turn", "example", "http", "https"}  # words of every report
    assert len(gone) > 5
    wanted = re.compile("|".join(rf"(?<![\w.:]){re.escape(word)}(?![\w:])" for word in gone))
    for name, data in made.items():
        text = data.decode("latin-1")
        assert not wanted.findall(text), name
        assert path.name not in text
        assert str(path.parent) not in text
    leftovers = Leftovers([a for a in recorder.originals if str(a) in gone], recorder.hardware)
    for name, data in made.items():
        assert leftovers.find(data, bytes(len(data))) is None, name

    original = outputs(path, tmp_path)
    assert wanted.search(original["page"].decode())
    plain = json.loads(original["json"])
    report = json.loads(made["json"])
    assert report["verdict"]["result"] == plain["verdict"]["result"]
    renamer = Renamer(KEY)

    def found(document: dict[str, object], by: Renamer | None) -> list[tuple[object, ...]]:
        findings = document["findings"]
        assert isinstance(findings, list)
        for f in findings:
            f["subject"] = renamed(by, f["subject"].replace(str(path), "capture-1.pcapng"))
        return sorted(
            (f["id"], f["severity"], f["confidence"], f["subject"], f["frame_count"])
            for f in findings
            if f["id"] not in (*PLACES, "PL304")
        )

    assert found(report, None) == found(plain, renamer)
