"""Latents that are given: a density that follows the truth, files of all kinds, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimorph
from trimorph.cli.train import parse
from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import write_latents as write_pickle
from trimorph.data.mrc import read_map
from trimorph.data.simulate import Simulation
from trimorph.methods.field import FieldSettings
from trimorph.run.given_latents import read_given, with_given_latents
from trimorph.run.recipe import Recipe
from trimorph.run.start import StartSettings
from trimorph.training.checkpoint import checkpoints, load_checkpoint

COUNT, BOX = 160, 18


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    folder = tmp_path_factory.mktemp("given")
    return trimorph.simulate(
        "adk", folder / "adk", count=COUNT, box=BOX, pixel_size=7.0, snr=2.0, voxels=True
    )


@pytest.fixture(scope="module")
def true_latents(made: Simulation) -> np.ndarray:
    truth = made.truth.coordinate
    return ((truth - truth.mean()) / truth.std())[:, None].astype(np.float32)


def recipe(made: Simulation, latents: Path | None, *, first: int | None = None, **settings: Any) -> Recipe:
    small = {"epochs": 12, "width": 64, "layers": 1, "learning_rate": 3e-3, "coarse_to_fine": False}
    return Recipe(
        method="field",
        data=trimorph.ParticleInput(particles=made.star, first=first),
        settings=FieldSettings(**small | settings),
        training=trimorph.TrainingSettings(batch_size=20, precision="float32", checkpoint_every=4),
        start=StartSettings(latents_from=latents),
    )


@pytest.fixture(scope="module")
def run(made: Simulation, true_latents: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> trimorph.Run:
    folder = tmp_path_factory.mktemp("run")
    np.save(folder / "z.npy", true_latents)
    return trimorph.train(recipe(made, folder / "z.npy"), folder / "run")


def change(maps: np.ndarray) -> np.ndarray:
    return np.asarray(maps[-1] - maps[0]).ravel()


def test_density_follows_latents_that_it_is_given(
    made: Simulation, true_latents: np.ndarray, run: trimorph.Run
) -> None:
    """What differs between the densities at both ends is what differs between the true maps there."""
    assert made.states is not None
    maps = sorted(made.states.glob("*.mrc"))
    true = np.stack([read_map(maps[0]).values, read_map(maps[-1]).values])
    ends = [true_latents[made.truth.state == state][:1] for state in (0, len(maps) - 1)]
    found = run.volume(np.concatenate(ends))
    assert np.corrcoef(change(found), change(true))[0, 1] > 0.75


def test_latents_stay_as_they_are(true_latents: np.ndarray, run: trimorph.Run) -> None:
    np.testing.assert_array_equal(run.latents().mean, true_latents)
    assert not run.latents().covariance.any()
    assert run.recipe.settings.latent_dim == 1
    assert run.recipe.settings.encoder == "given"
    state = load_checkpoint(checkpoints(run.path / "checkpoints")[-1])
    assert not [name for name in state["model"] if "latents" in name]  # the problem has them


def test_a_run_of_a_run_has_its_latents_and_goes_on(
    made: Simulation, true_latents: np.ndarray, run: trimorph.Run, tmp_path: Path
) -> None:
    again = trimorph.train(recipe(made, run.path, epochs=5), tmp_path / "again")
    np.testing.assert_array_equal(again.latents().mean, true_latents)
    assert again.recipe.start.latents_from == run.path / "latents" / "0012.npz"
    (again.path / "checkpoints" / "0005.pt").unlink()
    before = again.metrics()[-1]["terms"]
    assert trimorph.resume(again.path).metrics()[-1]["terms"] == pytest.approx(before)


@pytest.mark.parametrize("name", ["z.npz", "mean.npz", "z.npy", "z.pkl"])
def test_files_of_latents(tmp_path: Path, name: str) -> None:
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    path = tmp_path / name
    if path.suffix == ".npz":
        np.savez(path, **{path.stem: z})
    elif path.suffix == ".npy":
        np.save(path, z)
    else:
        write_pickle(z, path, log_variance=z)
    np.testing.assert_array_equal(read_given(path), z)


def test_the_command_line_needs_no_encoder(made: Simulation, run: trimorph.Run, tmp_path: Path) -> None:
    asked, output, _ = parse(
        ["segments", str(made.star), "--latents-from", str(run.path), "-o", str(tmp_path / "out")]
    )
    settings = with_given_latents(asked).settings
    assert (settings.encoder, settings.latent_dim, output) == ("given", 1, tmp_path / "out")


def test_what_is_refused(made: Simulation, run: trimorph.Run, tmp_path: Path) -> None:
    def refused(match: str, path: Path | None, **changes: Any) -> None:
        with pytest.raises((InputError, FileNotFoundError), match=match):
            trimorph.train(recipe(made, path, **changes), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def saved(values: np.ndarray) -> Path:
        np.save(tmp_path / "z.npy", values)
        return tmp_path / "z.npy"

    z = np.zeros((COUNT, 2))
    refused("without latents", None, encoder="given")
    refused(r"latents of 159 particles; wanted 160, as many as are in use of .*adk.star", saved(z[1:]))
    refused(r"components; wanted 3, as --latent-dim says", saved(z), latent_dim=3)
    refused("together with the encoder pixels", saved(z), encoder="pixels")
    refused(r"shape \(160,\)", saved(z[:, 0]))
    z[7, 1] = np.nan
    refused(r"not finite in row 7 \(1 such\)", saved(z))
    refused("found nothing", tmp_path / "none.npy")
    refused("no recipe.toml", tmp_path)
    np.savez(tmp_path / "z.npz", other=z)
    refused("found the arrays other", tmp_path / "z.npz")


def test_latents_of_other_particles(made: Simulation, run: trimorph.Run, tmp_path: Path) -> None:
    lines = made.star.read_text().splitlines()
    rows = [number for number, line in enumerate(lines) if "@" in line]
    lines[rows[3]], lines[rows[9]] = lines[rows[9]], lines[rows[3]]
    other = made.star.with_name("other.star")
    other.write_text("\n".join(lines) + "\n")
    asked = recipe(made, run.path)
    asked = replace(asked, data=trimorph.ParticleInput(particles=other))
    message = r"row 3 is image 4 of adk.mrcs, here image 10 of adk.mrcs \(2 such\)"
    with pytest.raises(InputError, match=message):
        trimorph.train(asked, tmp_path / "run")


def test_a_method_that_finds_its_own(made: Simulation, run: trimorph.Run) -> None:
    from trimorph.methods.linear import LinearSettings

    asked = replace(recipe(made, run.path), method="linear", settings=LinearSettings())
    with pytest.raises(InputError, match="for the method linear, which finds its own"):
        with_given_latents(asked)
