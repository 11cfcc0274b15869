"""The captures that come with the package are there, in the source tree and in the wheel."""

from __future__ import annotations

import tomllib

import pytest
from places import CAPTURES, ROOT

from pcapleak import samples


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_sample_is_the_capture_of_that_name(name: str) -> None:
    assert samples.path(name).read_bytes() == (CAPTURES / name).read_bytes()


def test_the_wheel_has_every_sample_and_nothing_large() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert built["targets"]["wheel"]["force-include"] == {
        f"captures/{name}": f"pcapleak/samples/{name}" for name in samples.SAMPLES
    }
    assert sum(samples.path(name).stat().st_size for name in samples.SAMPLES) < 500_000


@pytest.mark.parametrize("name", ["socks", "../socks.pcapng", ""])
def test_another_name_is_told_what_there_is(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"tunnel-drop\.pcapng"):
        samples.path(name)
