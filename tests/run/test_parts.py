"""Parts that a run moves: those of a cloud of Gaussians, and particles back-projected along them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from run.slider import spread_latents, write_slider_run
from trimorph.core.errors import InputError
from trimorph.methods import registry
from trimorph.run.along import reconstruct_run_along
from trimorph.run.parts import RunParts
from trimorph.run.run import Run


@pytest.fixture(autouse=True)
def _slider_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", "run.slider:Slider")


def test_a_cloud_that_is_too_small_to_part_moves_as_one(tmp_path: Path) -> None:
    angles = [(float(rot), 40.0) for rot in range(0, 360, 9)]
    run = write_slider_run(tmp_path, angles=angles, latents=spread_latents(40, together=1.0, apart=1.0))
    moving = RunParts.of(run)
    assert moving.names == ("part 1 (5 Gaussians)",)
    (mask,) = moving.masks(box=16, pixel_size=4.0)
    assert mask.max() == 1.0
    assert 0 < mask.mean() < 0.5
    along = reconstruct_run_along(run)
    assert [row["part"] for row in along.rows()] == ["all", "part 1 (5 Gaussians)"]
    assert np.abs(along.along.map - along.ordinary.map).max() > 0


def test_a_density_without_parts_is_declined(trained: Run) -> None:
    with pytest.raises(InputError, match="no parts that could be followed; wanted Gaussians"):
        RunParts.of(trained)
