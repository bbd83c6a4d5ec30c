"""The main job on images that other programs recorded and described."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import trimorph
from trimorph.cli.main import run
from trimorph.data.mrc import read_map
from trimorph.data.tables import TableWarning
from trimorph.methods import linear

Shared = Callable[[str], Path]
PIXEL_SIZE = 14.56


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        yield


@pytest.fixture
def tilt_images(shared: Shared) -> list[str]:
    """Command-line words for 219 images of ribosomes whose star names another stack and pixel size."""
    stack = shared("cryoet/ay19102021_L3_position6_ribo_bin8.mrcs")
    star = shared("cryoet/sta_testing_bin8.star")
    return [str(star), "--stack", str(stack), "--source-pixel-size", str(PIXEL_SIZE)]


def test_tilt_images_without_the_overrides_are_refused(
    tilt_images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reconstruct", tilt_images[0], "-o", str(tmp_path / "maps")]) == 1
    said = capsys.readouterr().err
    for part in ("ribo_it09_bin8_1.82A.mrcs", "not found", "Looked for", "--stack"):
        assert part in said
    assert not (tmp_path / "maps").exists()


def test_info_names_what_disagrees(tilt_images: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", *tilt_images]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "64 px of 14.56 Å",
        "protein is bright",
        "the file says pixels of 1.96 Å; 14.56 Å is used",
        "the header says pixels of 1 Å",
        "has 220 images, and sta_testing_bin8.star names 219",
        "rlnCtfBfactor is never positive",
    ):
        assert part in said


def test_ribosomes_are_bright_centred_and_230_angstrom_across(tilt_images: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    assert run(["reconstruct", *tilt_images, "-o", str(folder)]) == 0
    density, pixel_size, _ = read_map(folder / "run_class001.mrc")
    assert pixel_size == pytest.approx(PIXEL_SIZE)
    assert contrast(density, pixel_size) > 4
    assert np.linalg.norm(centre(density, pixel_size)) < 25
    # a 70S ribosome simulated with the same poses and CTF measures 194 and 225 Å
    assert width(density, pixel_size, level=0.5) == pytest.approx(190, abs=20)
    assert width(density, pixel_size, level=0.25) == pytest.approx(230, abs=20)
    curves = np.genfromtxt(folder / "fsc.csv", delimiter=",", names=True)
    assert (curves["corrected"][1:5] > 0.7).all()
    assert curves["unmasked"][3] > 0.3  # the shell that the particle's size is largest in
    assert np.abs(curves["unmasked"][10:]).max() < 0.15


def test_field_trains_from_the_star_file_to_maps(
    tilt_images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        linear, "IMAGES_SHOWN", 2000
    )  # ribosomes that differ little: no modes to look for long
    folder = tmp_path / "run"
    small = ["--box", "32", "--latent-dim", "2", "--epochs", "5", "--width", "32", "--encoder-width", "32"]
    assert run(["train", "field", *tilt_images, "-o", str(folder), *small]) == 0
    assert run(["volumes", str(folder), "--kmeans", "2", "-o", str(tmp_path / "maps")]) == 0
    opened = trimorph.Run.open(folder)
    assert opened.latents().mean.shape == (219, 2)
    likelihood = [line["terms"]["likelihood"] for line in opened.metrics() if line["kind"] == "epoch"]
    assert all(0.4 < value < 0.6 for value in likelihood)  # half a unit a pixel: images are mostly noise
    for number in (1, 2):
        density, pixel_size, _ = read_map(tmp_path / "maps" / f"vol_{number:03d}.mrc")
        assert contrast(density, pixel_size) > 3.5
        assert width(density, pixel_size, level=0.25) == pytest.approx(230, abs=25)


def test_relion_30_and_31_reconstruct_one_map(shared: Shared) -> None:
    """Origins are the same numbers in pixels and Å, and row 15 has another pose: the rest must agree."""
    stack = shared("particles/aspire_sample.mrcs")
    maps = []
    for version, pixel_size in (("30", 1.4), ("31", None)):
        table = trimorph.read_particles(
            shared(f"particles/aspire_sample_particles_relion{version}.star"),
            stack_path=stack,
            pixel_size=pixel_size,
        ).select(np.arange(17) != 14)
        maps.append(trimorph.reconstruct(trimorph.ParticleStack(table, pixel_size=5.6, window=False)).map)
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.9995
    assert contrast(maps[0], 5.6, inner=50, outer=(100, 130)) > 3


def test_images_of_dark_protein_are_found_out(shared: Shared) -> None:
    """The .cs file says by its sign what the star file cannot: stored images have dark protein."""
    stack = shared("particles/empiar_10076_7.mrcs")
    described = {
        kind: trimorph.describe(trimorph.ParticleInput(shared(f"particles/empiar_10076_7.{kind}"), stack))
        for kind in ("star", "cs")
    }
    assert {kind: info.sign.verdict for kind, info in described.items() if info.sign} == {
        "star": "dark",
        "cs": "bright",
    }
    assert any("--invert" in remark for remark in described["star"].remarks)
    assert not any("--invert" in remark for remark in described["cs"].remarks)
    assert described["star"].missing == described["cs"].missing == ("poses",)


def test_particles_of_one_half_set_are_not_reconstructed(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(shared("particles/relion31_filaments.star"))]
    words += ["--stack", str(shared("particles/relion31_filaments.mrcs")), "-o", str(tmp_path / "maps")]
    assert run(["reconstruct", *words]) == 1
    assert "5 particles in half set 1, 0 in half set 2" in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def radii(box: int, pixel_size: float) -> NDArray[np.float64]:
    axis = (np.arange(box) - box // 2) * pixel_size
    return np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)


def contrast(
    density: NDArray[np.float32],
    pixel_size: float,
    *,
    inner: float = 100,
    outer: tuple[float, float] = (250, 400),
) -> float:
    """Mean within ``inner`` Å over that of the surroundings, in standard deviations of the latter."""
    radius = radii(len(density), pixel_size)
    around = density[(radius > outer[0]) & (radius < outer[1])]
    return float((density[radius < inner].mean() - around.mean()) / around.std())


def centre(density: NDArray[np.float32], pixel_size: float) -> NDArray[np.float64]:
    """Centre of mass in Å (z, y, x) of what exceeds half the highest value within 150 Å."""
    near = np.where(radii(len(density), pixel_size) < 150, density, 0.0)
    return (np.argwhere(near > near.max() / 2).mean(axis=0) - len(density) // 2) * pixel_size


def width(density: NDArray[np.float32], pixel_size: float, *, level: float) -> float:
    """Diameter in Å at which the radial mean has fallen to ``level`` of its value in the middle."""
    radius = radii(len(density), pixel_size)
    floor = density[(radius > 250) & (radius < 400)].mean()
    shells = [(radius >= start) & (radius < start + pixel_size) for start in np.arange(0, 400, pixel_size)]
    mean = np.array([density[shell].mean() for shell in shells]) - floor
    place = np.array([radius[shell].mean() for shell in shells])
    mean /= density[radius < 50].mean() - floor
    after = int(np.flatnonzero(mean < level)[0])
    return float(2 * np.interp(-level, -mean[after - 1 : after + 1], place[after - 1 : after + 1]))
