"""How latents become changes of Gaussians, and what is likely of them."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch

from trimorph.core.gaussians import Gaussians
from trimorph.core.rotations import random_rotations, vector_to_matrix
from trimorph.core.voxel_grid import values_at
from trimorph.methods.cloud_decoder import STEP, CloudDecoder, farthest_points
from trimorph.methods.cloud_priors import FREE_STRETCH, neighbour_pairs, spread, stretching
from trimorph.methods.neutral_cloud import NeutralCloud


def points(count: int = 40) -> torch.Tensor:
    return 20 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0))


def test_anchors_share_a_gaussian_and_the_nearest_has_most() -> None:
    decoder = CloudDecoder("anchors", 2, gaussians=40, anchors=6, width=8, layers=1, radius=20.0)
    decoder.settle(points())
    share = decoder.spread(points())
    torch.testing.assert_close(share.sum(1), torch.ones(40))
    assert torch.equal(share.argmax(1), torch.cdist(points(), decoder.anchors).argmin(1))


@pytest.mark.parametrize("kind", ["anchors", "coordinates", "every"])
def test_latent_zero_changes_nothing(kind: Any) -> None:
    decoder = CloudDecoder(kind, 2, gaussians=40, anchors=6, width=8, layers=1, radius=20.0)
    decoder.settle(points())
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_()
        still, moved = (decoder(z, points()) for z in (torch.zeros(1, 2), torch.ones(1, 2)))
    for name in ("displacement", "amplitude", "log_width"):
        assert float(getattr(still, name).abs().max()) == 0.0
        assert float(getattr(moved, name).abs().max()) > 0.0


def test_anchors_that_turn_about_one_axis_turn_all_gaussians_about_it() -> None:
    """Each anchor is told its own slide; blending has to give one rigid motion."""
    decoder = CloudDecoder("anchors", 1, gaussians=40, anchors=6, width=8, layers=1, radius=20.0)
    decoder.settle(points())
    pivot, turn = torch.tensor([9.0, -3.0, 4.0]), torch.tensor([0.3, 0.5, -0.9])
    slide = torch.linalg.cross(turn.expand_as(decoder.anchors), decoder.anchors - pivot)
    wanted = torch.cat([turn.expand_as(slide) * 20.0 / STEP, slide / STEP, torch.zeros(6, 2)], dim=1)
    with torch.no_grad():
        decoder.network.last.weight[:, 0] = wanted.flatten()
        decoder.network.first.weight.zero_()
        decoder.network.first.bias.zero_()
        decoder.network.first.weight[0] = 1.0
        for layer in decoder.network.hidden:
            layer.weight.zero_()
            layer.bias.zero_()
        change = decoder(torch.tensor([[1.0], [2.0]]), points())
    for number, found in enumerate(change.displacement, start=1):
        expected = pivot + (points() - pivot) @ vector_to_matrix(number * turn).T
        torch.testing.assert_close(points() + found, expected, rtol=1e-4, atol=1e-3)


def test_farthest_points_are_far_apart_and_their_own() -> None:
    chosen = farthest_points(points(), 10)
    assert len(chosen.unique(dim=0)) == 10
    apart = torch.cdist(chosen, chosen).fill_diagonal_(torch.inf).min()
    rest = torch.cdist(points(), chosen).min(1).values.max()
    assert apart >= rest  # nobody left out is farther from all than they are from one another


def test_rigid_motion_does_not_stretch() -> None:
    rotation = random_rotations(3, generator=torch.Generator().manual_seed(1)).float()
    moved = points() @ rotation.mT + 5.0
    found = stretching(moved, points(), neighbour_pairs(points()))
    torch.testing.assert_close(found, torch.zeros(3), rtol=0, atol=1e-6)


def test_stretching_costs_the_logarithm_of_its_square() -> None:
    line = torch.tensor([[0.0, 0, 0], [4.0, 0, 0]])
    longer = torch.tensor([[[0.0, 0, 0], [6.0, 0, 0]]])
    found = stretching(longer, line, neighbour_pairs(line))
    assert float(found) == pytest.approx(log(1 + (2.0 / FREE_STRETCH) ** 2))


def test_stretching_has_a_gradient_where_gaussians_coincide() -> None:
    line = torch.zeros(2, 3)
    moved = line[None].clone().requires_grad_()
    stretching(moved, line, torch.tensor([[0, 1]])).sum().backward()
    assert moved.grad is not None
    assert bool(moved.grad.isfinite().all())


def test_equal_gaussians_cost_nothing_and_unequal_ones_what_a_normal_says() -> None:
    place = torch.zeros(1, 2, 3)
    alike = Gaussians(place, torch.full((1, 2), 3.0), torch.full((1, 2), 2.0))
    assert float(spread(alike)) == pytest.approx(0.0, abs=1e-12)
    unlike = Gaussians(place, torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, torch.e]]))
    # amplitudes are half a mean away on either side, widths half a logarithm, which is one deviation
    assert float(spread(unlike)) == pytest.approx(0.5 * (2 * 0.5**2 + 2 * 1.0**2), rel=1e-5)


def test_the_neutral_cloud_is_the_one_adopted() -> None:
    cloud = Gaussians(points(5)[None], torch.tensor([[1.0, -2, 3, 4, 5]]), torch.arange(1.0, 6.0)[None])
    neutral = NeutralCloud(9, spacing=4.0)
    neutral.adopt(cloud)
    found = neutral()
    torch.testing.assert_close(found.position, cloud.position)
    torch.testing.assert_close(found.amplitude, cloud.amplitude)
    torch.testing.assert_close(found.width, cloud.width)


def test_values_between_voxels() -> None:
    """A linear function is its own interpolation, on even and odd boxes."""
    for box in (6, 7):
        axis = (torch.arange(box) - box // 2) * 2.0
        values = axis[:, None, None] + 3 * axis[None, :, None] - 2 * axis
        place = torch.tensor([[1.0, -1.5, 0.3], [0.0, 0.0, 0.0], [-3.0, 2.2, 1.0]])
        expected = place[:, 2] + 3 * place[:, 1] - 2 * place[:, 0]
        torch.testing.assert_close(values_at(values, place, pixel_size=2.0), expected)
    assert float(values_at(values + 100, torch.tensor([[50.0, 0, 0]]), pixel_size=2.0)) == 0.0
