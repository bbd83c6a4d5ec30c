"""The whole evaluation: runs and other programs' files in one table, in files, and on the command line."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

import trimorph
from run.hinger import (
    MIDDLE,
    HingerSettings,
    centred_structure,
    hinge_latents,
    structure_problem,
    write_structure_run,
)
from trimorph.cli.main import run as command
from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import write_latents
from trimorph.data.mrc import write_map
from trimorph.data.simulate import Simulation, simulate
from trimorph.data.truth import Truth
from trimorph.evaluation.candidate import MapChoice, read_candidate
from trimorph.evaluation.evaluate import evaluate
from trimorph.evaluation.evaluation_table import table_lines
from trimorph.evaluation.truth_spaces import rows_of
from trimorph.methods import registry
from trimorph.run.run import Run
from trimorph.run.start import StartSettings

COUNT, BOX, PIXEL_SIZE = 80, 16, 12.0
CRYODRGN = Path(__file__).parents[1] / "run" / "cryodrgn"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    folder = tmp_path_factory.mktemp("evaluate")
    return simulate(
        "linear",
        folder / "p",
        count=COUNT,
        box=BOX,
        pixel_size=PIXEL_SIZE,
        snr=1.0,
        voxels=True,
        ceiling=True,
    )


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    folder = tmp_path_factory.mktemp("classes")
    return simulate("compositional", folder / "c", count=60, box=BOX, pixel_size=18.0, voxels=True)


@pytest.fixture(autouse=True)
def _hinger_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")


@pytest.fixture(scope="module")
def finished(made: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")
        return a_run(tmp_path_factory.mktemp("finished"), made.star.read_text(), made.stack, count=COUNT)


def a_run(folder: Path, star: str, stack: Path, *, count: int) -> Run:
    """A finished run that moves adenylate kinase, on particles of a star file."""
    (folder / "particles.star").write_text(star)
    (folder / stack.name).symlink_to(stack)
    residues = centred_structure(folder / "adk.pdb", at=MIDDLE)
    return write_structure_run(
        folder,
        method="hinger",
        settings=HingerSettings(),
        problem=structure_problem(residues, at=MIDDLE, count=count),
        latents=hinge_latents(count),
        start=StartSettings(structure=folder / "adk.pdb"),
    )


@pytest.fixture(scope="module")
def files(made: Simulation) -> Path:
    """What another program leaves: z.pkl of the truth, and the true maps at the states' latents."""
    folder = made.star.with_name("other")
    folder.mkdir()
    write_latents(made.truth.coordinate[:, None], folder / "z.pkl")
    assert made.states is not None
    (folder / "maps").mkdir()
    for number, path in enumerate(sorted(made.states.glob("*.mrc"))):
        shutil.copy(path, folder / "maps" / f"vol_{number:03d}.mrc")
    np.savetxt(folder / "maps" / "z_values.txt", made.truth.state_coordinate)
    return folder


