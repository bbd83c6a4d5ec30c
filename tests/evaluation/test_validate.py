"""`trimorph validate` from a run to its verdict, with half sets trained apart and without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.cli.main import run as command_line
from trimorph.core.errors import InputError
from trimorph.core.imaging import render_batch
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.open import ParticleInput, open_particles, open_table
from trimorph.data.selection import two_halves
from trimorph.data.simulate import simulate
from trimorph.evaluation.nulls import NullDraws
from trimorph.evaluation.validate import plan_validation, validate
from trimorph.evaluation.validate_cross import Redraw, canonical
from trimorph.evaluation.validate_halves import train_halves
from trimorph.evaluation.validate_images import see_images
from trimorph.evaluation.validate_seeds import compare_seeds
from trimorph.evaluation.validate_settings import ValidationSettings
from trimorph.methods.linear import LinearSettings
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.train import train
from trimorph.training.settings import TrainingSettings

FEW = ValidationSettings(retrain=False, power=False, nulls=2, modes=2, shuffles=400)


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A coarse run of the method linear on images of a hinge."""
    folder = tmp_path_factory.mktemp("moving")
    made = simulate("uniform", folder / "particles", count=400, box=24, snr=3.0, voxels=True, states=False)
    recipe = Recipe(
        method="linear",
        data=ParticleInput(particles=made.star),
        settings=LinearSettings(modes=1, epochs=8, resolution=50.0),
        training=TrainingSettings(),
    )
    return train(recipe, folder / "run")


