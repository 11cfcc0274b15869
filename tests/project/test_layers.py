"""The layers of docs/architecture.md, read off the imports and calls of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from places import ROOT

PACKAGE = ROOT / "pcapleak"
MODULES = sorted(PACKAGE.rglob("*.py"))
ORDER = (
    {"values", "errors", "samples"},
    {"policy"},
    {"capture", "live"},
    {"dissect"},
    {"decode"},
    {"track"},
    {"judge"},
    {"report", "explain"},
    {"pipeline"},
    {"redact", "fleet", "testpage"},
    {"cli"},
)
"""From the left to the right; what stands together may import each other."""
PURE = ("values", "dissect", "decode", "track", "judge")


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> Iterator[str]:
    """What a module imports, wherever in it and were it for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level]
            start = ".".join(base) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            inner = {f"{module}.{alias.name}" for alias in node.names} & NAMES
            yield from inner or {module}


NAMES = frozenset(map(dotted, MODULES))


def layer(name: str) -> str:
    return name.split(".")[1] if name.startswith("pcapleak.") else ""


def place(name: str) -> int | None:
    """Which step of `ORDER` a module stands on."""
    return next((step for step, names in enumerate(ORDER) if layer(name) in names), None)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_the_left_never_imports_the_right(path: Path) -> None:
    own = place(dotted(path))
    for name in imports(path):
        other = place(name)
        if own is not None and other is not None:
            assert other <= own, f"{dotted(path)} imports {name}"


def by_name(names: frozenset[str]) -> list[tuple[str, Path]]:
    return [(dotted(path), path) for path in MODULES if dotted(path) in names]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Were it in a function, or for types alone. The package's face only hands names on."""
    names = NAMES - {"pcapleak"}
    graph = {name: set(imports(path)) & names - {name} for name, path in by_name(names)}
    assert len(list(TopologicalSorter(graph).static_order())) == len(names)


WORLDLY_CALLS = {"open", "print", "input"}
WORLDLY_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "iterdir",
    "time_ns", "monotonic", "now", "utcnow", "getenv",
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    # Tables of places, zones and languages are files that coherence reads.
    [p for p in MODULES if layer(dotted(p)) in PURE and "judge.coherence" not in dotted(p)],
    ids=dotted,
)
def test_between_capture_and_report_nothing_touches_the_world(path: Path) -> None:
    """No file, clock, environment, terminal or socket: reports follow from packets alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in WORLDLY_CALLS, ast.unparse(node)
            if isinstance(called, ast.Attribute):
                assert called.attr not in WORLDLY_METHODS, ast.unparse(node)
    assert not {"socket", "subprocess", "time", "datetime"} & set(imports(path))
