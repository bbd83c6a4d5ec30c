"""Pose corrections: which side they turn, their units, and their prior."""

from __future__ import annotations

import pytest
import torch

from methods.made_images import MadeImages, cloud, make_images
from trimorph.core.rotations import rotation_angle
from trimorph.methods.poses import PoseTable


@pytest.fixture(scope="module")
def images() -> MadeImages:
    shift = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    return make_images(cloud(12, (1.0, 2.0, 0.0)), torch.zeros(6, dtype=torch.long), shift=shift)


def _table(angle: float = 0.1, distance: float = 3.0) -> PoseTable:
    return PoseTable(6, angle=angle, distance=distance)


def test_no_correction_at_the_start(images: MadeImages) -> None:
    batch = images.batch(torch.tensor([5, 2, 0]))
    refined, penalty = _table()(batch)
    torch.testing.assert_close(refined.rotation, batch.rotation)
    assert torch.equal(refined.shift, batch.shift)
    assert penalty.tolist() == [0.0] * 3


def test_rows_are_in_units_of_the_prior(images: MadeImages) -> None:
    table = _table()
    with torch.no_grad():
        table.rows.weight[2] = torch.tensor([0.0, 0.0, -2.0, 1.0, -0.5])
    batch = images.batch(torch.tensor([5, 2]))
    refined, penalty = table(batch)
    turned = rotation_angle(refined.rotation @ batch.rotation.mT)
    torch.testing.assert_close(turned, torch.tensor([0.0, 0.2]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(refined.shift - batch.shift, torch.tensor([[0.0, 0.0], [3.0, -1.5]]))
    torch.testing.assert_close(penalty, torch.tensor([0.0, 0.5 * (4.0 + 1.0 + 0.25)]))


def test_correction_turns_the_image_in_its_own_frame(images: MadeImages) -> None:
    """The refined rotation is exp([v]x) R: v along z is a turn in the plane, whatever R."""
    table = _table(angle=1.0)
    with torch.no_grad():
        table.rows.weight[:, 2] = 0.3
    batch = images.batch(torch.arange(6))
    refined, _ = table(batch)
    cosine, sine = torch.cos(torch.tensor(0.3)), torch.sin(torch.tensor(0.3))
    turn = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(refined.rotation, turn @ batch.rotation, rtol=0, atol=1e-5)
    torch.testing.assert_close(refined.rotation[:, 2], batch.rotation[:, 2], rtol=0, atol=1e-5)


def test_image_and_the_rest_stay(images: MadeImages) -> None:
    table = _table()
    with torch.no_grad():
        table.rows.weight.normal_(generator=torch.Generator().manual_seed(0))
    batch = images.batch(torch.tensor([1, 4]))
    before = batch.rotation.clone(), batch.shift.clone()
    refined, _ = table(batch)
    assert refined.image is batch.image
    assert refined.ctf is batch.ctf
    assert refined.index is batch.index
    assert torch.equal(batch.rotation, before[0])
    assert torch.equal(batch.shift, before[1])


def test_angles_keep_their_precision_under_autocast(images: MadeImages) -> None:
    table = _table()
    with torch.no_grad():
        table.rows.weight.normal_(generator=torch.Generator().manual_seed(0))
    batch = images.batch(torch.arange(6))
    exact, _ = table(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        refined, _ = table(batch)
    assert torch.equal(refined.rotation, exact.rotation)
    assert torch.equal(refined.shift, exact.shift)
