"""Which modes are real: known subspaces, and subspaces of noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trimorph.methods.mode_agreement import chance_cosine, principal_cosines
from trimorph.methods.mode_verdict import AGREEMENT, agreement, real_modes, verdict

BOX = 16
WHOLE = torch.ones(BOX, BOX, BOX)


def _noise(modes: int, seed: int) -> Tensor:
    return torch.randn(modes, BOX, BOX, BOX, generator=torch.Generator().manual_seed(seed))


def _small() -> Tensor:
    mask = torch.zeros(BOX, BOX, BOX)
    mask[4:8, 4:8, 4:9] = 1.0
    return mask


@pytest.mark.parametrize("mask", [WHOLE, _small()], ids=["whole box", "80 voxels"])
def test_chance_is_what_independent_noise_has(mask: Tensor) -> None:
    """The edge of the spectrum of two random spaces, 2 sqrt(q (1 - q)) with q modes a dimension."""
    modes = 6
    first, second = (_noise(modes, seed) * mask for seed in (0, 1))
    found = chance_cosine(first, second, mask=mask)
    share = modes / float(mask.sum())
    assert found == pytest.approx(2 * (share * (1 - share)) ** 0.5, abs=0.1)
    assert found == pytest.approx(float(principal_cosines(first.flatten(1), second.flatten(1))[0]), abs=0.1)


def test_chance_does_not_see_what_is_shared() -> None:
    first, second = _noise(4, 0), _noise(4, 1)
    assert chance_cosine(first, first, mask=WHOLE) == pytest.approx(
        chance_cosine(first, second, mask=WHOLE), abs=0.05
    )


def test_degenerate_modes_agree_however_they_are_turned() -> None:
    """Three modes of one variance, which each half set turns as it likes, then two of noise."""
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2))).Q
    shared = _noise(3, 3)
    turned = torch.einsum("jk,kzyx->jzyx", turn, shared)
    first, second = torch.cat([shared, _noise(2, 4)]), torch.cat([turned, _noise(2, 5)])
    found = agreement(first, second, mask=WHOLE, fewer=True)
    assert found.kept == 3
    assert found.level == pytest.approx(AGREEMENT)
    torch.testing.assert_close(found.cosine, torch.ones(3), rtol=0, atol=1e-4)
    every = agreement(first, second, mask=WHOLE, fewer=False)
    assert every.kept == 5
    assert [bool(value > every.level) for value in every.cosine] == [True] * 3 + [False] * 2


def test_one_mode_is_kept_where_none_agrees() -> None:
    assert agreement(_noise(4, 0), _noise(4, 1), mask=WHOLE, fewer=True).kept == 1


def test_gain_alone_is_not_enough_nor_agreement() -> None:
    gain, error = torch.tensor([5.0, 4.0, 0.2, 3.0]), torch.full((4,), 0.1)
    cosine, level = torch.tensor([0.9, 0.8, 0.7, 0.01]), torch.tensor(0.4)
    real = real_modes(gain, error, cosine=cosine, level=level)
    assert real.tolist() == [True, True, False, False]
    said = verdict(real=int(real.sum()), cosine=cosine, level=0.4)
    assert said.startswith("2 modes are real of 4 kept: ")
    assert said.endswith("agree to a cosine above 0.40. Theirs are 0.90, 0.80, 0.70, 0.01")
