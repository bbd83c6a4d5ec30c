"""Modes that a model decodes, and by how much they move density: a run whose motion is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from run.slider import BOX, PIXEL_SIZE, spread_latents, write_slider_run
from trimorph.evaluation.validate_modes import decoded_modes, displacements
from trimorph.methods import registry


def test_modes_of_a_model_follow_its_latents_and_tell_their_displacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", "run.slider:Slider")
    latents = spread_latents(200, together=1.5, apart=0.5)
    run = write_slider_run(tmp_path, angles=[(0, 0)] * 200, latents=latents)
    modes, place, chosen = decoded_modes(run, count=6, box=BOX, pixel_size=PIXEL_SIZE, radius=6.0)
    assert modes.flatten(1).norm(dim=1).numpy() == pytest.approx(1.0)
    z = latents.mean[chosen].astype(float)
    assert abs(np.corrcoef(place[:, 0], z.sum(1))[0, 1]) > 0.95
    order = np.argsort(place[:, 0])
    tenth = len(order) // 10
    change = z[order[-tenth:]].mean(0) - z[order[:tenth]].mean(0)
    squares = 3 * (2 * change.sum()) ** 2 + 2 * (change[0] - change[1]) ** 2  # of three and two Gaussians
    assert displacements(run, place, latents.mean[chosen])[0] == pytest.approx((squares / 5) ** 0.5, rel=0.02)
