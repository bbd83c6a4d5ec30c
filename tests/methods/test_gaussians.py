"""The method gaussians: its neutral model, what may move, and motions that it has to find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, make_images, train
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.methods.base import Problem
from trimorph.methods.cloud_priors import stretching
from trimorph.methods.gaussians import GaussianMixture, GaussiansSettings
from trimorph.training.latents import Latents

BOX = 16
BODY = [(0.0, 0.0, 0.0), (3.0, 1.0, -1.0), (-1.0, -3.0, 2.0), (0.0, 2.0, 3.0)]
SMALL: dict[str, Any] = {
    "encoder": "pixels", "width": 48, "layers": 1, "anchors": 8, "encoder_width": 96, "encoder_layers": 1,
    "resolution": 10.0, "coarse_to_fine": False,
}  # fmt: skip


def ball(x: float, y: float, z: float) -> Tensor:
    """A ball of two voxels' radius with a soft edge, on its place in pixels: not a Gaussian."""
    axis = torch.arange(BOX) - BOX // 2
    distance = ((axis - x) ** 2 + (axis[:, None] - y) ** 2 + (axis[:, None, None] - z) ** 2).sqrt()
    return 0.5 * (2.5 - distance).clamp(0, 1)


def path() -> Tensor:
    """A body, and a ball at five places on a line."""
    return cloud(BOX, *BODY) + torch.stack([ball(-4.0, 0.0, 1.5 * step) for step in range(-2, 3)])


@pytest.fixture(scope="module")
def moving() -> tuple[MadeImages, Tensor]:
    state = torch.randint(5, (500,), generator=torch.Generator().manual_seed(3))
    return make_images(path(), state, noise_level=0.3), state


@pytest.fixture(scope="module")
def problem(moving: tuple[MadeImages, Tensor]) -> Problem:
    return moving[0].problem(path().mean(0))


def build(problem: Problem, **settings: Any) -> GaussianMixture:
    """The method, ready for its first step."""
    torch.manual_seed(0)
    method = GaussianMixture(GaussiansSettings(**SMALL | {"latent_dim": 2} | settings), problem)
    assert all("neutral model" in line for line in method.begin())
    return method


def disturb(method: GaussianMixture) -> None:
    """A network that says something at every latent."""
    with torch.no_grad():
        for parameter in method.decoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)


