"""The bias check: density that follows a structure is told from one that does not."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimorph
from run.hinge_run import BOX, PIXEL_SIZE, write_hinge_run, write_particles, write_structure
from trimorph.cli.main import run as call
from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map
from trimorph.data.template import Template
from trimorph.methods import registry
from trimorph.methods.field import FieldSettings
from trimorph.reconstruction import write
from trimorph.run import bias_density
from trimorph.run.bias import BiasReport, check_bias, train_for_check
from trimorph.run.bias_follow import band, followed
from trimorph.run.bias_perturbed import bend, compare_perturbed

SPREAD = 0.4
"""Radians that a latent of one stands for."""

Made = tuple[Path, Path, np.ndarray]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """A method with a known motion, and a density that is trained in seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "hinge", "methods.known_hinge:KnownHinge")
        patch.setattr(bias_density, "FieldSettings", _tiny)
        for name in ("draw_fsc", "draw_map"):  # pictures of other tests
            patch.setattr(write, name, lambda *values, **options: None)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Particles of a hinge, its neutral structure, and the latents that are true of them."""
    folder = tmp_path_factory.mktemp("hinge")
    star, angle = write_particles(folder, count=200, snr=1.0)
    return star, write_structure(folder), angle / SPREAD


@pytest.fixture(scope="module")
def run(made: Made, tmp_path_factory: pytest.TempPathFactory) -> trimorph.Run:
    star, structure, latents = made
    folder = tmp_path_factory.mktemp("run") / "run"
    return write_hinge_run(folder, star, structure, latents=latents, scale=SPREAD)


@pytest.fixture(scope="module")
def report(run: trimorph.Run) -> BiasReport:
    return check_bias(run.path, epochs=2)


def _tiny(**settings: Any) -> FieldSettings:
    return FieldSettings(**settings | {"width": 32, "layers": 1, "coarse_to_fine": False})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_density_that_follows_is_called_so(report: BiasReport) -> None:
    still, moving = report.verdicts
    assert moving.word == "density follows"
    assert moving.particles.share == pytest.approx(1.0, abs=max(0.1, 3 * moving.particles.error))
    assert moving.particles.error < 0.15
    assert moving.name == "A:130-214"
    assert still.word == "too weak to say"
    assert still.motion == 0.0
    assert any(line.startswith("A:130-214: density follows. Of its change (") for line in report.lines)


def test_latents_of_other_particles_are_called_biased(made: Made, tmp_path: Path) -> None:
    """The structure moves as far as before, and no particle with it."""
    star, structure, latents = made
    permuted = np.random.default_rng(1).permutation(latents)
    run = write_hinge_run(tmp_path / "run", star, structure, latents=permuted, scale=SPREAD)
    report = check_bias(run.path, epochs=2)
    moving = report.verdicts[1]
    assert moving.word == "density stays: bias"
    assert abs(moving.particles.share) < 0.2
    assert moving.moved_correlation < moving.unmoved_correlation
    assert report.along.gain(1) < 0.02


def test_the_moving_part_gets_sharp(report: BiasReport, made: Made) -> None:
    along = report.along
    assert along.gain(1) > 0.03
    whole = rows(report.folder / "maps" / "segments_fsc.csv")
    assert [row["part"] for row in whole] == ["all", "A:1-129", "A:130-214"]
    assert float(whole[2]["resolution_along_0.5"]) < float(whole[2]["resolution_ordinary_0.5"])
    written = read_map(report.folder / "maps" / "run_class001.mrc").values
    np.testing.assert_allclose(written, along.along.map, rtol=1e-6, atol=0)


def test_what_is_written_says_the_same(report: BiasReport, run: trimorph.Run) -> None:
    residues = rows(report.folder / "residues.csv")
    assert len(residues) == 214
    followed_there = [float(row["followed"]) for row in residues if float(row["motion"]) > 15]
    assert np.median(followed_there) == pytest.approx(np.median(report.compared.shares[-30:]), abs=0.2)
    verdicts = [row["verdict"] for row in rows(report.folder / "segments.csv")]
    assert verdicts == [one.word for one in report.verdicts]
    assert (report.folder / "bias.txt").read_text().splitlines() == list(report.lines)
    attributes = (report.folder / "bias.defattr").read_text()
    assert attributes.count("attribute: trimorph_") == 3
    states = Template.read(report.folder / "structure.cif")  # its first model is the start
    moved = states.position - Template.read(run.recipe.start.structure or Path()).position
    z = np.percentile(run.latents().mean, 5) * SPREAD
    assert np.sqrt((moved**2).sum(1)).max() > 10
    assert z < -0.5
    values, size, origin = read_map(report.folder / "structure_start.mrc")
    assert (len(values), size, origin) == (BOX, PIXEL_SIZE, (0.0, 0.0, 0.0))
    heavy = np.argwhere(values > 0.6 * values.max())[:, ::-1] * PIXEL_SIZE
    assert np.linalg.norm(heavy[:, None] - states.position, axis=-1).min(1).max() < 2 * PIXEL_SIZE


def test_runs_are_taken_up(run: trimorph.Run, report: BiasReport, tmp_path: Path) -> None:
    work = report.folder.with_name("bias_runs")
    before = (work / "density" / "checkpoints" / "0002.pt").stat().st_mtime_ns
    (tmp_path / "bias_runs").symlink_to(work)
    density, other = train_for_check(run.path, epochs=2, output=tmp_path / "bias")
    assert other is None
    assert density.checkpoint().stat().st_mtime_ns == before
    with pytest.raises(InputError, match=r"settings\.epochs = 3, was 2"):
        train_for_check(run.path, epochs=3, output=tmp_path / "bias")
    with pytest.raises(FileExistsError, match="bias check"):
        check_bias(run.path, epochs=2)


def test_reconstruct_along_on_the_command_line(
    made: Made, run: trimorph.Run, report: BiasReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reconstruct", str(made[0]), "-o", str(tmp_path / "maps"), "--along", str(run.path)]
    assert call(words) == 0
    assert "A:130-214" in capsys.readouterr().out
    for name in ("run_class001.mrc", "ordinary/run_class001.mrc"):
        found, wanted = (
            read_map(folder / name).values for folder in (tmp_path / "maps", report.folder / "maps")
        )
        np.testing.assert_array_equal(found, wanted)
    assert call(words) == 1
    assert "run_half1_class001_unfil.mrc there already" in capsys.readouterr().err
    words[3] = str(tmp_path / "others")
    assert call([*words, "--first", "10"]) == 1
    assert "found 200 particles in the run, and 10 here" in capsys.readouterr().err


def test_another_start_that_finds_the_same(made: Made, run: trimorph.Run, tmp_path: Path) -> None:
    """A run with the same motion, and one that moves half as far for the same particles, in the other way."""
    star, structure, latents = made
    half = write_hinge_run(tmp_path / "half", star, structure, latents=-0.5 * latents, scale=SPREAD)
    same = compare_perturbed(run, run, epoch=None)
    assert same.angle == pytest.approx(0.0, abs=0.1)
    assert same.left == 0.0
    np.testing.assert_allclose(same.correlation[150:], 1.0)
    other = compare_perturbed(run, half, epoch=None)
    assert other.angle > 150
    assert other.motion[1] == pytest.approx(0.5 * other.motion[0], rel=0.15)
    assert np.nanmedian(other.correlation) < -0.9


def test_a_bent_structure_is_smooth() -> None:
    place = Template.read(Path(trimorph.__file__).parent / "data" / "examples" / "adk_open.pdb").position
    moved = bend(place, rmsd=3.0, seed=2)
    assert np.sqrt((moved**2).sum(1).mean()) == pytest.approx(3.0)
    apart, change = (
        np.linalg.norm(np.diff(place, axis=0), axis=1),
        np.linalg.norm(np.diff(moved, axis=0), axis=1),
    )
    assert float((change / apart).max()) < 0.6
    assert float(np.median(change / apart)) < 0.3
    assert not np.allclose(moved, bend(place, rmsd=3.0, seed=3))


def test_the_error_is_that_of_chance() -> None:
    """Of many changes in smooth noise, the share is off by its error."""
    generator = np.random.default_rng(0)
    axis = np.arange(20) - 10
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    region = (x**2 + y**2 + z**2 < 49).astype(float)
    template = x * np.exp(-(x**2 + y**2 + z**2) / 8)
    off = []
    for _ in range(40):
        noise = generator.normal(size=template.shape)
        smooth = np.fft.irfftn(
            np.fft.rfftn(noise) * np.abs(np.fft.rfftn(np.exp(-(x**2 + y**2 + z**2) / 4))),
            s=noise.shape,
            axes=(0, 1, 2),
        )
        found = followed(0.7 * template + 0.02 * smooth, template, region, margin=2.0)
        off.append((found.share - 0.7) / found.error)
    assert 0.6 < np.std(off) < 1.6


def test_what_cannot_be_checked(run: trimorph.Run, made: Made, tmp_path: Path) -> None:
    plain = trimorph.train(
        replace(
            run.recipe,
            method="field",
            settings=FieldSettings(epochs=1, width=8, layers=1, encoder="pixels", latent_dim=1),
            start=replace(run.recipe.start, structure=None),
        ),
        tmp_path / "field",
    )
    with pytest.raises(InputError, match="which moves no structure"):
        check_bias(plain.path)
    with pytest.raises(InputError, match="principal component 2"):
        check_bias(run.path, component=2, output=tmp_path / "out")
    with pytest.raises(InputError, match="Found 0 epochs"):
        check_bias(run.path, epochs=0, output=tmp_path / "out")


def test_what_follows_in_coarse_frequencies_alone_is_told() -> None:
    """A change that is right to 20 Å and missing beyond, as one that noise was picked for."""
    axis = (np.arange(24) - 12) * PIXEL_SIZE
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    near, far = (np.exp(-((x - place) ** 2 + y**2 + z**2) / (2 * 4.0**2)) for place in (-8.0, 8.0))
    region, grid = (x**2 + y**2 + z**2 < 30**2).astype(float), {"pixel_size": PIXEL_SIZE, "resolution": 10.0}
    change = band(near - far, **grid)
    coarse = change - band(near - far, **grid, beyond=20.0)
    whole = followed(coarse, change, region, margin=1.0)
    fine = followed(band(coarse, **grid, beyond=20.0), band(change, **grid, beyond=20.0), region, margin=1.0)
    assert whole.share > 0.7
    assert abs(fine.share) < 0.1
