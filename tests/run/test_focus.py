"""A mask that the user gives: read, checked, put on the images' grid, and used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trimorph.cli.train import parse
from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.data.open import ParticleInput
from trimorph.methods.linear import LinearSettings
from trimorph.reconstruction.mask import spherical_mask
from trimorph.run.focus import FocusSettings, focus_mask
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.train import resume, train
from trimorph.training.settings import TrainingSettings

BOX, PIXEL_SIZE = 16, 4.0
"""The images of the particle file of these tests."""
WANTED = frozenset({"mean", "mask", "half"})


def _write(path: Path, values: NDArray[Any], pixel_size: float = PIXEL_SIZE) -> FocusSettings:
    write_map(path, values, pixel_size)
    return FocusSettings(path)


def _read(focus: FocusSettings, **changed: Any) -> NDArray[np.float32] | None:
    return focus_mask(focus, **{"wanted": WANTED, "box": BOX, "pixel_size": PIXEL_SIZE, **changed})


def test_none_given() -> None:
    assert _read(FocusSettings()) is None
    assert _read(FocusSettings(), wanted=frozenset()) is None


def test_mask_on_the_images_grid_is_taken_as_it_is(tmp_path: Path) -> None:
    ball = spherical_mask(BOX, radius=4.0, edge=2.0)
    found = _read(_write(tmp_path / "mask.mrc", ball))
    assert found is not None
    np.testing.assert_allclose(found, ball, atol=1e-6)


@pytest.mark.parametrize("box", [24, 32, 64, 13])
def test_other_voxels_of_the_same_box(tmp_path: Path, box: int) -> None:
    """A ball of 20 Å with an edge of 12 Å about the origin, drawn with other voxels."""
    size = BOX * PIXEL_SIZE / box
    ball = spherical_mask(box, radius=20 / size, edge=12 / size)
    found = _read(_write(tmp_path / "mask.mrc", ball, round(size, 2)))
    assert found is not None
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_allclose(found, spherical_mask(BOX, radius=5.0, edge=3.0), atol=0.06)


@pytest.mark.parametrize(
    ("values", "pixel_size", "parts"),
    [
        (np.zeros((16, 16, 16)), 4.0, ["found all zeros", "1 where the density may vary", "soft edge"]),
        (np.full((16, 16, 16), 7.0), 4.0, ["values from 7 to 7", "mask from 0 to 1", "Is it a map?"]),
        (np.linspace(-1, 1, 4096).reshape(16, 16, 16), 4.0, ["values from -1 to 1", "threshold"]),
        (
            np.ones((16, 16, 16)),
            3.0,
            ["16 x 16 x 16 voxels of 3 Å, 48.0 Å a side", "cube of 64.0 Å", "Pad or"],
        ),
        (np.ones((16, 16, 12)), 4.0, ["16 x 16 x 12 voxels", "wanted a cube of 64.0 Å", "16 pixels of 4 Å"]),
        (np.full((16, 16, 16), np.nan), 4.0, ["4096 voxels that are NaN"]),
    ],
)
def test_what_is_no_mask_of_these_images(
    tmp_path: Path, values: NDArray[Any], pixel_size: float, parts: list[str]
) -> None:
    focus = _write(tmp_path / "mask.mrc", values, pixel_size)
    with pytest.raises(InputError) as caught:
        _read(focus)
    for part in ["mask.mrc: found", *parts]:
        assert part in str(caught.value)


def test_methods_without_modes_take_none(tmp_path: Path) -> None:
    focus = _write(tmp_path / "mask.mrc", np.ones((16, 16, 16)))
    with pytest.raises(
        InputError, match=r"a method that has no use for it.*Leave --mask out, or use the method linear"
    ):
        _read(focus, wanted=frozenset({"mean"}))
    assert _read(focus, wanted=frozenset({"mean", "modes"})) is not None


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.mrc"):
        _read(FocusSettings(tmp_path / "absent.mrc"))


def test_flag_and_recipe(tmp_path: Path) -> None:
    recipe, _ = parse(["linear", "particles.star", "-o", "run", "--mask", "focus.mrc"])
    assert recipe.focus == FocusSettings(Path("focus.mrc"))
    assert recipe.resolved().focus.mask == Path.cwd() / "focus.mrc"
    recipe.save(tmp_path / "recipe.toml")
    assert Recipe.load(tmp_path / "recipe.toml") == recipe
    assert recipe.differences(replace(recipe, focus=FocusSettings())) == {"focus.mask": ("focus.mrc", "none")}


def _recipe(star: Path, mask: Path | None) -> Recipe:
    return Recipe(
        "linear",
        ParticleInput(particles=star, diameter=40.0, window=False),
        LinearSettings(modes=1, epochs=1),
        TrainingSettings(batch_size=40),
        FocusSettings(mask),
    )


def test_run_stays_inside_its_mask(star: Path, tmp_path: Path) -> None:
    half = np.zeros((BOX, BOX, BOX), np.float32)
    half[:, :, :7] = 1.0
    write_map(tmp_path / "half.mrc", half, PIXEL_SIZE)
    run = train(_recipe(star, tmp_path / "half.mrc"), tmp_path / "run")
    log = (run.path / "log.txt").read_text()
    assert f"modes may vary within {tmp_path / 'half.mrc'}, 43.8 % of the box" in log
    assert "% of the directions in Fourier space are seen by hardly any of the 120 views" in log
    method: Any = Run.open(run.path).method()
    mode = method.densities()[0].detach().square()
    assert all(bool(value.isfinite().all()) for value in method.state_dict().values())
    assert np.isfinite(run.latents().mean).all()
    place = method.mask > 0.5
    assert 0.3 < float(place.float().mean()) < 0.6
    assert float(mode[place].sum() / mode.sum()) > 0.95
    assert str(tmp_path / "half.mrc") in (run.path / "provenance.json").read_text()
    write_map(tmp_path / "half.mrc", 1 - half, PIXEL_SIZE, overwrite=True)
    with pytest.raises(InputError, match=r"half\.mrc: found a file that has changed"):
        resume(run.path)


def test_a_wrong_mask_leaves_no_folder(star: Path, tmp_path: Path) -> None:
    write_map(tmp_path / "mask.mrc", np.zeros((BOX, BOX, BOX)), PIXEL_SIZE)
    with pytest.raises(InputError, match="all zeros"):
        train(_recipe(star, tmp_path / "mask.mrc"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
