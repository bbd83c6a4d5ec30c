"""Latents of particles that a run was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trimorph
from trimorph.cli.main import run as call
from trimorph.core.errors import InputError
from trimorph.methods.field import FieldSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack of two halves, and a hardly trained model of its first half."""
    folder = tmp_path_factory.mktemp("halves")
    made = trimorph.simulate("uniform", folder / "stack", count=100, box=24, pixel_size=10.0, snr=1.0)
    recipe = trimorph.Recipe(
        method="field",
        data=trimorph.ParticleInput(particles=made.star, half=1),
        settings=FieldSettings(
            latent_dim=2, epochs=1, width=16, layers=1, encoder="pixels", encoder_width=16, encoder_layers=1
        ),
        training=trimorph.TrainingSettings(),
    )
    trimorph.train(recipe, folder / "run")
    return folder


def test_the_runs_own_half_is_encoded_as_in_training(folder: Path) -> None:
    own = trimorph.Run.open(folder / "run").latents()
    again = trimorph.encode(folder / "run", half=1)
    np.testing.assert_allclose(again.mean, own.mean, atol=1e-3 * np.abs(own.mean).max())
    np.testing.assert_allclose(again.covariance, own.covariance, rtol=1e-2)


def test_both_halves_are_all(folder: Path) -> None:
    """Particles of a file are encoded one by one, so halves are parts of the whole."""
    whole = trimorph.encode(folder / "run", folder / "stack.star")
    halves = [trimorph.encode(folder / "run", half=half) for half in (1, 2)]
    assert len(halves[1]) == 50
    found = np.sort(np.concatenate([part.mean[:, 0] for part in halves]))
    np.testing.assert_allclose(found, np.sort(whole.mean[:, 0]), atol=1e-3 * np.abs(found).max())


def test_on_the_command_line(folder: Path) -> None:
    call(["latents", str(folder / "run"), "-o", str(folder / "other.npy"), "--half", "2"])
    np.testing.assert_array_equal(np.load(folder / "other.npy"), trimorph.encode(folder / "run", half=2).mean)


def test_images_of_another_size(folder: Path) -> None:
    trimorph.simulate("uniform", folder / "large", count=4, box=32, pixel_size=8.0, snr=1.0)
    with pytest.raises(InputError, match=r"large.star: found 32 pixels of 8 Å; wanted 24 of 10 Å"):
        trimorph.encode(folder / "run", folder / "large.star")


def test_what_cannot_be_encoded(folder: Path) -> None:
    with pytest.raises(InputError, match=r"run: found no particles to encode; wanted a file of others"):
        trimorph.encode(folder / "run")
    table = folder / "table"
    data = trimorph.ParticleInput(particles=folder / "stack.star")
    settings = FieldSettings(latent_dim=1, epochs=1, width=16, layers=1, encoder="none")
    trimorph.train(trimorph.Recipe("field", data, settings, trimorph.TrainingSettings()), table)
    with pytest.raises(InputError, match=r"table: found latents that are a table.*--encoder object"):
        trimorph.encode(table, half=2)
