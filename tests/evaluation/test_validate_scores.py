"""Scores of halves of the pixels: white for noise, right for a known change, blind to what is no change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.made_validation import BODY, blob, empty_images, images_of
from trimorph.core.disk import FourierDisk
from trimorph.core.imaging import shift_phase
from trimorph.evaluation.validate_images import Slices, white_noise
from trimorph.evaluation.validate_modes import normalised
from trimorph.evaluation.validate_scores import Whitened

CHANGE = blob(30, 0, 0, weight=0.5) - blob(-5, 30, 0, weight=0.5)


def test_white_noise_is_that_of_real_images() -> None:
    disk = FourierDisk(12, 1.0)
    made = white_noise(3000, disk, torch.Generator().manual_seed(1))
    real = disk.transform(torch.randn(3000, 12, 12, generator=torch.Generator().manual_seed(2))) / 12
    again = disk.transform(disk.inverse(made))
    assert torch.allclose(again, made, atol=1e-5)  # so mates are conjugate
    for part in (lambda f: f.abs() ** 2, lambda f: f.real**2, lambda f: (f**2).real):
        assert torch.allclose(part(made).mean(0), part(real).mean(0), atol=0.12)


def test_scores_of_noise_are_white_and_those_of_both_halves_independent() -> None:
    images = images_of([BODY], 1500, seed=3)
    seen = Whitened.of(images, BODY)
    scores = seen.scores(normalised(torch.stack([CHANGE, blob(0, 0, 30)])), np.arange(1500))
    for side in (scores.first, scores.second):
        assert side.std(0) == pytest.approx([1, 1], abs=0.07)
        assert abs(np.corrcoef(side.T)[0, 1]) < 0.1
    assert abs(scores.product.sum(0) / np.sqrt((scores.weight**2).sum(0))).max() < 3


def test_variance_along_a_mode_is_found_without_bias() -> None:
    images = images_of([BODY + CHANGE, BODY - CHANGE], 1500, seed=4)
    seen = Whitened.of(images, BODY)
    scores = seen.scores(normalised(CHANGE[None]), np.arange(1500))
    power, error = (scores.weight**2).sum(), scores.product.std() * 1500**0.5
    assert scores.product.sum() / power == pytest.approx(float(CHANGE.square().sum()), abs=4 * error / power)
    assert error / power < 0.07 * float(CHANGE.square().sum())


def test_amplitudes_and_small_errors_of_poses_are_no_change() -> None:
    images = images_of([BODY], 800, seed=5, noise=0.3)
    whole = images.everything
    generator = torch.Generator().manual_seed(6)
    clean = Slices(images.disk).of(BODY[None], whole)[..., 0]
    moved = clean * (1 + 0.3 * torch.randn(800, 1, generator=generator))
    moved = moved * shift_phase(1.5 * torch.randn(800, 2, generator=generator), images.disk)
    other = replace(images, everything=replace(whole, image=whole.image - clean + moved))
    seen = Whitened.of(other, BODY)
    raw = empty_images(800, seed=5, noise=0.3)
    modes = normalised(torch.stack([BODY, torch.roll(BODY, 1, 2) - torch.roll(BODY, -1, 2)]))
    found = seen.scores(normalised(torch.stack([CHANGE])), np.arange(800))
    assert abs(found.product.sum() / np.sqrt((found.weight**2).sum())) < 3.5
    # where the nuisances are looked at, the same images do differ
    blind = replace(Whitened.of(raw, BODY), nuisance=torch.zeros_like(seen.nuisance))
    left = torch.cat([blind.columns((other.everything.image - clean)[..., None], other.everything)])[..., 0]
    plain = replace(blind, residual=left).scores(modes, np.arange(800))
    assert (plain.product.sum(0) / np.sqrt((plain.weight**2).sum(0))).max() > 10
