"""Which views show a motion: Fisher information against known answers and second derivatives."""

from __future__ import annotations

import csv
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from run.slider import BOX, NOISE, PIXEL_SIZE, Slider, SliderSettings, slider_problem, spread_latents
from run.slider import write_slider_run as write_run
from trimorph.cli.main import run as command
from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.core.imaging import render_batch
from trimorph.core.losses import whitened_likelihood
from trimorph.core.rotations import random_rotations
from trimorph.data.open import open_particles
from trimorph.methods import registry
from trimorph.run.observability import observability, write_observability
from trimorph.run.observability_information import fisher_information, latent_gain
from trimorph.run.run import Run
from trimorph.training.latents import Latents

VIEWS = {"x": (0.0, 90.0), "y": (90.0, 90.0), "z": (0.0, 0.0), "-y": (-90.0, 90.0)}
"""(rot, tilt) in degrees of a view along an axis of the object."""
PER_VIEW = 10


@pytest.fixture(autouse=True)
def _slider_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", "run.slider:Slider")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Latents that differ in z1 + z2 alone, which slides a group along y."""
    angles = [angle for angle in VIEWS.values() for _ in range(PER_VIEW)]
    latents = spread_latents(len(angles), together=1.5, apart=0.0)
    return write_run(tmp_path_factory.mktemp("slider"), angles=angles, latents=latents)


def batch_of(rotation: Tensor, *, ctf: CTF, shift: Tensor | None = None) -> Batch:
    disk, count = FourierDisk(BOX, PIXEL_SIZE), len(rotation)
    return Batch(
        index=torch.arange(count),
        image=torch.zeros(count, len(disk), dtype=torch.complex64),
        rotation=rotation,
        shift=torch.zeros(count, 2) if shift is None else shift,
        ctf=ctf,
        group=torch.zeros(count, dtype=torch.long),
        disk=disk,
    )


def power_of(batch: Batch) -> Tensor:
    return torch.full((len(batch), len(batch.disk)), float(BOX**2 * NOISE**2))


def test_one_gaussian_that_moves_across_the_view() -> None:
    """I = (a v)^2 / (8 pi s^4 p^4 sigma^2): amplitude a, v Å a step, width s, voxels of p Å, noise sigma."""
    a, v, s = 300.0, 2.0, 5.0

    def decode(z: Tensor) -> Gaussians:
        place = torch.zeros(len(z), 1, 3) + z[:, None] * torch.tensor([v, 0.0, 0.0])
        return Gaussians(place, torch.full((1, 1), a), torch.full((1, 1), s))

    flat = CTF(defocus_u=0.0, defocus_v=0.0, spherical_aberration=0.0, amplitude_contrast=1.0)
    batch = batch_of(torch.eye(3)[None], ctf=flat)
    found = fisher_information(
        decode, batch, z=torch.zeros(1, 1), directions=torch.ones(1, 1), power=power_of(batch)
    )
    expected = (a * v) ** 2 / (8 * pi * s**4 * PIXEL_SIZE**4 * NOISE**2)
    assert float(found) == pytest.approx(expected, rel=2e-3)


def test_information_is_the_second_derivative_of_the_likelihood() -> None:
    method = Slider(SliderSettings(), slider_problem(4)).double()
    rotation = random_rotations(4, generator=torch.Generator().manual_seed(1))
    ctf = CTF(defocus_u=torch.tensor([9e3, 1e4, 1.2e4, 2e4]), defocus_v=torch.tensor([9e3, 9e3, 1e4, 2e4]))
    batch = batch_of(rotation, ctf=ctf, shift=torch.randn(4, 2, generator=torch.Generator().manual_seed(2)))
    z = torch.tensor([[0.0, 0.0], [1.0, -1.0], [0.5, 2.0], [-1.0, 0.3]], dtype=torch.float64)
    directions = torch.tensor([[0.5, 0.1], [-0.2, 0.8]], dtype=torch.float64)
    power = power_of(batch)
    with torch.no_grad():
        truth = render_batch(method.decode(z), batch)

        def loss(first: float, second: float) -> Tensor:
            place = z + first * directions[0] + second * directions[1]
            predicted = render_batch(method.decode(place), batch)
            return whitened_likelihood(predicted, truth, power=power, disk=batch.disk)

        h = 0.01
        expected = torch.empty(4, 2, 2, dtype=torch.float64)
        expected[:, 0, 0] = (loss(h, 0) + loss(-h, 0)) / h**2
        expected[:, 1, 1] = (loss(0, h) + loss(0, -h)) / h**2
        mixed = (loss(h, h) + loss(-h, -h) - loss(h, -h) - loss(-h, h)) / (4 * h**2)
        expected[:, 0, 1] = expected[:, 1, 0] = mixed
    found = fisher_information(method.decode, batch, z=z, directions=directions, power=power)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * scale)


