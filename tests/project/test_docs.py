"""Documentation cannot drift from the code."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cli_runs import run
from places import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "bounds.md",
        "cli.md",
        "findings.md",
        "pcapleak.1",
        "policy.md",
        "report-schema.md",
        "results.md",
    ],
)
def test_generated_pages_are_fresh(name: str) -> None:
    """The committed page is what the code makes (`python docs/generate.py` writes it). What takes
    a minute to make is held to its page where it is tested: `mutations.md`."""
    assert (DOCS / name).read_text(encoding="utf-8") == generator().PAGES[name]()


def test_accuracy_of_addresses_is_told_as_measured() -> None:
    """The table in the documentation is the one that `make bench-places` wrote; both tables agree
    on a wrong country for fewer than one home in a hundred, and three servers."""
    results = (ROOT / "bench" / "results" / "places.md").read_text(encoding="utf-8")
    measured = results.partition("\n\n")[0]
    assert measured in (DOCS / "coherence.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in measured.splitlines()]
    wrong = {row[0]: float(row[6].rstrip(" %")) for row in rows[2:]}
    assert rows[0][6] == "wrong, both agree"
    assert wrong["all homes"] < 1
    assert wrong["all servers"] < 3


def test_every_command_is_documented_and_has_help() -> None:
    """Each command of the help is a section of the command page, with text."""
    listed = re.findall(r"^│ (\w+) +(\S.*?) *│$", run("--help", COLUMNS="100").stdout, re.MULTILINE)
    assert {"analyze", "live", "explain", "schema", "policy", "candidate"} <= {n for n, _ in listed}
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for name, _ in listed:
        assert f"## pcapleak {name}" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file of the repository, and its anchor a heading there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shown_commands_exist(page: Path) -> None:
    """Every `pcapleak ...` in a code block uses options that the commands have."""
    reference = (DOCS / "cli.md").read_text(encoding="utf-8")
    for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in re.findall(r"^\$? ?(?:sudo )?pcapleak (.*)$", block.replace("\\\n", " "), re.M):
            words = line.partition("#")[0].split()
            if words and re.fullmatch(r"[a-z]+", words[0]):
                assert f"## pcapleak {words[0]}" in reference, line
            for option in re.findall(r"(?<=\s)--[a-z-]+", " " + line):
                assert f"`{option}`" in reference or option == "--help", line


def test_readme_shows_the_real_output() -> None:
    """The session in the README is what the command prints."""
    assert (ROOT / "README.md").read_text(encoding="utf-8") == generator().readme()


def test_readme_begins_with_the_two_commands() -> None:
    """`make demo` and `make test` are the first thing to run."""
    first = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert first is not None
    assert [line.split()[:2] for line in first[1].splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


def test_readme_python_does_what_it_says() -> None:
    """The library example runs, and its comments are true."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    path = code[1].replace("captures/", f"{ROOT}/captures/")
    for line in path.splitlines():
        expression, _, comment = line.partition("#")
        if line.startswith("report.") and comment.strip()[:1] in "'[":
            assert repr(eval(expression, names)) == comment.strip()
        elif expression.strip():
            exec(expression, names)


def test_the_site_is_built_offline_and_its_links_lead_somewhere() -> None:
    """Every page is there, none of its links leads nowhere, and nothing is loaded from afar."""
    subprocess.run([sys.executable, DOCS / "site.py"], check=True, capture_output=True)
    site = ROOT / "build" / "site"
    pages = {path.resolve(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    named = {path.stem for path in pages}
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} <= named
    assert {path.stem for path in DOCS.glob("*.md")} <= named
    for path, text in pages.items():
        assert not re.search(r"(?:src=\"|<link [^>]*rel=\"stylesheet\"[^>]*href=\")https?:", text)
        for link in re.findall(r"(?:href|src)=\"([^\"#?:]+)(?:#[^\"]*)?\"", text):
            if path.name != "404.html":
                assert (path.parent / link).exists(), (path.name, link)
