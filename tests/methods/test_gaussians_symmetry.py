"""A dimer whose two halves move on their own: each copy of a particle tells of one half.

The encoder is given the true principal modes, so this tests what follows after them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, mix_images, train
from methods.made_modes import principal_modes
from trimorph.core.symmetry import asymmetric_unit, symmetry_rotations
from trimorph.methods.gaussians import GaussianMixture, GaussiansSettings
from trimorph.training.latents import Latents

BOX, COUNT, STATES, EPOCHS = 16, 250, 7, 6
SMALL: dict[str, Any] = {
    "width": 48, "layers": 1, "anchors": 8, "encoder_width": 64, "encoder_layers": 1, "resolution": 10.0,
    "coarse_to_fine": False, "latent_dim": 1, "learning_rate": 3e-3,
}  # fmt: skip


def halves() -> Tensor:
    """The first half in each of its states: a part at x = 2 pixels, and one that slides along z at x = 4.

    Steps are shorter than the part: over gaps that it does not cover, states have no order that images tell.
    """
    return torch.cat([cloud(BOX, (2.0, 0.0, 0.0), (4.0, 1.0, step - 3.0)) for step in range(STATES)])


def turned(density: Tensor) -> Tensor:
    """Half a turn about z: x and y change sign about voxel 8."""
    return torch.roll(density.flip((-1, -2)), (1, 1), (-1, -2))


def expanded(images: MadeImages) -> MadeImages:
    """Each image twice, at R and at R S."""
    turns = symmetry_rotations("C2").float()
    rows = torch.arange(len(images)).repeat_interleave(2)
    rotation = (images.rotation[:, None] @ turns).flatten(0, 1)
    return replace(
        images,
        image=images.image[rows],
        rotation=rotation,
        shift=images.shift[rows],
        ctf=images.ctf[rows],
    )


def test_each_copy_tells_of_its_own_half(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(5)
    state = torch.randint(STATES, (COUNT, 2), generator=generator)
    first, second = halves(), turned(halves())
    weight = torch.nn.functional.one_hot(state, STATES).float().flatten(1)
    images = expanded(mix_images(torch.cat([first, second]), weight, noise_level=0.3))
    axis = (torch.arange(BOX) - BOX // 2) * PIXEL_SIZE
    place = torch.cartesian_prod(axis, axis, axis).flip(-1).view(BOX, BOX, BOX, 3)
    unit = asymmetric_unit(place, "C2", direction=(1.0, 0.0, 0.0), edge=PIXEL_SIZE)
    mean = first.mean(0) + second.mean(0)
    problem = images.problem(mean, mask=unit)
    assert problem.modes is not None
    problem = replace(problem, modes=principal_modes(first, 2, box=problem.modes.shape[-1]))
    torch.manual_seed(0)
    method = GaussianMixture(GaussiansSettings(**SMALL, epochs=EPOCHS), problem)
    train(method, images, tmp_path / "run", problem=problem)
    z = torch.as_tensor(Latents.load(tmp_path / "run" / "latents" / f"{EPOCHS:04d}.npz").mean)[:, 0]
    z = z.view(COUNT, 2)
    with torch.no_grad():
        ends = method.decode(torch.tensor([[-1.0], [1.0]])).position
    far = (ends[1] - ends[0]).norm(dim=1)
    neutral = method.neutral().position[0, :, 0]
    assert float(far[neutral < -PIXEL_SIZE].max()) == 0.0  # the other half stays
    for copy in (0, 1):
        own, other = (abs(spearmanr(z[:, copy], state[:, half]).statistic) for half in (copy, 1 - copy))
        assert own > 0.9
        assert other < 0.2
