"""The one direction of docs/architecture.md: the left never imports the right."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "pcapleak"

LAYERS = (
    ("errors", "model", "document", "numbers"),
    ("capture", "packets", "protocols", "policy", "policy_file"),
    ("tracking", "datagrams"),
    ("detect", "coherence"),
    ("assemble",),
    ("analyzer",),
)
"""Each may import itself, those before it, and what stands beside it in its row."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(module: str) -> int | None:
    """The row of a dotted module name; None for the faces on top (cli, report, api, watch)."""
    part = module.split(".")[1] if "." in module else ""
    for number, names in enumerate(LAYERS):
        if part in names:
            return number
    return None


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    """Every module of ours that `path` imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("pcapleak.")}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_the_left_never_imports_the_right(path: Path) -> None:
    own = layer_of(dotted(path))
    if own is None:
        return
    for name in imports(path):
        other = layer_of(name)
        assert other is not None and other <= own, f"{dotted(path)} imports {name}"
