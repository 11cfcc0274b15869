"""`pcapleak.analyze`: captures in, reports out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, overload

from pcapleak.analyzer import Analyzer, read_captures
from pcapleak.capture import CaptureSource
from pcapleak.capture.digest import Digests
from pcapleak.garbage import rare_collection
from pcapleak.inputs import check_key_log, decrypt_signalling, open_timeline, read_pages
from pcapleak.model import RecordBatch
from pcapleak.policy import Policy
from pcapleak.report.report import Report

Progress = Callable[[int, "int | None"], None]
"""Called now and then with the bytes read and the bytes there are (None where unknown)."""


@overload
def analyze(  # type: ignore[overload-overlap]  # a str is one path, though it iterates as many
    paths: str | Path,
    policy: Policy | None = None,
    *,
    merge: bool = False,
    pages: Iterable[str | Path] = (),
    key_log: str | Path | None = None,
    all_flows: bool = True,
    progress: Progress | bool | None = None,
    jobs: int = 1,
) -> Report: ...
@overload
def analyze(
    paths: Iterable[str | Path],
    policy: Policy | None = None,
    *,
    merge: Literal[True],
    pages: Iterable[str | Path] = (),
    key_log: str | Path | None = None,
    all_flows: bool = True,
    progress: Progress | bool | None = None,
    jobs: int = 1,
) -> Report: ...
@overload
def analyze(
    paths: Iterable[str | Path],
    policy: Policy | None = None,
    *,
    merge: Literal[False] = False,
    pages: Iterable[str | Path] = (),
    key_log: str | Path | None = None,
    all_flows: bool = True,
    progress: Progress | bool | None = None,
    jobs: int = 1,
) -> list[Report]: ...
def analyze(
    paths: str | Path | Iterable[str | Path],
    policy: Policy | None = None,
    *,
    merge: bool = False,
    pages: Iterable[str | Path] = (),
    key_log: str | Path | None = None,
    all_flows: bool = True,
    progress: Progress | bool | None = None,
    jobs: int = 1,
) -> Report | list[Report]:
    """Analyze one capture file, or several.

    One path gives one `Report`. Several give a list with one report for each, or with `merge`
    a single report over one common timeline. Without a `policy` what should have held is
    inferred from the capture. `pages` are files with what the page itself read (a
    webrtc-internals dump, SDP, ...), held against the packets. `key_log` is a TLS key log
    (SSLKEYLOGFILE) that opens the signalling inside; tshark reads it. `all_flows=False` lists
    only the flows that matter, as the command does. `progress` is called now and then with what
    was read, or True for a bar under a notebook's cell.

    Raises `CaptureError` where a file cannot be read at all; a capture cut short is no error.
    """
    watcher = progress if callable(progress) else None
    if progress is True:
        from pcapleak.report.progress import notebook_progress

        watcher = notebook_progress()
    pages = list(pages)
    told = read_pages(pages)
    asked = [f"page {Path(page).name}" for page in pages]
    asked += ["all-flows"] * all_flows + ["key-log"] * (key_log is not None)

    def report(files: Sequence[str | Path]) -> Report:
        with closing(Digests(files)) as digests:
            return read(files, digests)

    def read(files: Sequence[str | Path], digests: Digests) -> Report:
        keys = check_key_log(files, key_log)
        if jobs > 1 and len(files) == 1 and keys is None:
            from pcapleak.jobs import read_in_parts

            together = read_in_parts(files[0], policy, jobs, watcher)
            if together is not None:
                return finish(together, digests)
        with open_timeline(files) as (sources, batches):
            if watcher is not None:
                batches = _watched(batches, sources, watcher)
            analyzer = read_captures(sources, batches, policy)
            texts, hindrances = decrypt_signalling(sources, keys)
            for context, channel, text in texts:
                analyzer.add_decrypted(context, channel, text)
            for number, hindrance in hindrances.items():
                analyzer.state.captures[number].problems.append(hindrance)
            return finish(analyzer, digests)

    def finish(analyzer: Analyzer, digests: Digests) -> Report:
        for facts, digest in zip(analyzer.state.captures, digests.results(), strict=True):
            facts.sha256 = digest
        analyzer.pages.update(told.candidates)
        analyzer.state.page_facts.update(told.facts)
        with rare_collection():
            document = analyzer.document(all_flows=all_flows)
        document.generator.options = asked
        return Report(document)

    if isinstance(paths, str | Path):
        return report([paths])
    if merge:
        return report(list(paths))
    if jobs > 1:
        from pcapleak.many import analyze_each

        files = list(paths)
        return list(
            map(Report, analyze_each(files, policy, jobs, pages, key_log, all_flows=all_flows))
        )
    return [report([path]) for path in paths]


def _watched(
    batches: Iterator[RecordBatch], sources: Sequence[CaptureSource], progress: Progress
) -> Iterator[RecordBatch]:
    sizes = [source.size for source in sources]
    total = sum(size for size in sizes if size is not None) if None not in sizes else None
    for batch in batches:
        yield batch
        progress(sum(source.bytes_read for source in sources), total)
    progress(sum(source.bytes_read for source in sources) if total is None else total, total)
