"""What is refused before anything is begun."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from everbeat.commands.pair import PairError, PairOptions, init
from everbeat.commands.places import Places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["my shop!", "", "a b", "-x", "../shop", "x" * 65, "lädle"])
def test_a_name_that_ha_cf_would_not_take_is_refused_and_nothing_written(
    tmp_path: Path, name: str
) -> None:
    places = Places(etc=tmp_path / "etc", state=tmp_path / "state", run=tmp_path / "run")
    with pytest.raises(PairError, match="no name of a cluster"):
        init(places, name, PairOptions(), io.StringIO())
    assert list(tmp_path.iterdir()) == []