def test_a_perfect_program_and_a_run_in_one_table(
    made: Simulation, finished: Run, files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = evaluate(
        [finished.path, files / "z.pkl"], made.truth_file, maps=[files / "maps"], images=12, output=out
    )
    ours, perfect = found.scored
    assert (ours.name, perfect.name) == ("run", "z.pkl")
    assert perfect.values["image_fsc"] == pytest.approx(1.0, abs=1e-5)
    assert perfect.values["image_area"] == pytest.approx(7 / 16, abs=1e-5)
    assert perfect.values["state_fsc"] == pytest.approx(1.0, abs=1e-5)
    assert perfect.values["direction_correlation"] > 0.999
    assert found.ceiling["image_area"] == pytest.approx(7 / 16)
    assert 0.9 < found.ceiling["direction_correlation"] < 1.0
    assert abs(found.blind["neighbour_correlation"]) < 0.3
    assert 0.5 < found.blind["image_fsc"] < 1.0
    assert ours.images is not None
    assert len(ours.images.state) == len(ours.particles) == 12
    spread = ours.images.mean.std(ddof=1) / np.sqrt(12) * np.sqrt(1 - 12 / COUNT)
    assert ours.errors["image_fsc"] == pytest.approx(spread)
    assert {"mover_state_error", "state_fsc", "state_mean_fsc"} <= set(ours.values)
    told = json.loads((out / "scores.json").read_text())
    assert told["scored"][1]["scores"]["image_fsc"] == pytest.approx(1.0, abs=1e-5)
    assert set(told["definitions"]) == set(ours.values) | set(perfect.values)
    with (out / "scores.csv").open() as file:
        rows = {row["score"]: row for row in csv.DictReader(file)}
    assert float(rows["image_fsc"]["run"]) == pytest.approx(ours.values["image_fsc"], rel=1e-5)
    assert rows["image_resolution"]["unit"] == "Å"
    names = {path.name for path in out.iterdir()}
    assert names == {
        "scores.json", "scores.csv", "scores.txt", "fsc.csv", "images.csv", "states.csv", "fsc.png",
        "latents.png", "populations.png",
    }  # fmt: skip
    with (out / "images.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 24


def test_the_table_says_what_is_asked_and_which_way_is_better(made: Simulation, files: Path) -> None:
    found = evaluate(files / "z.pkl", made.truth_file)
    assert found.scored[0].images is None
    lines = table_lines(found)
    at = next(number for number, line in enumerate(lines) if line.startswith("correlation by neighbours"))
    assert "↑" in lines[at]
    assert lines[at + 1].strip().startswith("of the coordinate with its mean over the 30 nearest")
    head = next(line for line in lines if line.startswith("LATENTS"))
    assert head.split()[1:] == ["z.pkl", "blind", "ceiling"]
    assert len(table_lines(found, explain=False)) < len(lines)


def test_classes_have_a_confusion_and_no_correlation(classes: Simulation, tmp_path: Path) -> None:
    made = classes
    generator = np.random.default_rng(0)
    np.save(tmp_path / "z.npy", np.eye(3)[made.truth.state] + 0.01 * generator.normal(size=(60, 3)))
    found = evaluate(tmp_path / "z.npy", made.truth_file, output=tmp_path / "out")
    assert found.scored[0].values["accuracy"] == 1.0
    assert (tmp_path / "out" / "confusion.png").is_file()
    assert not (tmp_path / "out" / "populations.png").exists()
    told = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert np.sort(np.array(told["scored"][0]["confusion"]).sum(0)).tolist() == [12, 18, 30]


def test_ordered_states_may_be_called_classes(made: Simulation, files: Path) -> None:
    found = evaluate(files / "z.pkl", made.truth_file, classes=True)
    assert "accuracy" in found.scored[0].values
    assert "neighbour_correlation" not in found.scored[0].values


def test_particles_of_a_run_are_found_by_their_place_in_the_stack(
    made: Simulation, tmp_path: Path, finished: Run
) -> None:
    """A run on some of the particles, in another order."""
    lines = made.star.read_text().splitlines()
    rows = [number for number, line in enumerate(lines) if "@" in line]
    kept = list(np.random.default_rng(0).permutation(COUNT)[:50])
    text = [*lines[: rows[0]], *(lines[rows[number]] for number in kept)]
    run = a_run(tmp_path, "\n".join(text) + "\n", made.stack, count=50)
    found = read_candidate(run.path, made.truth, choice=MapChoice())
    assert found.rows.tolist() == kept
    whole = read_candidate(finished.path, made.truth, choice=MapChoice())
    assert whole.rows.tolist() == list(range(COUNT))


def test_structures_and_distances_of_a_run_are_in_the_table(
    made: Simulation, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimorph.evaluation.evaluation_files.draw_evaluation", lambda *_: None)
    replace(made.truth, source="adk").write(tmp_path / "adk_truth.npz")
    name = "A:122-159 to A:30-59"
    found = evaluate(finished.path, tmp_path / "adk_truth.npz", distances=[name], output=tmp_path / "out")
    values = found.scored[0].values
    assert 1.0 < values["rmsd_superposed"] <= values["rmsd"]
    assert 0 < found.blind["rmsd_superposed"] < 8.0  # open against states between closed and open
    assert f"distance_pearson: {name}" in values
    assert any(line.startswith(f"{name}, error, Å") for line in table_lines(found))
    with (tmp_path / "out" / "structures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT
    assert f"{name} true" in rows[0]


def test_other_particles_are_refused(made: Simulation, finished: Run, tmp_path: Path) -> None:
    rows_of(made.truth, np.roll(np.arange(COUNT), 1)).write(tmp_path / "other_truth.npz")
    with pytest.raises(
        InputError, match=r"found other particles than the truth's: row 0 of .*\.star has nei"
    ):
        evaluate(finished.path, tmp_path / "other_truth.npz")
    rows_of(made.truth, np.arange(40)).write(tmp_path / "few_truth.npz")
    with pytest.raises(InputError, match="found 80 particles from 1 stacks, and 40 images in the truth"):
        evaluate(finished.path, tmp_path / "few_truth.npz")
    np.save(tmp_path / "z.npy", np.zeros((50, 2)))
    with pytest.raises(InputError, match=r"z\.npy: found latents of 50 particles; wanted 80, one for each"):
        evaluate(tmp_path / "z.npy", made.truth_file)
    np.save(tmp_path / "nan.npy", np.full((COUNT, 2), np.nan))
    with pytest.raises(InputError, match=r"nan\.npy: found latents that are not finite in row 0 \(80 such\)"):
        evaluate(tmp_path / "nan.npy", made.truth_file)


def test_choices_that_do_not_fit_are_refused(made: Simulation, finished: Run, files: Path) -> None:
    z, maps = files / "z.pkl", files / "maps"
    with pytest.raises(InputError, match="Found nothing to evaluate; wanted the folder of a run"):
        evaluate([], made.truth_file)
    with pytest.raises(InputError, match="Found 1 folders of maps and 2 files of latents; wanted one folder"):
        evaluate([z, z], made.truth_file, maps=[maps])
    with pytest.raises(InputError, match=r"Found --weights w\.pkl, --config None, 1 files"):
        evaluate(z, made.truth_file, weights=Path("w.pkl"))
    with pytest.raises(
        InputError, match='Found --distance "A:1-9 to A:20-30" and no true structures; wanted'
    ):
        evaluate(z, made.truth_file, distances=["A:1-9 to A:20-30"])
    replace(made.truth, source="adk").write(files / "adk_truth.npz")
    with pytest.raises(InputError, match="Found true structures and nothing that moves one; wanted a run of"):
        evaluate(z, files / "adk_truth.npz", distances=["A:1-9 to A:20-30"])
    with pytest.raises(
        InputError, match=r"Found --mask m\.mrc and no adk_states beside adk_truth\.npz; wanted"
    ):
        evaluate(z, files / "adk_truth.npz", mask=Path("m.mrc"))
    with pytest.raises(FileNotFoundError, match=r"no\.npz: found no file; wanted the NAME_truth\.npz that"):
        evaluate(z, files / "no.npz")
    with pytest.raises(InputError, match=r"z\.pkl: found epoch 2 for a file; wanted one of a run"):
        evaluate(z, made.truth_file, epoch=2)
    with pytest.raises(FileNotFoundError, match="found no latents of epoch 2"):
        evaluate([finished.path, z], made.truth_file, epoch=2)
    with pytest.raises(InputError, match="Found 0 images; wanted at least 1, or all"):
        evaluate(z, made.truth_file, images=0)
    with pytest.raises(FileExistsError, match="wanted a new folder for the evaluation, and nothing was"):
        evaluate(z, made.truth_file, output=files)
    np.savez(files / "truth.npz", state=np.zeros(3))
    with pytest.raises(
        InputError, match=r"truth\.npz: found no amplitude_contrast, .*; wanted a file NAME_tr"
    ):
        evaluate(z, files / "truth.npz")
    with pytest.raises(FileNotFoundError, match="nowhere: found nothing; wanted a run, or latents in a file"):
        evaluate(files / "nowhere", made.truth_file)


def test_a_truth_without_maps_scores_latents_alone(made: Simulation, finished: Run, tmp_path: Path) -> None:
    shutil.copy(made.truth_file, tmp_path / "alone_truth.npz")
    found = evaluate(finished.path, tmp_path / "alone_truth.npz")
    assert found.scored[0].images is None
    assert found.notes == (
        "no alone_states beside alone_truth.npz: maps are not scored (--states says where)",
    )
    assert "neighbour_correlation" in found.scored[0].values


def of_cryodrgn(truth: Truth, folder: Path, decoder: Callable[[torch.Tensor], np.ndarray]) -> Path:
    """A truth whose states are maps that cryoDRGN's recorded decoder draws, and its latents."""
    at = np.random.default_rng(0).normal(size=(len(truth.state_names), 3))
    truth.write(folder / "c_truth.npz")
    (folder / "c_states").mkdir()
    for number, z in enumerate(at):
        write_map(folder / "c_states" / f"s_{number:03d}.mrc", decoder(torch.tensor(z).float()), PIXEL_SIZE)
    write_latents(at[truth.state], folder / "z.3.pkl")
    shutil.copy(CRYODRGN / "fourier_gaussian.weights.pkl", folder / "weights.3.pkl")
    shutil.copy(CRYODRGN / "fourier_gaussian.config.yaml", folder / "config.yaml")
    return folder / "z.3.pkl"


def test_weights_of_cryodrgn_decode_beside_their_latents(classes: Simulation, tmp_path: Path) -> None:
    weights, config = (CRYODRGN / f"fourier_gaussian.{end}" for end in ("weights.pkl", "config.yaml"))
    decoder = trimorph.load_cryodrgn(weights, config, pixel_size=1.0)
    truth = replace(classes.truth, box=decoder.box, pixel_size=PIXEL_SIZE)
    source = of_cryodrgn(truth, tmp_path, lambda z: decoder.volume(z).detach().numpy())
    found = evaluate(source, tmp_path / "c_truth.npz", images=5)
    assert found.scored[0].values["image_fsc"] == pytest.approx(1.0, abs=0.02)
    assert "maps decoded from weights.3.pkl" in found.scored[0].candidate.notes
    moved = tmp_path / "elsewhere.pkl"
    shutil.copy(source, moved)
    assert evaluate(moved, tmp_path / "c_truth.npz").scored[0].images is None
    again = evaluate(moved, tmp_path / "c_truth.npz", weights=weights, config=config, images=5)
    assert again.scored[0].values["image_fsc"] == pytest.approx(found.scored[0].values["image_fsc"])
    np.save(tmp_path / "two.npy", np.zeros((60, 2)))
    with pytest.raises(InputError, match="found a decoder of 3 latent components; wanted 2"):
        evaluate(tmp_path / "two.npy", tmp_path / "c_truth.npz", weights=weights, config=config)


def test_the_command_writes_beside_the_latents(
    made: Simulation, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimorph.evaluation.evaluation_files.draw_evaluation", lambda *_: None)
    shutil.copy(files / "z.pkl", tmp_path / "z.pkl")
    words = ["evaluate", str(tmp_path / "z.pkl"), "--truth", str(made.truth_file), "--brief"]
    with redirect_stdout(StringIO()) as text, redirect_stderr(StringIO()) as error:
        assert command(words) == 0, error.getvalue()
    assert "correlation by neighbours" in text.getvalue()
    assert f"scores.json, scores.csv, tables and pictures in {tmp_path / 'evaluation'}" in text.getvalue()
    assert (tmp_path / "evaluation" / "scores.json").is_file()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as error:
        assert command(words) == 1
    assert "evaluation: found a folder that is not empty; wanted a new folder" in error.getvalue()