def test_halves_are_trained_apart_crossed_and_used_again(
    moving: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimorph.evaluation.validate_cross.MOST", 60)
    settings = ValidationSettings(power=False, nulls=2, modes=2, shuffles=400, seeds=2)
    found = validate(moving.path, settings, output=tmp_path / "first")
    assert found.heterogeneous
    assert found.given is not None
    assert found.crossed is not None
    own = [mode for mode in found.modes if mode.source == "run"]
    assert own[0].real
    assert own[0].agreement > 0.5
    assert found.modes[1].component_correlation > 0.6
    for crossed in found.crossed:
        assert crossed.gain > crossed.redrawn + 3 * crossed.gain_error
        assert crossed.gain > crossed.shuffled + 3 * crossed.gain_error
        assert crossed.redrawn < 0
        assert crossed.p < 1e-4
        assert crossed.link > crossed.redrawn_link + 0.1
        # of one mode all states differ by the same change, and one near the mean may lie on either side of it
        assert np.median([state.difference for state in crossed.states]) > 0.4
    written = json.loads((tmp_path / "first" / "verdict.json").read_text())
    assert written["heterogeneous"]
    assert written["modes"][0]["p_holm"] == pytest.approx(own[0].p_holm)
    assert sum(written["half_sets"]) == 400
    halves = sorted((moving.path / "analysis" / "validation_halves").glob("half_*/recipe.toml"))
    assert len(halves) == 4
    rows = [np.loadtxt(path, dtype=int) for path in sorted(halves[0].parents[1].glob("half_*.txt"))]
    assert sorted(np.concatenate(rows).tolist()) == list(range(400))
    # one straight mode of a motion that bends is another one with each seed, and the same with the same
    assert [pair.together for pair in found.seeds].count(True) == 2
    (line,) = (line for line in found.lines if line.startswith("seeds: "))
    assert "So training leaves much to chance" in line
    one, two = (Run.open(path.parent) for path in halves[::2])
    same = compare_seeds(moving, ((one, one), (two, two)), see_images(moving), modes=2, epoch=None)
    for pair in same:
        wanted = 1.0 if pair.together else found.seeds[1].maps
        assert pair.maps == pytest.approx(wanted, abs=1e-4)
        assert pair.latents == pytest.approx(1.0 if pair.together else found.seeds[1].latents, abs=1e-4)
    assert len(written["seeds"]) == 6
    assert "seeds.csv" in {path.name for path in (tmp_path / "first").iterdir()}
    seen = {path: path.stat().st_mtime_ns for path in halves[0].parents[1].rglob("*.pt")}
    train_halves(moving, two_halves(open_table(moving.recipe.data)) - 1, halves[0].parents[1], seeds=2)
    assert seen == {path: path.stat().st_mtime_ns for path in halves[0].parents[1].rglob("*.pt")}


def test_the_command_says_what_it_costs_and_what_it_found(
    moving: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--no-retrain", "--nulls", "2", "--modes", "2", "--shuffles", "400", "--no-power"]
    assert command_line(["validate", str(moving.path), *words, "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "3 tests of 400 particles" in said
    assert "heterogeneous: " in said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"verdict.json", "validation.txt", "validation.png", "modes.csv", "nulls.csv"} <= names
    assert command_line(["validate", str(moving.path), *words, "-o", str(tmp_path / "out")]) == 1
    assert "folder that is not empty" in capsys.readouterr().err
    plan = plan_validation(moving.path, ValidationSettings())
    assert plan[0].startswith("13 tests of 400 particles (8 of them of redrawn ones, 4 for the power)")
    assert "two half sets trained apart" in plan[1]


def test_an_interrupted_validation_leaves_nothing(
    moving: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> NullDraws:
        raise KeyboardInterrupt

    monkeypatch.setattr("trimorph.evaluation.validate.draw_nulls", stop)
    with pytest.raises(KeyboardInterrupt):
        validate(moving.path, FEW, output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_validated_is_said(moving: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a resolution of 5 Å for the test"):
        validate(moving.path, ValidationSettings(resolution=5.0), output=tmp_path / "out")
    copy = tmp_path / "copy"
    shutil.copytree(moving.path, copy)
    for path in (copy / "latents").glob("*.npz"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="found no epoch with both a checkpoint"):
        validate(copy, FEW)
    shutil.rmtree(copy)
    shutil.copytree(moving.path, copy)
    record = copy / "provenance.json"
    star = str(moving.recipe.data.particles)
    record.write_text(record.read_text().replace(star, str(tmp_path / "gone.star")))
    with pytest.raises(FileNotFoundError, match="found no file; wanted the input that the run"):
        validate(copy, FEW)
    assert not (copy / "analysis" / "validation").exists()


def test_too_few_particles_are_refused(tmp_path: Path) -> None:
    made = simulate("linear", tmp_path / "few", count=60, box=24, pixel_size=8.0, snr=0.5, states=False)
    recipe = Recipe(
        method="linear",
        data=ParticleInput(particles=made.star),
        settings=LinearSettings(modes=1, epochs=1, resolution=50.0),
        training=TrainingSettings(),
    )
    run = train(recipe, tmp_path / "run")
    with pytest.raises(InputError, match="found half sets of 30 and 30 particles; wanted 100 or more"):
        validate(run.path, FEW)


def test_redrawn_images_have_the_mean_and_the_noise_of_the_particles(moving: Run) -> None:
    stack, mean = open_particles(moving.recipe.data), moving.problem().mean
    assert mean is not None
    generator, redraw = torch.Generator().manual_seed(0), Redraw(stack, mean)
    rows = np.resize(np.arange(len(stack)), 1500)
    batch = stack[rows]
    drawn = redraw(batch, generator)
    clean = render_batch(VoxelGrid(mean[None], stack.pixel_size), batch)
    left = (drawn.image - stack.disk.transform(stack.disk.inverse(clean) * redraw.window)).abs() ** 2
    power = stack.disk.ring_mean(left).mean(0) / stack.noise.power[0]
    assert power[2:-3].numpy() == pytest.approx(1.0, abs=0.05)
    assert power[-3:].min() > 0.8  # the window brings in what is beyond the disk, where nothing is drawn
    state = np.zeros(len(stack), dtype=np.int64)
    seen = see_images(moving)
    twin = seen.drawn(torch.zeros(1, seen.box, seen.box, seen.box), state, seed=1)
    ratio = twin.disk.ring_mean(twin.everything.image.abs() ** 2).mean(0) / seen.noise.power[0, :8]
    assert ratio.numpy() == pytest.approx(1.0, abs=0.25)


def test_canonical_correlation_of_what_is_shared() -> None:
    generator = np.random.default_rng(0)
    shared = generator.standard_normal((4000, 1))
    first, second = (
        np.column_stack(
            [shared + 0.5 * generator.standard_normal((4000, 1)), generator.standard_normal(4000)]
        )
        for _ in range(2)
    )
    found, pair = canonical(first, second)
    assert found == pytest.approx(1 / 1.25, abs=0.03)
    assert np.corrcoef(*pair)[0, 1] == pytest.approx(found, abs=1e-6)
