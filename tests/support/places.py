"""Where the project's own files stand."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "captures"
DOCS = ROOT / "docs"
TESTS = ROOT / "tests"
VECTORS = TESTS / "vectors"
