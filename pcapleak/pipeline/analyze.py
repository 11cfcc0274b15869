"""Captures in, reports out: `pcapleak.analyze`, and the reports behind it one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, overload

from pcapleak.capture import CaptureSource, open_timeline
from pcapleak.capture.digest import Digests
from pcapleak.errors import CaptureError
from pcapleak.pipeline.analyzer import Analyzer, read_captures
from pcapleak.pipeline.gc_policy import rare_collection
from pcapleak.pipeline.inputs import check_key_log, decrypt_signalling, read_pages
from pcapleak.policy.policy import Policy
from pcapleak.policy.servers import HOSTS, resolved, server_names, with_hosts
from pcapleak.report.document import Document
from pcapleak.report.report import Report
from pcapleak.values.packets import RecordBatch

Progress = Callable[[int, "int | None"], None]
"""Called now and then with the bytes read and the bytes there are (None where unknown)."""
Files = Sequence[str | Path]


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
    if policy is not None:
        policy = with_hosts(policy)
    asked = Asked(policy, list(pages), key_log, all_flows=all_flows)
    if isinstance(paths, str | Path):
        return Report(report_on([paths], asked, watcher))
    files = list(paths)
    if merge:
        return Report(report_on(files, asked, watcher))
    groups = [[path] for path in files]
    watching = None if watcher is None else (lambda _: nullcontext(watcher))
    return list(map(Report, reports_on(groups, asked, jobs=jobs, watching=watching)))


class Asked(NamedTuple):
    """What every report of a run is made by, as `analyze` takes it."""

    policy: Policy | None = None
    pages: Files = ()
    key_log: str | Path | None = None
    all_flows: bool = False


def reports_on(
    groups: Sequence[Files],
    asked: Asked,
    *,
    jobs: int = 1,
    failed: Callable[[CaptureError], None] | None = None,
    watching: Callable[[Files], AbstractContextManager[Progress | None]] | None = None,
) -> Iterator[Document]:
    """The report of each group of captures, in their order, as soon as it is there.

    Several processes make them where `jobs` is above 1. `failed` is told of each capture that
    cannot be read at all, and the others of its group are reported; without it, the
    `CaptureError` is raised. `watching` gives what is to be called while a group is read.
    """
    if jobs > 1 and len(groups) > 1:
        yield from _side_by_side(groups, asked, jobs, failed)
        return
    for group in groups:
        with nullcontext() if watching is None else watching(group) as progress:
            document, errors = _report_on_readable(group, asked, progress)
        yield from _settled(document, errors, failed)


def _side_by_side(
    groups: Sequence[Files],
    asked: Asked,
    jobs: int,
    failed: Callable[[CaptureError], None] | None,
) -> Iterator[Document]:
    from pcapleak.pipeline.children import share_out

    early: dict[int, Outcome] = {}
    following = 0
    work = partial(_report_on_readable, asked=asked)
    for number, outcome in share_out(groups, work, min(jobs, len(groups))):
        early[number] = outcome or (None, list(map(_killed, groups[number])))
        while following in early:
            yield from _settled(*early.pop(following), failed)
            following += 1


def _killed(path: str | Path) -> CaptureError:
    return CaptureError(
        str(path), "the process that read it was killed", "give it memory, or a lower --jobs"
    )


Outcome = tuple[Document | None, list[CaptureError]]


def _report_on_readable(files: Files, asked: Asked, progress: Progress | None = None) -> Outcome:
    """The report on those of `files` that can be read, and what is wrong with the others."""
    errors: list[CaptureError] = []
    rest = list(files)
    while rest:
        try:
            return report_on(rest, asked, progress), errors
        except CaptureError as error:
            errors.append(error)
            left = [path for path in rest if str(path) != error.path]
            rest = left if len(left) < len(rest) else []
    return None, errors


def _settled(
    document: Document | None,
    errors: Sequence[CaptureError],
    failed: Callable[[CaptureError], None] | None,
) -> Iterator[Document]:
    for error in errors:
        if failed is None:
            raise error
        failed(error)
    if document is not None:
        yield document


def report_on(files: Files, asked: Asked, progress: Progress | None = None) -> Document:
    """One report over one capture, or over several on one timeline.

    Raises `CaptureError` where a capture cannot be read at all, `PcapleakError` where a page or
    the key log cannot.
    """
    pages = read_pages(asked.pages)
    with closing(Digests(files)) as digests:
        analyzer = _read(files, asked.policy, check_key_log(files, asked.key_log), progress)
        for facts, digest in zip(analyzer.state.captures, digests.results(), strict=True):
            facts.sha256 = digest
    analyzer.policy = _with_servers(analyzer, files)
    analyzer.pages.update(pages.candidates)
    analyzer.state.page_facts.update(pages.facts)
    with rare_collection():
        document = analyzer.document(all_flows=asked.all_flows)
    options = [f"page {Path(page).name}" for page in asked.pages]
    if asked.all_flows:
        options.append("all-flows")
    if asked.key_log is not None:
        options.append("key-log")
    document.generator.options = options
    return document


def _with_servers(analyzer: Analyzer, files: Files) -> Policy:
    """The policy with the addresses of VPN servers that it names."""
    policy = resolved(analyzer.policy, analyzer.state.resolvers.answers_for)
    if unknown := server_names(policy):
        raise CaptureError(
            ", ".join(map(str, files)),
            f"nothing says which address the VPN server {unknown[0]} has: no DNS answer in it, "
            f"and no line of {HOSTS}",
            "give its address with --vpn-endpoint",
        )
    return policy


def _read(
    files: Files, policy: Policy | None, keys: Path | None, progress: Progress | None
) -> Analyzer:
    """All that is in `files`."""
    with open_timeline(files) as (sources, batches):
        if progress is not None:
            batches = _watched(batches, sources, progress)
        analyzer = read_captures(sources, batches, policy)
        texts, hindrances = decrypt_signalling(sources, keys)
        for context, channel, text in texts:
            analyzer.add_decrypted(context, channel, text)
        for number, hindrance in hindrances.items():
            analyzer.state.captures[number].problems.append(hindrance)
        return analyzer


def _watched(
    batches: Iterator[RecordBatch], sources: Sequence[CaptureSource], progress: Progress
) -> Iterator[RecordBatch]:
    sizes = [source.size for source in sources]
    total = sum(size for size in sizes if size is not None) if None not in sizes else None
    for batch in batches:
        yield batch
        progress(sum(source.bytes_read for source in sources), total)
    progress(sum(source.bytes_read for source in sources) if total is None else total, total)
