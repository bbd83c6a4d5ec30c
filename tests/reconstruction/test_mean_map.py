"""The mean map: the noise around the particle goes, and the particle stays, faint parts too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reconstruction.images_in_memory import blobs, simulate_images
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.reconstruction import mean_map as module
from trimorph.reconstruction.mean_map import mean_map
from trimorph.reconstruction.reconstruct import reconstruct


def test_mean_map_is_nearer_to_the_truth_than_the_whole_map() -> None:
    truth = blobs(24, 8.0, spread=0.08)
    images = simulate_images(truth, pixel_size=8.0, count=400, snr=0.02)
    whole, masked = reconstruct(images).map, mean_map(images).map
    curves = [fourier_shell_correlation(torch.tensor(found), truth)[1:12] for found in (whole, masked)]
    assert curves[1].mean() > curves[0].mean() + 0.02
    told = curves[0] > 0.143  # finer shells hold hardly more than noise
    assert (curves[1] > curves[0] - 0.02)[told].all()
    kept = truth > 0.2 * truth.max()
    assert torch.equal(torch.tensor(masked)[kept], torch.tensor(whole)[kept])


def test_dark_images_are_left_whole() -> None:
    images = simulate_images(-blobs(16, 4.0), pixel_size=4.0, count=60, snr=None)
    assert torch.equal(torch.tensor(mean_map(images).map), torch.tensor(reconstruct(images).map))


def test_a_faint_ring_is_kept_without_its_noise() -> None:
    """What a part leaves in the mean that turns all the way round: far below the threshold of the mask."""
    box, pixel_size = 24, 8.0
    axis = torch.arange(box) - box // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    body = blobs(box, pixel_size, spread=0.05)
    ring = torch.exp(-0.5 * (((x**2 + y**2).sqrt() - 8.5) ** 2 + z**2) / 1.5**2)
    truth = body + 0.06 * body.max() * ring
    images = simulate_images(truth, pixel_size=pixel_size, count=400, snr=0.1)
    found, whole = torch.tensor(mean_map(images).map), torch.tensor(reconstruct(images).map)
    place = (ring > 0.5) & (body < 0.01 * body.max())
    lost = (found - truth)[place].square().sum() / truth[place].square().sum()
    assert lost < 0.15  # all of it where it is cut away
    beyond = (ring < 0.01) & (body < 1e-3 * body.max())
    assert found[beyond].square().mean() < 0.5 * whole[beyond].square().mean()


def test_half_maps_whose_means_differ_in_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest shell is one number, whose correlation is then -1: its filter is 0 and not infinite."""
    axis = torch.arange(24) - 12
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    ring = torch.exp(-0.5 * (((x**2 + y**2).sqrt() - 8.5) ** 2 + z**2) / 1.5**2)
    body = blobs(24, 8.0, spread=0.05)
    images = simulate_images(body + 0.06 * body.max() * ring, pixel_size=8.0, count=400, snr=0.1)
    found = reconstruct(images)
    offset = 0.1 * np.abs(found.map).max()
    apart = replace(found, half1=found.half1 + offset, half2=found.half2 - offset)
    monkeypatch.setattr(module, "reconstruct", lambda *_, **__: apart)
    density = mean_map(images).map
    assert np.isfinite(density).all()
    assert np.corrcoef(density.ravel(), found.map.ravel())[0, 1] > 0.9
