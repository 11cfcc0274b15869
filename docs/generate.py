"""Write what is made from the code: pages of docs/, the README's session, notebooks' outputs.

`make docs` runs it; tests hold what is committed equal to what this makes, so it cannot drift.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from typer.main import get_command

from pcapleak.cli import app
from pcapleak.cli.examples import EXAMPLES
from pcapleak.explain.findings import findings_page
from pcapleak.report.json_schema import schema

HERE = Path(__file__).parent
HIDDEN = ("--install-completion", "--show-completion", "--help")


def cli_page() -> str:
    """`cli.md`: every command with its arguments and options."""
    root = get_command(app)
    lines = [
        "# Command line",
        "",
        "Made from the commands themselves by `python docs/generate.py`; `pcapleak COMMAND --help`",
        "prints the same.",
    ]
    for name, command in _commands("pcapleak", root):
        arguments = "".join(
            f" {parameter.metavar or parameter.name.upper()}"
            for parameter in command.params
            if parameter.param_type_name == "argument"
        )
        lines += ["", f"## {name}", "", "```", f"{name} [OPTIONS]{arguments}", "```", ""]
        lines += [_paragraphs(command.help or "")]
        examples = EXAMPLES.get(name.split()[1] if " " in name else "", ())
        if examples:
            lines += ["", "```sh", *examples, "```"]
        panels: dict[str, list[Any]] = {}
        for parameter in command.params:
            if parameter.opts and parameter.opts[0] not in HIDDEN:
                panel = getattr(parameter, "rich_help_panel", None)
                default = "Options" if parameter.param_type_name == "option" else "Arguments"
                panels.setdefault(panel or default, []).append(parameter)
        for panel, parameters in panels.items():
            lines += ["", f"**{panel}**", ""]
            lines += [_option(parameter) for parameter in parameters]
    return "\n".join(lines) + "\n"


def _commands(name: str, command: Any) -> list[tuple[str, Any]]:
    found = (
        [(name, command)] if not getattr(command, "commands", None) or name == "pcapleak" else []
    )
    for child_name, child in getattr(command, "commands", {}).items():
        found += _commands(f"{name} {child_name}", child)
    return found


def _paragraphs(text: str) -> str:
    first, *rest = re.split(r"\n\s*\n", text.strip())
    kept = ["  \n".join(line.strip() for line in part.splitlines()) for part in rest]
    return "\n\n".join([" ".join(first.split()), *kept])


def _option(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    elif parameter.metavar:
        names += f" `{parameter.metavar}`"
    more = ", repeatable" if getattr(parameter, "multiple", False) else ""
    return f"- {names}{more}: {parameter.help}"


def manual() -> str:
    """`pcapleak.1`: the same as a manual page (man(7)'s macros)."""
    root = get_command(app)
    lines = [
        '.TH PCAPLEAK 1 "" pcapleak "User Commands"',
        ".SH NAME",
        "pcapleak \\- show what leaks past a VPN or proxy, from packet captures",
        ".SH SYNOPSIS",
        ".B pcapleak",
        ".RI [ OPTIONS ] \\~ COMMAND \\~[ ARGUMENTS ]",
        ".SH DESCRIPTION",
        *_roff(root.help or ""),
        ".SH COMMANDS",
    ]
    for name, command in _commands("pcapleak", root)[1:]:
        lines += [f'.SS "{name}"', *_roff(command.help or "")]
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                names = parameter.metavar or parameter.name.upper()
            elif parameter.opts[0] in HIDDEN:
                continue
            else:
                names = ", ".join((*parameter.opts, *parameter.secondary_opts))
                names += f" {parameter.metavar}" if parameter.metavar else ""
            lines += [".TP", f".B {_escaped(names)}", *_roff(parameter.help or "")]
    return "\n".join([*lines, ""])


def _roff(text: str) -> list[str]:
    """Paragraphs of text for man."""
    parts = re.split(r"\n\s*\n", text.strip())
    lines = []
    for number, part in enumerate(parts):
        lines += [".PP"] if number else []
        rows = [line.strip() for line in part.splitlines()]
        # A list of exit statuses keeps its lines.
        kept = rows if all(row[:1].isdigit() for row in rows) else [" ".join(rows)]
        for place, row in enumerate(kept):
            lines += [".br"] if place else []
            lines.append(_escaped(row))
    return lines


def _escaped(text: str) -> str:
    made = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{made}" if made[:1] in (".", "'") else made


def schema_page() -> str:
    """`report-schema.md`: every field of the report."""
    published = schema()
    parts = [
        "# The report",
        "",
        "What `pcapleak analyze --json` writes for one capture (an array of these for several),",
        "field by field. `pcapleak schema` prints it as JSON Schema. Fields may be added, none is",
        "renamed or removed within a major version. Frame numbers count from 1, as Wireshark's do.",
        "Every time stands twice: as ISO 8601 text in UTC with nanoseconds, and as an integer",
        "since the epoch under the name with `_ns` appended.",
        "",
        "Nothing in a report depends on the clock or the machine: two runs give the same bytes.",
    ]
    for name, definition in {"Document": published, **published["$defs"]}.items():
        parts += ["", f"## {name}", ""]
        if definition.get("description"):
            parts += [" ".join(definition["description"].split()), ""]
        parts += ["| field | type | meaning |", "|---|---|---|"]
        for field, entry in definition["properties"].items():
            if field.endswith("_ns") and field[:-3] in definition["properties"]:
                continue
            meaning = entry.get("description", "").replace("|", "\\|")
            parts.append(f"| `{field}` | {_type(entry)} | {meaning} |")
    return "\n".join(parts) + "\n"


def _type(entry: dict[str, Any]) -> str:
    if "anyOf" in entry:
        return f"{_type(entry['anyOf'][0])} or null"
    if "$ref" in entry:
        name = entry["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in entry:
        return ", ".join(f"`{json.dumps(word)}`" for word in entry["enum"])
    if entry["type"] == "array":
        return f"list of {_type(entry['items'])}"
    if entry["type"] == "object":
        return f"object of {_type(entry['additionalProperties'])}"
    return "time" if "pattern" in entry else str(entry["type"])


def policy_page() -> str:
    """`policy.md`: the options and the file that say what should have held."""
    from pcapleak.policy.fields import POLICY
    from pcapleak.policy.file import policy_template
    from pcapleak.policy.policy import Policy

    analyze = dict(_commands("pcapleak", get_command(app)))["pcapleak analyze"]
    options = [
        _option(parameter)
        for parameter in analyze.params
        if getattr(parameter, "rich_help_panel", None) == POLICY
    ]
    template = policy_template(Policy).rstrip()
    return "\n".join([POLICY_INTRODUCTION, *options, "", POLICY_FILE, template, "```", ""])


POLICY_INTRODUCTION = """# Policies

A policy says what should have held: which tunnel or proxy was to carry the client's traffic, and
what was meant to go outside. What it does not say is inferred from the capture, as far as that
can be done, and the report's `policy` says for each field whether it was given or inferred, how
surely and from what. An inference is only as good as what was recorded; `--no-infer` (`infer =
false`) judges by what is given alone.

Options are added to the file's; both may be given.

## Options
"""

POLICY_FILE = """## File

`pcapleak policy init policy.toml` writes this file, to be edited and given as `--policy`. A key
that is misspelt is an error that names it. The same in Python: `pcapleak.Policy.from_toml(path)`,
or `pcapleak.Policy.from_options(tunnel=["wg0"], exit_ip=["198.51.100.9"])`.

```toml"""


def bounds_page() -> str:
    """`bounds.md`: what is bounded in the code."""
    rows = []
    for path in sorted((HERE.parent / "pcapleak").rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        where = path.relative_to(HERE.parent / "pcapleak").with_suffix("").as_posix()
        for statement, after in pairwise(body):
            if not isinstance(after, ast.Expr):
                continue
            if isinstance(statement, ast.Assign):
                target, value = statement.targets[0], statement.value
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                target, value = statement.target, statement.value
            else:
                continue
            text = getattr(after.value, "value", None)
            if isinstance(target, ast.Name) and target.id.startswith("MAX_"):
                meaning = " ".join(str(text).split()).replace("|", "\\|")
                rows.append(f"| `{where}` `{target.id}` | {_amount(value)} | {meaning} |")
    return "\n".join([BOUNDS_INTRODUCTION, *rows, ""])


def _amount(value: ast.expr) -> str:
    number = eval(compile(ast.Expression(value), "limit", "eval"), {"__builtins__": {}})  # noqa: S307
    return f"{number:,}"


BOUNDS_INTRODUCTION = """# Bounds

Memory does not grow with the length of a capture beyond the flow table, and nothing a stranger
sends makes it grow: each table below forgets or counts what is beyond its bound, and the report
says so where it matters.

| Bound | Value | Why it is enough |
|---|---|---|"""


def mutations_page() -> str:
    """`mutations.md`: what damage does to the verdicts on real recordings."""
    sys.path.append(str(HERE.parent / "tests" / "support"))
    from mutations import made, page

    return page(made())


def results_page() -> str:
    """`results.md`: cases with known answers, by kind, and how many are right."""
    tests = HERE.parent / "tests"
    sys.path += [str(tests / "support"), str(tests / "recordings")]
    from case_keys import page
    from test_cases import FALLS_SHORT

    return page(FALLS_SHORT)


PAGES = {
    "bounds.md": bounds_page,
    "cli.md": cli_page,
    "findings.md": findings_page,
    "mutations.md": mutations_page,
    "pcapleak.1": manual,
    "policy.md": policy_page,
    "report-schema.md": schema_page,
    "results.md": results_page,
}


SESSION = ["analyze", "captures/socks.pcapng", "--proxy", "socks5://198.51.100.30:1080"]
SESSION_BLOCK = re.compile(r"(?<=<!-- session -->\n)```.*?```", re.DOTALL)


def readme() -> str:
    """`README.md` with what the command really prints in its session block."""
    root = HERE.parent
    result = subprocess.run(
        [sys.executable, "-m", "pcapleak", *SESSION],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TZ": "UTC"},
        check=False,
    )
    # One screen: the verdict and the worst finding; the rest of the page is left out.
    before, findings, rest = result.stdout.partition("\n\nFindings\n\n")
    worst, _, rest = rest.partition("\n\n")
    head = before + findings + worst
    shown = f"{head}\n\n[...]\n\n{rest.rstrip().splitlines()[-1]}"
    block = f"```console\n$ pcapleak {' '.join(SESSION)}\n{shown}\n```"
    text = (root / "README.md").read_text(encoding="utf-8")
    return SESSION_BLOCK.sub(lambda _: block, text)


def execute(path: Path) -> None:
    """Run a notebook from the top and keep what it shows."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.get("outputs", [])[:] = _joined(cell.get("outputs", []))
    nbformat.write(notebook, path)


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs with what was printed in parts, as the kernel's timer had it, in one."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def main() -> None:
    """Write all pages and run all notebooks."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
    (HERE.parent / "README.md").write_text(readme(), encoding="utf-8")
    for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        execute(notebook)


if __name__ == "__main__":
    main()
