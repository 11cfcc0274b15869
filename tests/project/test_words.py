"""What the program says reads as English: no phrase that readers stumbled over comes back."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from phrases import STUMBLED_OVER

from pcapleak.cli import COMMANDS, completion
from pcapleak.values.words import count, duration, listed, sentences, series, size

PACKAGE = Path(__file__).parents[2] / "pcapleak"


def spoken() -> Iterator[tuple[str, str]]:
    """Every text in the package that is no docstring: its place, and itself with `{}` for what
    is filled in."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
                )
                silent |= {id(part) for part in node.values}
                yield f"{path.name}:{node.lineno}", "".join(map(str, parts))
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in silent
            ):
                yield f"{path.name}:{node.lineno}", node.value
    for path in sorted(PACKAGE.rglob("*.j2")):
        yield path.name, path.read_text(encoding="utf-8")


def test_no_text_has_a_phrase_that_readers_stumbled_over() -> None:
    pattern = re.compile("|".join(STUMBLED_OVER), re.IGNORECASE)
    texts = list(spoken())
    assert len(texts) > 3000, "of verdicts, findings, notes, hints, help and errors alike"
    found = [
        f"{place}: {match.group()}" for place, text in texts for match in pattern.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(command: str) -> None:
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", *filter(None, [command]), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert not done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout, "an option's name is cut"
    # Paragraphs are broken by the terminal's width, not by the source's.
    paragraphs = lines[: next(n for n, line in enumerate(lines) if line.startswith("╭"))]
    for line, following in pairwise(paragraphs):
        if line and following and not following[0].isdigit():
            assert len(f"{line} {following.split()[0]}") > 78, line
    pattern = re.compile("|".join(STUMBLED_OVER), re.IGNORECASE)
    assert pattern.search(" ".join(done.stdout.split())) is None
    if command:
        assert "Examples:" in done.stdout


def test_numbers_in_words() -> None:
    assert [count(n, "flow") for n in (0, 1, 3000)] == ["0 flows", "1 flow", "3,000 flows"]
    assert count(2, "query", "queries") == "2 queries"
    assert [size(n) for n in (196, 896_800, 1_100_000_000)] == ["196 B", "897 kB", "1.1 GB"]
    spans = (16_000_000, 10_016_000_000, 400_000_000_000, 191_174 * 3_600_000_000_000)
    assert [duration(n) for n in spans] == ["16 ms", "10.0 s", "6.7 min", "7,966 days"]
    assert listed((1, 2, 3), 2) == "1, 2 and 1 more"
    assert listed((1, 2), 2) == "1, 2"
    assert [series(range(1, n)) for n in (2, 3, 4)] == ["1", "1 and 2", "1, 2 and 3"]


def test_parts_become_sentences_and_an_option_stays_to_be_copied() -> None:
    assert sentences("no traffic bypassed wg0", "", "tested: DNS") == (
        "No traffic bypassed wg0. Tested: DNS."
    )
    assert sentences("it left.", "to test it, ping") == "It left. To test it, ping."
    hint = "name it with --vpn-endpoint 192.0.2.1:443"
    assert sentences(hint) == f"N{hint[1:]}"


def said(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pcapleak", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
    )


def test_a_capture_alone_is_analyzed() -> None:
    capture = str(PACKAGE.parent / "captures" / "socks.pcapng")
    alone = said(capture, "-q")
    assert alone.stdout == said("analyze", capture, "-q").stdout
    assert alone.stdout.split()[0] in ("LEAK", "NO")
    assert "no such file" in said("nosuch.pcapng").stderr
    assert "No such command 'analyse'" in said("analyse").stderr


def test_explain_finds_by_a_word() -> None:
    listed = said("explain", "webrtc").stdout.splitlines()
    assert "PL101  critical  webrtc-public-address-exposed" in listed
    assert len(listed) > 5
    assert said("explain", "nosuchword").returncode == 2


def test_a_mistyped_option_names_the_nearest() -> None:
    assert "--tunnel" in said("analyze", "x.pcap", "--tunel", "wg0").stderr


def test_shells_complete_ids_kinds_protocols_and_interfaces() -> None:
    assert completion.FINDING("PL10")[:1] == ["PL101"]
    assert "webrtc-bypass" in completion.FINDING("webrtc-b")
    assert completion.KIND("stun,d") == ["stun,dns"]
    assert "mdns" in completion.PROTOCOL("m")
    assert "lo" in completion.INTERFACE("l")
