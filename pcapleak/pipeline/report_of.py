"""One report: over one capture, or over several on one timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from pcapleak.capture import CaptureSource, open_timeline
from pcapleak.capture.digest import Digests
from pcapleak.pipeline.analyzer import Analyzer, read_captures
from pcapleak.pipeline.gc_policy import rare_collection
from pcapleak.pipeline.inputs import check_key_log, decrypt_signalling, read_pages
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document
from pcapleak.values.packets import RecordBatch

Progress = Callable[[int, "int | None"], None]
"""Called now and then with the bytes read and the bytes there are (None where unknown)."""


def analyze_together(
    files: Sequence[str | Path],
    policy: Policy | None,
    *,
    pages: Sequence[str | Path] = (),
    key_log: str | Path | None = None,
    all_flows: bool,
    progress: Progress | None = None,
    jobs: int = 1,
) -> Document:
    """What `files` show, as `pcapleak.analyze` has it.

    Raises `CaptureError` where a capture cannot be read at all, `PcapleakError` where `pages` or
    `key_log` cannot.
    """
    told = read_pages(pages)
    with closing(Digests(files)) as digests:
        analyzer = _read(files, policy, check_key_log(files, key_log), progress, jobs)
        for facts, digest in zip(analyzer.state.captures, digests.results(), strict=True):
            facts.sha256 = digest
    analyzer.pages.update(told.candidates)
    analyzer.state.page_facts.update(told.facts)
    with rare_collection():
        document = analyzer.document(all_flows=all_flows)
    asked = [f"page {Path(page).name}" for page in pages]
    asked += ["all-flows"] * all_flows + ["key-log"] * (key_log is not None)
    document.generator.options = asked
    return document


def _read(
    files: Sequence[str | Path],
    policy: Policy | None,
    keys: Path | None,
    progress: Progress | None,
    jobs: int,
) -> Analyzer:
    """All that is in `files`, read by several processes where that can be."""
    if jobs > 1 and len(files) == 1 and keys is None:
        from pcapleak.pipeline.jobs import read_in_parts

        analyzer = read_in_parts(files[0], policy, jobs, progress)
        if analyzer is not None:
            return analyzer
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
