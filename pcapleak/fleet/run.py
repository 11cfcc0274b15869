"""Runs a batch: finds the captures, spreads them, keeps the reports, and joins the rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from glob import glob, has_magic
from os.path import realpath
from pathlib import Path

from pcapleak.capture import find_captures
from pcapleak.errors import PcapleakError
from pcapleak.fleet.fleet import Fleet, Row, page_name, summarise
from pcapleak.fleet.tasks import examine
from pcapleak.fleet.workers import Answer, cluster_answers, connect, local_answers, missing
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document
from pcapleak.report.output import make_folder, write_text
from pcapleak.report.writers.json import from_json_one, read_reports

LOCAL = "local"
KEY = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[int, int], None]
"""Called with the captures done and the captures there are."""


def find(paths: Sequence[str]) -> list[str]:
    """The captures meant by files, folders, patterns and fsspec URLs, without repetition.

    Raises `PcapleakError` where one of them leads to nothing.
    """
    found: list[str] = []
    for path in paths:
        if "://" in path:
            these = _remote(path)
        elif has_magic(path):
            names = sorted(glob(path, recursive=True))  # noqa: PTH207  Path takes no absolute one
            these = list(find_captures(names, recursive=True, damaged=True))
        else:
            these = list(find_captures([path], recursive=True, damaged=True))
        if not these:
            raise PcapleakError(f"{path}: no capture found; give another path or pattern")
        found += these
    # One file may be named in several ways; it is shown as it was named first.
    once: dict[str, str] = {}
    for path in found:
        once.setdefault(path if "://" in path else realpath(path), path)
    return list(once.values())


def _remote(url: str) -> list[str]:
    if not has_magic(url):
        return [url]
    try:
        import fsspec
    except ImportError as error:
        raise missing(error) from error
    system, _, _ = fsspec.get_fs_token_paths(url)
    return [str(system.unstrip_protocol(path)) for path in sorted(system.glob(url))]


def run(
    paths: Sequence[str],
    policy: Policy,
    results: Path | None = None,
    progress: Progress | None = None,
    *,
    scheduler: str = LOCAL,
    workers: int | None = None,
    insecure: bool = False,
    pages: Path | None = None,
) -> Fleet:
    """Analyze the captures, each in a task of its own, and join what they show.

    The work is done by `workers` processes of this machine, or by a dask cluster. Reports are
    kept in the folder `results` as they come, and those kept there by an earlier run are not
    made again. In the folder `pages` each gets a page. A capture whose workers are lost again and
    again, or that cannot be read, costs its row; so does a kept report that is corrupt. Raises
    `PcapleakError` where there is no such cluster.
    """
    kept = _kept(results)
    rows: list[Row] = []

    def settle(answer: Answer) -> None:
        rows.append(row_of(answer, kept, results, pages))
        if progress is not None:
            progress(len(rows), len(paths))

    if scheduler == LOCAL:
        for answer in local_answers(paths, policy, kept, workers):
            settle(answer)
    else:
        with connect(scheduler, insecure=insecure) as client:
            for answer in cluster_answers(client, paths, policy, kept):
                settle(answer)
    return Fleet(sorted(rows, key=lambda row: (row.path, row.key)))


def serial(paths: Sequence[str], policy: Policy) -> Fleet:
    """The same in this process, one after the other."""
    rows = [row_of(Answer(path, examine(path, policy)), {}, None) for path in paths]
    return Fleet(sorted(rows, key=lambda row: (row.path, row.key)))


def _write_page(document: Document, row: Row, pages: Path | None) -> None:
    if pages is not None:
        from pcapleak.report.writers.html import to_html

        write_text(pages / page_name(row), to_html(document))


def _kept(results: Path | None) -> dict[str, Path]:
    if results is None:
        return {}
    make_folder(results)
    return {file.stem: file for file in results.glob("*.json")}


def row_of(
    answer: Answer, kept: dict[str, Path], results: Path | None, pages: Path | None = None
) -> Row:
    """The row of a capture: a new report is kept, a known one is read."""
    if answer.text is None:
        return Row(answer.path, reason=answer.error)
    try:
        fields = json.loads(answer.text)
        key, report, error = str(fields["key"]), fields["report"], fields["error"]
        if error is not None:
            return Row(answer.path, reason=str(error))
        if report is None:
            (known,) = read_reports(kept[key])
            row = summarise(known, answer.path, key)
            _write_page(known, row, pages)
            return row
        if KEY.fullmatch(key) is None:
            raise ValueError(key)
        document = from_json_one(str(report))
        row = summarise(document, answer.path, key)
        _write_page(document, row, pages)
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        return Row(answer.path, reason=f"its worker did not answer with a report ({problem!r})")
    except PcapleakError as problem:
        return Row(answer.path, reason=str(problem))
    if results is not None:
        write_text(results / f"{key}.json", str(report))
    return row
