"""Build the documentation as a site in build/site: `make site`. Nothing is fetched.

The sources keep the repository's layout, so that their links hold on a forge and here; notebooks
become pages with the outputs that are committed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "build" / "site-source"

NAVIGATION = {
    "Start": {
        "Overview": "README.md",
        "Guide": "docs/guide.md",
        "Watching live": "docs/live.md",
        "Command line": "docs/cli.md",
    },
    "Reference": {
        "Policies": "docs/policy.md",
        "Findings": "docs/findings.md",
        "Coherence": "docs/coherence.md",
        "Report": "docs/report-schema.md",
        "Events": "docs/events.md",
        "Test page": "docs/reading.md",
        "Limits": "docs/limits.md",
        "Bounds": "docs/bounds.md",
        "Damaged recordings": "docs/mutations.md",
        "Security": "docs/security.md",
    },
    "Notebooks": {},
    "Background": {
        "Seen on the wire": "docs/lab-findings.md",
        "Results": "docs/lab-results.md",
        "Known answers": "docs/results.md",
        "Speed": "bench/results/comparison.md",
        "Growth": "bench/results/growth.md",
        "Floods": "bench/results/floods.md",
        "Captures": "captures/README.md",
        "Architecture": "docs/architecture.md",
        "Licences": "docs/licences.md",
        "Contributing": "CONTRIBUTING.md",
        "Changes": "CHANGELOG.md",
    },
}
"""Pages that are not named here are put under Background."""

CONFIGURATION = """[project]
site_name = "pcapleak"
site_description = "Did anything get past the VPN or proxy?"
docs_dir = "site-source"
site_dir = "site"
use_directory_urls = false
nav = [
{navigation}]

[project.theme]
font = false
features = ["navigation.sections", "content.code.copy", "toc.follow"]

[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"

[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"

[project.markdown_extensions]
tables = {{}}
toc.permalink = true
md_in_html = {{}}
pymdownx.highlight = {{}}
pymdownx.superfences = {{}}
"""


def main() -> None:
    """Gather the sources and build."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for pattern in (
        "*.md", "docs/*.md", "captures/*.md", "captures/*.json", "captures/*.pcapng",
        "bench/results/*.md", "bench/results/*.svg",
    ):  # fmt: skip
        for path in ROOT.glob(pattern):
            target = SOURCE / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                text = path.read_text(encoding="utf-8")
                target.write_text(re.sub(r"\.ipynb\)", ".md)", text), encoding="utf-8")
            else:
                shutil.copyfile(path, target)
    shutil.copyfile(ROOT / "LICENSE", SOURCE / "LICENSE")
    sections = {name: dict(pages) for name, pages in NAVIGATION.items()}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        sections["Notebooks"][notebook(path)] = f"notebooks/{path.stem}.md"
    known = {page for pages in sections.values() for page in pages.values()}
    for path in sorted(SOURCE.glob("docs/*.md")):
        if (page := path.relative_to(SOURCE).as_posix()) not in known:
            sections["Background"][title(path)] = page
    navigation = "".join(
        f'  {{ "{name}" = [{", ".join(f"""{{ "{t}" = "{p}" }}""" for t, p in pages.items())}] }},\n'
        for name, pages in sections.items()
    )
    configuration = ROOT / "build" / "zensical.toml"
    configuration.write_text(CONFIGURATION.format(navigation=navigation), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "zensical",
        "build",
        "--clean",
        "--strict",
        "-f",
        configuration.name,
    ]
    subprocess.run(command, cwd=configuration.parent, check=True)


def notebook(path: Path) -> str:
    """Write a notebook as a page with its pictures; gives its title."""
    import nbformat
    from nbconvert import MarkdownExporter

    folder = SOURCE / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    resources = {"unique_key": path.stem, "output_files_dir": f"{path.stem}-files"}
    read = nbformat.read(path, as_version=4)
    read.cells = [_folded(cell) for cell in read.cells]
    text, made = MarkdownExporter().from_notebook_node(read, resources)
    for name, data in made["outputs"].items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    # A table's own style sheet would be shown as text.
    text = re.sub(r"<style scoped>.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace('<table border="1" class="dataframe">', "<table>")
    target = folder / f"{path.stem}.md"
    target.write_text(re.sub(r"\.ipynb\)", ".md)", text), encoding="utf-8")
    return title(target)


def _folded(cell: Any) -> Any:
    """A cell whose code is folded in Jupyter, folded here; other cells as they are."""
    from nbformat.v4 import new_markdown_cell

    if cell.cell_type == "markdown":
        cell.source = cell.source.replace("<details>", '<details markdown="1">')
    elif cell.metadata.get("jupyter", {}).get("source_hidden"):
        return new_markdown_cell(
            '<details markdown="1"><summary>Check</summary>\n\n'
            f"```python\n{cell.source}\n```\n\n</details>"
        )
    return cell


def title(path: Path) -> str:
    """The first heading."""
    match = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else path.stem


if __name__ == "__main__":
    main()
