"""The eight turned and mirrored images, against numpy's own turns; and that they are views of one object."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.disk import FourierDisk
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.methods.image_symmetry import ImageSymmetry


@pytest.mark.parametrize("box", [16, 17])
def test_images_are_the_quarter_turns_and_their_mirrors(box: int) -> None:
    disk = FourierDisk(box, 1.0)
    noise = torch.randn(1, box, box, generator=torch.Generator().manual_seed(0))
    image = disk.inverse(disk.transform(noise))
    found = disk.inverse(ImageSymmetry(disk)(disk.transform(image)))[0].numpy()
    np.testing.assert_allclose(found[0], image[0], atol=1e-5)
    # about the origin pixel box // 2: an even box is closed by its first row and column
    closed = np.pad(image[0].numpy(), (0, 1 - box % 2), mode="wrap")
    wanted = [np.rot90(side, turn)[:box, :box] for side in (closed, closed[:, ::-1]) for turn in range(4)]
    for one in wanted:
        assert sum(np.allclose(one, other, atol=1e-5) for other in found) == 1


def test_a_coarser_image_gives_the_prefix() -> None:
    disk = FourierDisk(16, 1.0)
    values = disk.transform(torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(1)))
    coarse = disk.limit(radius=5.0)
    symmetry = ImageSymmetry(disk)
    assert torch.equal(symmetry(values)[..., : len(coarse)], symmetry(values[:, : len(coarse)]))


def test_every_one_is_a_projection_of_the_same_object() -> None:
    generator = torch.Generator().manual_seed(2)
    disk = FourierDisk(16, 1.0)
    blob = torch.zeros(1, 16, 16, 16)
    blob[:, 5:11, 5:11, 5:11] = torch.randn(1, 6, 6, 6, generator=generator)
    volume = VoxelGrid(blob, 1.0)
    rotation = random_rotations(1, generator=generator).float()
    images = ImageSymmetry(disk)(volume.project(rotation, disk))[0]
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    behind = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    turns = [torch.linalg.matrix_power(quarter, power) for power in range(4)]
    poses = torch.stack([side @ turn @ rotation[0] for side in (torch.eye(3), behind) for turn in turns])
    views = volume.project(poses, disk)
    difference = (images[:, None] - views[None]).abs().amax(-1)
    assert (difference.amin(1) < 2e-3 * views.abs().max()).all()
    assert len(set(difference.argmin(1).tolist())) == 8