def test_gain_is_that_of_the_gaussian_posterior() -> None:
    generator = torch.Generator().manual_seed(0)
    root, slopes = (torch.randn(3, n, generator=generator, dtype=torch.float64) for n in (3, 5))
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    prior = root.T @ root
    posterior = torch.linalg.inv(torch.linalg.inv(prior) + slopes @ slopes.T)
    along = root @ slopes  # directions are rows of the root
    found = latent_gain((along @ along.T)[None], root, axis)
    assert float(found) == pytest.approx(1 - float(axis @ posterior @ axis) / float(axis @ prior @ axis))


def test_a_motion_seen_end_on_is_not_seen(run: Run, tmp_path: Path) -> None:
    with redirect_stdout(StringIO()) as said:
        assert command(["observability", str(run.path), "-o", str(tmp_path / "o")]) == 0
    assert "20 of 40 particles (50.0 %)" in said.getvalue()
    with (tmp_path / "o" / "observability.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["particle"]) for row in rows] == list(range(40))
    share = np.array([float(row["share"]) for row in rows]).reshape(4, PER_VIEW)
    end_on = np.array([[name.endswith("y")] * PER_VIEW for name in VIEWS])
    assert share[end_on].max() < 1e-4
    assert share[~end_on].min() > 0.8
    flags = np.array([row["unobservable"] == "1" for row in rows]).reshape(4, PER_VIEW)
    np.testing.assert_array_equal(flags, end_on)
    sd = np.array([float(row["sd"]) for row in rows]).reshape(4, PER_VIEW)
    spread = run.latents().mean[:, 0].std() * 2**0.5  # of the latent along (1, 1) / sqrt(2)
    assert sd[end_on].min() > 50 * spread
    np.testing.assert_allclose(share[~end_on], spread**2 / (spread**2 + sd[~end_on] ** 2), rtol=1e-3)
    assert {float(row["encoder_sd"]) for row in rows} == {0.0}
    assert (tmp_path / "o" / "observability.png").stat().st_size > 10_000


def test_noise_before_the_window_and_the_prior_of_the_posteriors_count(run: Run) -> None:
    """Half of the noise gone with the window halves the information; uncertain latents widen the prior."""
    method, latents = run.method(), run.latents()
    images = open_particles(run.recipe.data)
    plain = observability(method, images, latents, problem=run.problem(), count=4)
    assert plain.particle.tolist() == [0, 13, 26, 39]
    windowed = observability(
        method, images, latents, problem=replace(run.problem(), window_share=0.5), count=4
    )
    seen = ~plain.unobservable
    np.testing.assert_allclose(windowed.sd[seen], 2**0.5 * plain.sd[seen], rtol=1e-3)
    wide = Latents(latents.index, latents.mean, np.tile(np.eye(2, dtype=np.float32), (len(latents), 1, 1)))
    vague = observability(method, images, wide, problem=run.problem(), count=4)
    assert vague.prior == pytest.approx(plain.prior + 1.0, rel=1e-5)
    np.testing.assert_allclose(vague.encoder_sd, 1.0, rtol=1e-6)


def test_refined_poses_are_used(run: Run) -> None:
    """A quarter turn about x takes the view along y to one across it."""
    images, latents = open_particles(run.recipe.data), run.latents()
    method = Slider(SliderSettings(), slider_problem(len(latents)))
    last = len(latents) - 1  # seen along -y
    before = observability(method, images, latents, problem=run.problem())
    with torch.no_grad():
        method.poses.rows.weight[last, 0] = 1.0
        method.poses.rows.weight[last, 1] = 0.0
    after = observability(method, images, latents, problem=run.problem())
    assert bool(before.unobservable[last])
    assert abs(float(after.view[last, 1])) < 1e-6
    assert not after.unobservable[last]


def test_every_method_with_latents_has_it(trained: Run, tmp_path: Path) -> None:
    """The toy's views are all alike, and its density is on a grid."""
    found, folder = write_observability(trained.path, output=tmp_path / "o", count=7)
    assert folder == tmp_path / "o"
    assert len(found) == 7
    assert np.ptp(found.view, axis=0).max() == 0.0
    assert found.share.min() > 0.5


def test_what_cannot_be(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found 0 particles; wanted at least 1"):
        write_observability(run.path, output=tmp_path / "o", count=0)
    latents = run.latents()
    same = Latents(latents.index, 0 * latents.mean, latents.covariance)
    with pytest.raises(InputError, match="latents that are all alike"):
        observability(run.method(), open_particles(run.recipe.data), same, problem=run.problem())
