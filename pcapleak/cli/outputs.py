"""The files a report is written to."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from pcapleak.errors import PcapleakError

if TYPE_CHECKING:
    from pcapleak.report.document import Document

OUTPUT = "Output"
"""The panel of the options that write."""


def write_text(target: str, text: str) -> None:
    """Write `text` to the file `target`, or to standard output where it is `-`.

    Raises `PcapleakError` where that cannot be done.
    """
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with _writing(target):
        Path(target).write_text(text, encoding="utf-8")


def absolute(path: str | Path | None) -> Path | None:
    """Where a file to write is, wherever the process goes.

    Raises `PcapleakError` where an option was taken for its name.
    """
    if path is None:
        return None
    if str(path).startswith("-"):
        raise PcapleakError(
            f"{path}: an option where a file to write was expected; give the file's path, or - "
            "for standard output"
        )
    return Path(path).absolute()


class Outputs(NamedTuple):
    """What was asked for beside the page and the JSON, each for one report: an option each."""

    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="PATH",
            help="Write the report as one self-contained HTML page. Where several captures are not"
            " merged, this and the next ones are folders with a file or folder a capture.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="DIR",
            help="Write the tables as CSV files, with every flow and STUN message.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    parquet: Annotated[
        Path | None,
        typer.Option(
            "--parquet",
            metavar="DIR",
            help="Write the tables as Parquet files, with every flow and STUN message.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="PATH",
            help="Write the frames of the findings as a pcapng with the reasons in comments.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    evidence_per_finding: Annotated[
        Path | None,
        typer.Option(
            "--evidence-per-finding",
            metavar="DIR",
            help="The same, one pcapng a finding.",
            rich_help_panel=OUTPUT,
        ),
    ] = None

    @property
    def any(self) -> str:
        """The first option given, or nothing."""
        given = [name for name, value in self._asdict().items() if value is not None]
        return f"--{given[0].replace('_', '-')}" if given else ""

    @property
    def tables(self) -> bool:
        """Whether every flow must be listed."""
        return self.csv is not None or self.parquet is not None

    def absolute(self) -> Outputs:
        """The same, wherever the process goes.

        Raises `PcapleakError` where an option was taken for a file's name.
        """
        return Outputs(*map(absolute, self))

    def inside(self, name: str) -> Outputs:
        """The same for one of several reports: each path is a folder of files named `name`."""

        def file(path: Path | None, suffix: str) -> Path | None:
            return None if path is None else path / f"{name}{suffix}"

        for path in (self.html, self.evidence):
            if path is not None:
                with _folder(path):
                    pass
        return Outputs(
            file(self.html, ".html"),
            file(self.csv, ""),
            file(self.parquet, ""),
            file(self.evidence, ".evidence.pcapng"),
            file(self.evidence_per_finding, ""),
        )

    def prepare(self, texts: Iterable[str | Path | None], *, separate: bool) -> list[Path]:
        """Make every file and folder that will be written, those of `texts` among them, so that
        nothing else need be writable; gives them.

        Raises `PcapleakError` where one cannot be.
        """
        folders = [self.csv, self.parquet, self.evidence_per_finding]
        files = [None if text in (None, "-") else Path(str(text)) for text in texts]
        (folders if separate else files).extend((self.html, self.evidence))
        for folder in filter(None, folders):
            with _folder(folder):
                pass
        for file in filter(None, files):
            with _writing(file):
                file.touch()
        return [path for path in (*folders, *files) if path is not None]

    def write(self, document: Document) -> None:
        """Write all that was asked for.

        Raises `PcapleakError` where a file cannot be written.
        """
        if self.html is not None:
            from pcapleak.report.writers.html import to_html

            write_text(str(self.html), to_html(document))
        if self.csv is not None:
            from pcapleak.report.writers.tables import write_csv

            with _folder(self.csv) as folder:
                write_csv(document, folder)
                self._write_stun("csv", document, folder)
        if self.parquet is not None:
            from pcapleak.report.writers.tables import write_parquet

            with _folder(self.parquet) as folder:
                write_parquet(document, folder)
                self._write_stun("parquet", document, folder)
        self._write_evidence(document)

    def _write_stun(
        self, form: Literal["csv", "parquet"], document: Document, folder: Path
    ) -> None:
        """The STUN messages, which a stream cannot be asked for again."""
        from pcapleak.report.writers import stun_tables as stun

        paths = [capture.path for capture in document.captures]
        if "-" not in paths:
            write = stun.write_csv if form == "csv" else stun.write_parquet
            write(paths, folder)

    def _write_evidence(self, document: Document) -> None:
        if self.evidence is None and self.evidence_per_finding is None:
            return
        from pcapleak.report.writers.evidence import write_evidence

        paths = [capture.path for capture in document.captures]
        if "-" in paths:
            raise PcapleakError("evidence needs a second reading; give a file instead of -")
        if self.evidence is not None:
            with _writing(self.evidence):
                write_evidence(paths, document.findings, self.evidence)
        if self.evidence_per_finding is not None:
            with _folder(self.evidence_per_finding) as folder:
                for number, finding in enumerate(document.findings, 1):
                    name = f"{number:03}-{finding.id}.pcapng"
                    write_evidence(paths, [finding], folder / name)


@contextmanager
def _writing(target: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PcapleakError(
            f"{target}: cannot be written ({error.strerror}); give a path in an existing folder"
        ) from error


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
        yield path
