"""Agreement of replicates against counts by hand, and by the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from run.slider import Slider, spread_latents, write_slider_run
from trimorph.analysis.agreement import are_selections, selections_agree, states_agree
from trimorph.cli.main import run as run_command
from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import write_index
from trimorph.methods import registry


@pytest.fixture
def replicates(tmp_path: Path) -> list[Path]:
    """Three clouds that two replicates place differently; the second puts ten particles elsewhere."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [60, 40, 30])
    places = np.array([[0.0, 0], [10, 0], [0, 10]])
    other = truth.copy()
    other[:10] = 1
    paths = []
    for name, label, turn in (("a", truth, 1.0), ("b", other, -3.0), ("c", truth, 0.5)):
        paths.append(tmp_path / f"{name}.npy")
        np.save(paths[-1], turn * (places[label] + rng.normal(size=(130, 2))))
    return paths


@pytest.mark.parametrize("states", ["kmeans:3", "mixture:3", "mixture"])
def test_particles_that_changed_their_state_are_counted(replicates: list[Path], states: str) -> None:
    found = states_agree(replicates, states=states)
    assert found.pairs == ((0, 1), (0, 2), (1, 2))
    assert [match.agreement for match in found.matches] == pytest.approx([120 / 130, 1.0, 120 / 130])
    assert found.mean == pytest.approx((2 * 120 / 130 + 1) / 3)
    assert np.flatnonzero(~found.everywhere()).tolist() == list(range(10))
    assert 0.3 < min(found.chance) <= max(found.chance) < 0.6
    assert found.matches[0].adjusted_rand < 0.9 < found.matches[1].adjusted_rand


def test_selections_are_compared_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0\n1\n2\n3\n")
    mask = np.zeros(9, bool)
    mask[[2, 3, 4]] = True
    np.save(tmp_path / "b.npy", mask)
    write_index(np.array([3, 8]), tmp_path / "c.pkl")
    found = selections_agree([tmp_path / "a.txt", tmp_path / "b.npy", tmp_path / "c.pkl"])
    assert found.number == (4, 3, 2)
    assert (found.intersection, found.union, found.jaccard) == (1, 6, pytest.approx(1 / 6))
    assert found.common == (2, 1, 1)
    assert found.either == (5, 5, 4)


def test_star_and_cs_files_are_compared_by_their_particles(shared, tmp_path: Path) -> None:
    star = shared("metadata/relion31.6opticsgroups.star")
    rows = [line for line in star.read_text().splitlines() if ".mrc" in line]
    (tmp_path / "some.star").write_text(star.read_text().replace(rows[0] + "\n", ""))
    found = selections_agree([star, tmp_path / "some.star"])
    assert found.number[0] - found.number[1] == 1
    assert found.intersection == found.number[1]
    table = np.zeros(3, dtype=[("uid", "<u8"), ("x", "<f4")])
    table["uid"] = [7, 8, 9]
    for name, kept in (("a", [0, 1]), ("b", [1, 2])):
        with (tmp_path / f"{name}.cs").open("wb") as file:
            np.save(file, table[kept])
    both = selections_agree([tmp_path / "a.cs", tmp_path / "b.cs"])
    assert (both.intersection, both.union) == (1, 3)
    with pytest.raises(InputError, match=r"Found \.cs and \.star; wanted selections of one kind"):
        selections_agree([star, tmp_path / "a.cs"])


def test_the_command_tells_runs_from_selections(
    replicates: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["agree", *map(str, replicates[:2]), "--states", "kmeans:3"]) == 0
    out = capsys.readouterr().out
    assert "92.3 %" in out
    assert "particles by their state" in out
    assert run_command(["agree", *map(str, replicates), "--states", "kmeans:3"]) == 0
    assert "94.9 % on average; 92.3 % of the particles in all replicates" in capsys.readouterr().out
    for name, rows in (("a", [0, 1, 2]), ("b", [2, 3])):
        np.save(tmp_path / f"rows_{name}.npy", np.array(rows))
    files = [tmp_path / "rows_a.npy", tmp_path / "rows_b.npy"]
    assert are_selections(files)
    assert run_command(["agree", *map(str, files)]) == 0
    assert "0.250" in capsys.readouterr().out
    assert run_command(["agree", str(files[0]), str(replicates[0])]) == 1
    assert "rows_a.npy, a selection, and" in capsys.readouterr().err


def test_what_cannot_be_compared_is_refused(
    replicates: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", f"{Slider.__module__}:Slider")
    with pytest.raises(InputError, match=r"Found 1 replicates; wanted two or more"):
        states_agree(replicates[:1])
    np.save(tmp_path / "short.npy", np.zeros((5, 2)))
    with pytest.raises(InputError, match=r"130 in .*a\.npy, 5 in .*short\.npy; wanted the same particles"):
        states_agree([replicates[0], tmp_path / "short.npy"])
    runs = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        angles = [(1.0 * i, 9.0) for i in range(12)]
        latents = spread_latents(12, together=2.0, apart=1.0, seed=number)
        runs.append(write_slider_run(tmp_path / str(number), angles=angles, latents=latents))
    assert states_agree([run.path for run in runs], states="kmeans:2").mean >= 0.5
    star = tmp_path / "2" / "particles.star"
    lines = star.read_text().splitlines()
    star.write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    with pytest.raises(InputError, match=r"found other particles: row 10 is image 12 of images\.mrcs"):
        states_agree([run.path for run in runs], states="kmeans:2")
