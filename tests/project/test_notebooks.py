"""Notebooks run, and what they show is what is committed."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from places import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def shown(notebook: nbformat.NotebookNode) -> list[tuple[int, str, str]]:
    """What the cells print and display, but for the pixels of pictures.

    What a kernel prints comes in as many parts as its timer makes: they are joined.
    """
    result: list[tuple[int, str, str]] = []
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            for kind, text in {"text/plain": output.get("text"), **output.get("data", {})}.items():
                if text is None:
                    continue
                if output.output_type == "stream" and result and result[-1][:2] == (number, "text"):
                    text = result.pop()[2] + text
                shown_as = "text" if output.output_type == "stream" else kind
                result.append((number, shown_as, "" if kind.startswith("image/") else str(text)))
    return result


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_what_is_committed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executed from the top, every cell succeeds and gives the committed output."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT)]))
    committed = nbformat.read(path, as_version=4)
    nbformat.validate(committed)
    executed = nbformat.from_dict(committed)
    with warnings.catch_warnings():
        # The kernel's own loop and sockets warn when they are torn down.
        warnings.simplefilter("ignore")
        NotebookClient(
            executed, timeout=120, resources={"metadata": {"path": str(path.parent)}}
        ).execute()
    assert shown(executed) == shown(committed)
    assert any(kind.startswith("image/") for _, kind, _ in shown(committed))


def test_quickstart_ends_in_the_verdict() -> None:
    """The first notebook shows the verdict, the address and the findings."""
    text = str(shown(nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)))
    for expected in ("leak", "203.0.113.7", "PL101"):
        assert expected in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_has_an_exercise_and_runs_anywhere(path: Path) -> None:
    """A cell to fill in and its folded check; no file but the package's; no path of a machine."""
    text = path.read_text(encoding="utf-8")
    assert "../" not in text
    assert str(ROOT) not in text
    cells = nbformat.reads(text, as_version=4).cells
    (place,) = (number for number, cell in enumerate(cells) if "# your answer" in cell.source)
    check = cells[place + 1]
    assert check.metadata["jupyter"]["source_hidden"]
    assert check.outputs[0]["text"] == "Not answered yet.\n"
