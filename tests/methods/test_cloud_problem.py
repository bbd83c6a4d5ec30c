"""A structure's points and a focus by number, as the method gaussians has them; what it refuses at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, cloud, make_images
from trimorph.core.errors import InputError
from trimorph.methods import cloud_fit
from trimorph.methods.base import Problem
from trimorph.methods.gaussians import GaussianMixture, GaussiansSettings

BOX = 24
PLACES = [(0.0, 0.0, 0.0), (3.0, 1.0, -1.0), (-1.0, -3.0, 2.0), (0.0, 2.0, 3.0), (-4.0, 0.0, 0.0)]
SMALL: dict[str, Any] = {
    "encoder": "pixels", "width": 16, "layers": 1, "anchors": 4, "encoder_width": 16, "encoder_layers": 1,
    "resolution": 10.0, "latent_dim": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def problem() -> Problem:
    mean = cloud(BOX, *PLACES)
    images = make_images(mean, torch.zeros(4, dtype=torch.long))
    return replace(images.problem(mean[0]), mask=None)


@pytest.fixture(scope="module")
def points() -> Tensor:
    """The map's Gaussians with weights in proportion to their amplitudes."""
    place = PIXEL_SIZE * torch.tensor(PLACES)
    return torch.cat([place, torch.full((5, 1), 7.0)], 1)


def settings(**changed: Any) -> GaussiansSettings:
    return GaussiansSettings(**SMALL | changed)


def begun(problem: Problem, **changed: Any) -> tuple[GaussianMixture, list[str]]:
    torch.manual_seed(0)
    method = GaussianMixture(settings(**changed), problem)
    return method, list(method.begin())


def moved(method: GaussianMixture) -> Tensor:
    """How far Gaussians go with a network that says something."""
    assert method.decoder is not None
    with torch.no_grad():
        for parameter in method.decoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        ends = method.decode(torch.tensor([[0.0, 0.0], [1.0, 1.0]])).position
    return (ends[1] - ends[0]).norm(dim=1)


def test_the_points_of_a_structure_get_the_maps_scale_and_width(problem: Problem, points: Tensor) -> None:
    method, lines = begun(replace(problem, points=points))
    neutral = method.neutral()
    torch.testing.assert_close(neutral.position[0], points[:, :3], atol=1e-4, rtol=0)
    width = 1.3 * PIXEL_SIZE
    torch.testing.assert_close(neutral.width, torch.full((1, 5), width), rtol=0.01, atol=0)
    amplitude = (2 * torch.pi * width**2) ** 1.5
    torch.testing.assert_close(neutral.amplitude, torch.full((1, 5), amplitude), rtol=0.02, atol=0)
    assert lines == ["neutral model: 5 Gaussians of the structure, 5.2 Å wide: correlation 1.000 at 10.0 Å"]


def test_those_that_are_named_move_alone(problem: Problem, points: Tensor) -> None:
    method, _ = begun(replace(problem, points=points, movable=torch.tensor([1, 4])))
    distance = moved(method)
    assert distance[[0, 2, 3]].tolist() == [0.0, 0.0, 0.0]
    assert float(distance[[1, 4]].min()) > 0.01
    assert method.decoder is not None
    anchors = method.decoder.anchors
    assert {tuple(place) for place in anchors.tolist()} == {tuple(points[i, :3].tolist()) for i in (1, 4)}


def test_numbers_of_a_model_that_is_fitted(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_fit, "ROUNDS", (1, 1))
    monkeypatch.setattr(cloud_fit, "LOOKS", 3)
    method, _ = begun(replace(problem, movable=torch.tensor([0])), count=6)
    distance = moved(method)
    assert distance[1:].tolist() == [0.0] * 5
    assert float(distance[0]) > 0.01


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"resolution": 3.0}, {}, r"found a resolution of 3 Å .*wanted 8 Å \(Nyquist\) or coarser.*--resolution"),
    ({"count": 100_000}, {}, r"found a count of 100000; wanted at most \d+, as many as the map supports"),
    ({"count": 3}, {"points": True}, r"found a count of 3 beside a structure of 5 residues.*--count or"),
    ({}, {"points": True, "movable": torch.tensor([2, 5])}, r"found the number 5 .*wanted 0 to 4.*has 5"),
    ({}, {"movable": torch.tensor([99_999])}, r"found the number 99999 among those that may move"),
    ({}, {"mask": torch.zeros(BOX, BOX, BOX)}, r"found a mask of at most 0.00 where the mean map is dense"),
    (
        {},
        {"points": True, "mask": torch.zeros(BOX, BOX, BOX)},
        r"found a mask of at most 0.00 at the 5 Gaussians of the neutral model.*--mask",
    ),
    ({}, {"mean": None}, "found a problem without a mean map"),
]


@pytest.mark.parametrize(("changed", "given", "message"), REFUSED)
def test_what_is_refused_before_anything_takes_time(
    problem: Problem, points: Tensor, changed: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    wrong = replace(problem, **{**given, **({"points": points} if "points" in given else {})})
    with pytest.raises(InputError, match=message):
        GaussianMixture.refuse(settings(**changed), wrong)


def test_amplitudes_alone_in_a_mask_outside_the_density(problem: Problem) -> None:
    corner = torch.zeros(BOX, BOX, BOX)
    corner[:3, :3, :3] = 1.0
    only = {"move_position": False, "move_amplitude": True}
    with pytest.raises(InputError, match=r"found a mask of at most 0.00 where the mean map is dense.*--mask"):
        GaussianMixture.refuse(settings(**only), replace(problem, mask=corner))


def test_what_fits_is_not_refused(problem: Problem, points: Tensor) -> None:
    GaussianMixture.refuse(settings(), problem)
    GaussianMixture.refuse(settings(count=6), replace(problem, mask=torch.ones(BOX, BOX, BOX)))
    GaussianMixture.refuse(settings(), replace(problem, points=points, movable=torch.tensor([0, 4])))


@pytest.mark.parametrize("name", ["spread", "rigidity"])
def test_weights_are_not_negative(name: str) -> None:
    with pytest.raises(InputError, match=rf"(?i){name}.*-1"):
        settings(**{name: -1.0})
