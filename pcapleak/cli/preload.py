"""Loading what is loaded late elsewhere, before the rights to read it are gone."""

from __future__ import annotations

import importlib
import os
import pkgutil
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcapleak.live.privileges import User
    from pcapleak.policy.policy import Policy

LATE = (
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.ciphers.algorithms",
    "cryptography.hazmat.primitives.ciphers.modes",
    "dpkt.radiotap",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.unicode_escape",
    "encodings.utf_16",
    "maxminddb",
    "urllib.parse",
    "zoneinfo",
)
"""Modules of others that analysis may load in its course."""
NOT_ANALYSIS = (
    "pcapleak.__main__",
    "pcapleak.fleet",
    "pcapleak.cli",
    "pcapleak.redact",
    "pcapleak.report.writers.tables",
    "pcapleak.report.writers.html",
    "pcapleak.report.writers.stun_tables",
    "pcapleak.report.rendering",
    "pcapleak.report.screen.interactive",
)
"""What no watch needs. Tables would even start a thread, which would keep its rights: a process
gives up some of them thread by thread."""


def preload(policy: Policy, user: User | None) -> None:
    """Load what a watch needs, as far as `user` could not load it later.

    Judging and printing a watch without packets loads most. An installation that the user
    cannot read (below /root, say) is loaded whole, with the tables that come with it.
    """
    from pcapleak.cli.console import page_console
    from pcapleak.pipeline.analyzer import Analyzer
    from pcapleak.report.writers.json import to_json
    from pcapleak.report.writers.terminal import print_report

    document = Analyzer(policy).document()
    to_json(document)
    print_report(document, page_console(StringIO()), verbose=True)
    if user is not None and not _can_read_installation(user):
        _load_all()


def _can_read_installation(user: User) -> bool:
    """Whether `user` can reach the standard library, this package, and those beside numpy."""
    import numpy

    return all(
        _may_enter(folder, user)
        for file in (os.__file__, __file__, numpy.__file__)
        for folder in Path(file).resolve().parents
    )


def _may_enter(folder: Path, user: User) -> bool:
    status = folder.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == user.gid else 0o001))


def _load_all() -> None:
    from rich.cells import cell_len

    import pcapleak
    from pcapleak.judge.coherence.tables import load_languages, load_table
    from pcapleak.judge.coherence.zones import country_name, zone_countries

    for name in LATE:
        importlib.import_module(name)
    # The terminal's table of wide characters is loaded by the first text that is not ASCII.
    cell_len("\u4e00")
    for module in pkgutil.walk_packages(pcapleak.__path__, "pcapleak."):
        if not module.name.startswith(NOT_ANALYSIS):
            importlib.import_module(module.name)
    for table in ("country-user", "country-dbip", "asn", "egress"):
        load_table(table)
    load_languages()
    country_name("")
    zone_countries("")