def test_the_neutral_model_is_the_mean_map(problem: Problem) -> None:
    method = build(problem)
    with torch.no_grad():
        density = method.decode(torch.zeros(1, 2)).voxels(BOX, PIXEL_SIZE)[0]
    mean = path().mean(0)
    curve = fourier_shell_correlation(density, mean)
    assert float(curve[1:5].min()) > 0.98  # to 16 Å; the Gaussians end at 10
    assert float((density * mean).sum() / (mean * mean).sum()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("decoder", ["anchors", "coordinates", "every"])
def test_latent_zero_is_the_neutral_model(problem: Problem, decoder: Any) -> None:
    method = build(problem, decoder=decoder)
    disturb(method)
    neutral = method.neutral()
    with torch.no_grad():
        still = method.decode(torch.zeros(3, 2))
        moved = method.decode(torch.ones(3, 2))
    for name in ("position", "amplitude", "width"):
        expected = getattr(neutral, name).expand_as(getattr(still, name))
        torch.testing.assert_close(getattr(still, name), expected, rtol=0, atol=0)
    assert float((moved.position - neutral.position).abs().max()) > 0.1


@pytest.mark.parametrize("moves", ["position", "amplitude", "width"])
def test_only_what_may_move_moves(problem: Problem, moves: str) -> None:
    names = ("position", "amplitude", "width")
    method = build(problem, **{f"move_{name}": name == moves for name in names})
    disturb(method)
    with torch.no_grad():
        neutral, moved = method.neutral(), method.decode(torch.ones(1, 2))
    changed = [not torch.equal(getattr(neutral, name), getattr(moved, name)) for name in names]
    assert changed == [name == moves for name in names]


@pytest.mark.parametrize(
    ("decoder", "freedom"), [("anchors", 6 * 8), ("coordinates", 6 * 8), ("every", 3 * 30)]
)
def test_stretching_counts_once_for_all_images(
    moving: tuple[MadeImages, Tensor], problem: Problem, decoder: Any, freedom: int
) -> None:
    """Over all particles it is the same for few and many: half a logarithm for each number that moves."""
    batch, wholes = moving[0].batch(torch.arange(8)), []
    for particles in (500, 50_000):
        method = build(replace(problem, particles=particles), decoder=decoder, count=30, encoder="none")
        disturb(method)
        terms = method(batch, method.stages[-1], 0.5)
        wholes.append(particles * float(batch.disk.weight.sum()) * float(terms["stretching"].detach()))
        with torch.no_grad():
            cloud, neutral = method.decode(method.encode(batch).mean), method.neutral().position[0]
        cost = float(stretching(cloud.position, neutral, method.pairs).mean())
        assert wholes[-1] == pytest.approx(0.5 * freedom * cost, rel=1e-4)
    assert wholes[0] == pytest.approx(wholes[1], rel=1e-4)


def test_what_lies_outside_the_mask_stays(problem: Problem) -> None:
    mask = torch.zeros(BOX, BOX, BOX)
    mask[..., :6] = 1.0  # x below -2 pixels: the ball, and none of the body's middle
    method = build(replace(problem, mask=mask))
    disturb(method)
    with torch.no_grad():
        neutral, moved = method.neutral(), method.decode(torch.ones(1, 2))
    far = neutral.position[0, :, 0] > -1.0 * PIXEL_SIZE
    near = neutral.position[0, :, 0] < -3.0 * PIXEL_SIZE
    distance = (moved.position - neutral.position)[0].norm(dim=-1)
    assert float(distance[far].max()) == 0.0
    assert float(distance[near].min()) > 0.0


def test_a_mask_that_lets_nothing_move(problem: Problem) -> None:
    with pytest.raises(InputError, match=r"found a mask of at most 0.00 at the \d+ Gaussians .*--mask"):
        build(replace(problem, mask=torch.zeros(BOX, BOX, BOX)))


def test_nothing_may_move() -> None:
    with pytest.raises(InputError, match=r"Found nothing that may move.*--latent-dim 0"):
        GaussiansSettings(move_position=False, move_amplitude=False)


def test_a_motion_is_found(moving: tuple[MadeImages, Tensor], problem: Problem, tmp_path: Path) -> None:
    """The order of places along the line, and the ball where it is."""
    images, state = moving
    method = build(problem, latent_dim=1, epochs=20, learning_rate=3e-3, beta=0.25, beta_peak=0.25)
    train(method, images, tmp_path / "run", problem=problem)
    z = torch.as_tensor(Latents.load(tmp_path / "run" / "latents" / "0020.npz").mean)
    assert abs(spearmanr(z[:, 0], state).statistic) > 0.9
    with torch.no_grad():
        ends = method.decode(torch.stack([z[state == end].mean(0) for end in (0, 4)]))
        density = ends.voxels(BOX, PIXEL_SIZE)
    curve = fourier_shell_correlation(density[1] - density[0], path()[4] - path()[0])
    assert float(curve[1:3].min()) > 0.9  # to 32 Å: the ball is 20 Å wide, and images are few


def test_spare_gaussians_stand_where_the_mean_has_lost_the_ball(problem: Problem) -> None:
    """A mode that is bright far from the body, where the mean map has nothing."""
    modes = torch.zeros(1, 8, 8, 8)
    modes[0, 4, 4, 6] = 1.0  # 16 Å along x from the middle of 8 voxels of 8 Å
    empty = replace(problem, mean=cloud(BOX, (-2.0, 0.0, 0.0))[0], modes=modes, modes_resolution=17.0)
    torch.manual_seed(0)
    settings = GaussiansSettings(**SMALL | {"latent_dim": 1, "encoder": "object"})
    method = GaussianMixture(settings, empty)
    assert any("more where density moves" in line for line in method.begin())
    neutral = method.neutral()
    idle = neutral.amplitude[0] == 0
    assert int(idle.sum()) >= 1
    distance = (neutral.position[0, idle] - torch.tensor([16.0, 0.0, 0.0])).norm(dim=1)
    assert float(distance.min()) < 8.0
