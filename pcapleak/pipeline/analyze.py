"""`pcapleak.analyze`: captures in, reports out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Literal, overload

from pcapleak.pipeline.report_of import Progress, analyze_together
from pcapleak.policy.policy import Policy
from pcapleak.report.report import Report


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
    report = partial(
        analyze_together,
        policy=policy,
        pages=pages,
        key_log=key_log,
        all_flows=all_flows,
        progress=watcher,
        jobs=jobs,
    )
    if isinstance(paths, str | Path):
        return Report(report([paths]))
    files = list(paths)
    if merge:
        return Report(report(files))
    if jobs > 1:
        from pcapleak.pipeline.pool import analyze_each

        return list(
            map(Report, analyze_each(files, policy, jobs, pages, key_log, all_flows=all_flows))
        )
    return [Report(report([path])) for path in files]
