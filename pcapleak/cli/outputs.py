"""The files a report is written to: one table, a row an option."""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Self

import typer
from msgspec import Struct

from pcapleak.errors import PcapleakError
from pcapleak.report.output import (
    Committer,
    OutputFile,
    Pending,
    check_distinct,
    make_folder,
)

if TYPE_CHECKING:
    from pcapleak.report.document import Document

OUTPUT = "Output"
"""The panel of the options that write."""


def print_text(text: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


class Writer(Struct, frozen=True):
    """One output of a report: how it is asked for, and how it is written."""

    option: str
    help: str
    suffix: str = ""
    """Of its file; where several captures are not merged, its option names a folder of such
    files. Empty: its option names a folder, and with several captures one of such folders."""
    to_file: Callable[[Document, BinaryIO], None] | None = None
    to_folder: Callable[[Document, Path], None] | None = None
    every_flow: bool = False
    """Whether all flows must be listed."""

    @property
    def name(self) -> str:
        """Its parameter."""
        return self.option.removeprefix("--").replace("-", "_")

    def parameter(self) -> Parameter:
        """Its option, as Typer reads it."""
        metavar = "DIR" if self.to_folder else "PATH"
        option = typer.Option(self.option, metavar=metavar, help=self.help, rich_help_panel=OUTPUT)
        return Parameter(
            self.name,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[Path | None, option],
        )


def _html(document: Document, file: BinaryIO) -> None:
    from pcapleak.report.writers.html import to_html

    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    file.write(to_html(document, made=made, command=_command()).encode())


def _command() -> str:
    """The command line, without passwords in addresses; none where the report renames what it
    names."""
    if any(argument.startswith("--redact") for argument in sys.argv):
        return ""
    words = ["pcapleak", *(re.sub(r"//[^/@]*@", "//", argument) for argument in sys.argv[1:])]
    return shlex.join(words)


def _csv(document: Document, folder: Path) -> None:
    from pcapleak.report.writers import stun_tables, tables

    tables.write_csv(document, folder)
    # A stream cannot be asked for its STUN messages again.
    if "-" not in (paths := _paths(document)):
        stun_tables.write_csv(paths, folder)


def _parquet(document: Document, folder: Path) -> None:
    from pcapleak.report.writers import stun_tables, tables

    tables.write_parquet(document, folder)
    if "-" not in (paths := _paths(document)):
        stun_tables.write_parquet(paths, folder)


def _evidence(document: Document, file: BinaryIO) -> None:
    from pcapleak.report.writers.evidence import write_evidence

    write_evidence(_again(document), document.findings, file)


def _evidence_per_finding(document: Document, folder: Path) -> None:
    from pcapleak.report.writers.evidence import write_evidence

    paths = _again(document)
    for number, finding in enumerate(document.findings, 1):
        with OutputFile(folder / f"{number:03}-{finding.id}.pcapng") as file:
            write_evidence(paths, [finding], file)


def _paths(document: Document) -> list[str]:
    return [capture.path for capture in document.captures]


def _again(document: Document) -> list[str]:
    paths = _paths(document)
    if "-" in paths:
        raise PcapleakError("evidence needs a second reading; give a file instead of -")
    return paths


WRITERS = (
    Writer(
        "--html",
        "Write the report as one self-contained HTML page. With several captures and no "
        "--merge, PATH is a folder and gets one page per capture; likewise for the options "
        "below.",
        ".html",
        to_file=_html,
    ),
    Writer(
        "--csv",
        "Write the tables as CSV files, with every flow and STUN message.",
        to_folder=_csv,
        every_flow=True,
    ),
    Writer(
        "--parquet",
        "Write the tables as Parquet files, with every flow and STUN message.",
        to_folder=_parquet,
        every_flow=True,
    ),
    Writer(
        "--evidence",
        "Write the frames of the findings as a pcapng with the reasons in comments.",
        ".evidence.pcapng",
        to_file=_evidence,
    ),
    Writer(
        "--evidence-per-finding",
        "The same, with one pcapng per finding.",
        to_folder=_evidence_per_finding,
    ),
)
"""An output is added by its row."""


class Outputs:
    """What was asked for of `WRITERS`, for each report."""

    def __init__(self, **given: Path | None) -> None:
        self._given = [
            (writer, path) for writer in WRITERS if (path := given[writer.name]) is not None
        ]

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Each option, as Typer reads it."""
        return [writer.parameter() for writer in WRITERS]

    @property
    def every_flow(self) -> bool:
        """Whether every flow must be listed."""
        return any(writer.every_flow for writer, _ in self._given)

    def opened(self, texts: dict[str, str | Path | None], *, separate: bool) -> Opened:
        """Everything made ready to be written, the files of `texts` by option among it.

        Raises `PcapleakError` where something cannot be, or where one file is meant twice.
        """
        paths = {writer.option: path for writer, path in self._given}
        paths |= {option: Path(path) for option, path in texts.items() if path not in (None, "-")}
        for option, path in paths.items():
            if str(path) == "-":
                raise PcapleakError(f"{option}: writes no standard output; give a path")
            if str(path).startswith("-"):
                also = ", or - for standard output" if option == "--json" else ""
                raise PcapleakError(
                    f"{path}: this is an option, where the path of a file to write was expected; "
                    f"give the path{also}"
                )
        paths = {option: path.absolute() for option, path in paths.items()}
        check_distinct(paths)
        return Opened(self._given, paths, separate=separate)


class Opened:
    """Outputs that are ready: files made beside those they will replace, and folders."""

    def __init__(
        self, given: Sequence[tuple[Writer, Path]], paths: dict[str, Path], *, separate: bool
    ) -> None:
        self._writers = [writer for writer, _ in given]
        self._paths = paths
        self._separate = separate
        self._names: Counter[str] = Counter()
        self._files: dict[str, OutputFile] = {}
        self._stack = ExitStack()
        folders = [writer.option for writer in self._writers if writer.to_folder or self._separate]
        try:
            for option, path in paths.items():
                if option in folders:
                    make_folder(path)
                else:
                    self._files[option] = OutputFile(path)
        except BaseException:
            self.close()
            raise
        self.folders = [paths[option] for option in folders]

    def leave_to_committer(self, *more: Pending, folders: Sequence[Path] = ()) -> None:
        """Have another process put the files into their places, and remove `folders`."""
        files = [*self._files.values(), *more]
        if folders or any(file.renames for file in files):
            self._stack.enter_context(Committer(files, folders))

    def write(self, document: Document) -> None:
        """Write one report. Raises `PcapleakError` where that cannot be done."""
        name = self._name(document)
        for writer in self._writers:
            path = self._paths[writer.option]
            if writer.to_file is not None and self._separate:
                with OutputFile(path / f"{name}{writer.suffix}") as file:
                    writer.to_file(document, file)
            elif writer.to_file is not None:
                with self._files.pop(writer.option) as file:
                    writer.to_file(document, file)
            elif writer.to_folder is not None:
                folder = path / name if self._separate else path
                make_folder(folder)
                writer.to_folder(document, folder)

    def write_text(self, option: str, text: str) -> None:
        """What an option of `texts` asked for; to standard output where it was `-`."""
        if option not in self._files:
            print_text(text)
            return
        with self._files.pop(option) as file:
            file.write(text.encode())

    def _name(self, document: Document) -> str:
        """What files of one of several reports are called: as its capture, numbered if again."""
        name = Path(document.captures[0].path).name
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}-{self._names[name]}"

    def close(self) -> None:
        """Leave what was not written as it was."""
        for file in self._files.values():
            file.discard()
        self._files.clear()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
