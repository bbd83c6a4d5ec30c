"""A mask that the user gives: read, checked, put on the images' grid, and used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import trimorph.data
from trimorph.cli.train import parse
from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.data.open import ParticleInput
from trimorph.data.residues import read_residues
from trimorph.methods.linear import LinearSettings
from trimorph.reconstruction.mask import spherical_mask
from trimorph.run.export_latents import write_latents
from trimorph.run.focus import FocusSettings, focus_mask, mask_around, movable_gaussians, unit_mask
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
    recipe, *_ = parse(["linear", "particles.star", "-o", "run", "--mask", "focus.mrc"])
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


RESIDUES = read_residues(Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb")
MOVING = frozenset({"mean", "mask", "points", "movable"})


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_chains_and_numbers_name_what_may_move(tmp_path: Path) -> None:
    numbers = _file(tmp_path / "numbers.txt", "125 3\n3 121")
    assert movable_gaussians(FocusSettings(), frozenset(), None) is None
    by_number = movable_gaussians(FocusSettings(gaussians=numbers), MOVING, None)
    assert by_number is not None
    assert by_number.tolist() == [3, 121, 125]
    by_chain = movable_gaussians(FocusSettings(chains="A:122-159"), MOVING, RESIDUES)
    assert by_chain is not None
    assert by_chain.tolist() == list(range(121, 159))
    both = movable_gaussians(FocusSettings(chains="A:122-159", gaussians=numbers), MOVING, RESIDUES)
    assert both is not None
    assert both.tolist() == [121, 125]


def test_what_names_nothing_that_could_move(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([2, -1]))
    few = FocusSettings(gaussians=_file(tmp_path / "few.txt", "0 1"))
    for focus, wanted, residues, message in [
        (FocusSettings(chains="A"), MOVING, None, r'--chains "A" without a structure.*Pass --structure'),
        (FocusSettings(chains="Q"), MOVING, RESIDUES, r'--chains: found no atom for "Q"; its chains are A'),
        (FocusSettings(chains="A"), WANTED, None, r"Found --chains for a method that has no Gaussians"),
        (few, WANTED, None, r"Found --gaussians for a method.*use the method gaussians"),
        (replace(few, chains="A:122-159"), MOVING, RESIDUES, r'few.txt: found no Gaussian of the chains "A'),
        (
            FocusSettings(gaussians=_file(tmp_path / "far.txt", "7 300")),
            MOVING,
            RESIDUES,
            r"far.txt: found the number 300; wanted 0 to 213, as the structure has 214 residues",
        ),
        (
            FocusSettings(gaussians=_file(tmp_path / "no.txt", "")),
            MOVING,
            None,
            r"no.txt: found none; wanted",
        ),
        (
            FocusSettings(gaussians=tmp_path / "m.npy"),
            MOVING,
            None,
            r"m.npy: found -1; wanted numbers",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            movable_gaussians(focus, wanted, residues)


def test_the_mask_of_an_asymmetric_unit() -> None:
    grid: dict[str, Any] = {"box": BOX, "pixel_size": PIXEL_SIZE, "radius": 24.0}
    found = unit_mask(FocusSettings(), "C2", **grid)
    assert found is not None
    assert found[8, 8, 12] == 1.0  # 16 Å along x
    assert found[8, 8, 4] == 0.0
    assert found[8, 12, 8] == 0.5  # on the plane
    assert found[8, 8, 15] == 0.0  # beyond the particle
    turned = unit_mask(FocusSettings(unit_direction=(0.0, -1.0, 0.0)), "C2", **grid)
    assert turned is not None
    assert (turned[8, 4, 8], turned[8, 12, 8]) == (1.0, 0.0)
    assert unit_mask(FocusSettings(), "C1", **grid) is None
    with pytest.raises(InputError, match=r"Found --unit-direction without a symmetry.*Pass --symmetry"):
        unit_mask(FocusSettings(unit_direction=(1.0, 0.0, 0.0)), "C1", **grid)


def test_a_mask_around_points() -> None:
    """1 to 8 Å of a point, and 0 from an edge of four pixels on."""
    found = mask_around(np.array([[-16.0, 4.0, 0.0]]), box=BOX, pixel_size=PIXEL_SIZE)
    assert found[8, 9, 4:12].tolist() == [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert found[8, 7:13, 4].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 0.75]


def test_flags_of_symmetry_and_focus(tmp_path: Path) -> None:
    words = ["gaussians", "p.star", "-o", "run", "--symmetry", "D2", "--unit-direction", "1", "0.5", "1"]
    words += ["--chains", "A:3-9,B", "--gaussians", "g.txt", "--structure", "model.cif"]
    recipe, *_ = parse(words)
    assert recipe.data.symmetry == "D2"
    assert recipe.focus == FocusSettings(None, "A:3-9,B", Path("g.txt"), (1.0, 0.5, 1.0))
    assert recipe.resolved().files == (Path.cwd() / "g.txt", Path.cwd() / "model.cif")
    recipe.save(tmp_path / "recipe.toml")
    assert Recipe.load(tmp_path / "recipe.toml") == recipe


def test_a_run_with_symmetry_has_a_latent_for_every_copy(star: Path, tmp_path: Path) -> None:
    recipe = _recipe(star, None)
    recipe = replace(recipe, data=replace(recipe.data, symmetry="C2"))
    run = train(recipe, tmp_path / "run")
    log = (run.path / "log.txt").read_text()
    assert "240 particles" in log
    assert "modes may vary within one asymmetric unit of C2" in log
    method: Any = Run.open(run.path).method()
    middle = len(method.mask) // 2
    assert float(method.mask[..., : middle - 1].max()) < 0.1 < float(method.mask[..., middle + 1 :].max())
    table = write_latents(run.path, tmp_path / "z.csv").read_text().splitlines()
    assert table[0].startswith("particle,copy,z_1")
    assert [line.split(",")[:2] for line in table[1:4]] == [["0", "0"], ["0", "1"], ["1", "0"]]
    assert len(table) == 241


def test_a_wrong_focus_leaves_no_folder(star: Path, tmp_path: Path) -> None:
    recipe = replace(_recipe(star, None), focus=FocusSettings(chains="A"))
    with pytest.raises(InputError, match="Found --chains for a method that has no Gaussians"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
