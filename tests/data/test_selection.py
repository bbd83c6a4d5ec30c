"""Selections: each kind keeps the rows that it names, and an empty one is an error."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from star_files import PARTICLES, loop, without, write_files

from trimorph.core.errors import InputError
from trimorph.data.read import read_particles
from trimorph.data.selection import half_sets, select_particles, two_halves
from trimorph.data.star import write_star
from trimorph.data.tables import ParticleTable, TableWarning, make_table

COUNT = 9


@pytest.fixture
def table(tmp_path: Path) -> ParticleTable:
    particles = {name: [values[row % 3] for row in range(COUNT)] for name, values in PARTICLES.items()}
    particles["rlnImageName"] = [f"{row + 1}@images.mrcs" for row in range(COUNT)]
    return read_particles(write_files(tmp_path, particles=particles, images=COUNT))


def index_file(folder: Path, kind: str, index: np.ndarray) -> Path:
    path = folder / f"index.{kind}"
    if kind == "txt":
        path.write_text("\n".join(map(str, index)))
    elif kind == "npy":
        np.save(path, index)
    else:
        path.write_bytes(pickle.dumps(index))
    return path


@pytest.mark.parametrize("kind", ["txt", "npy", "pkl"])
def test_row_numbers_of_the_file(tmp_path: Path, table: ParticleTable, kind: str) -> None:
    path = index_file(tmp_path, kind, np.array([7, 2, 0]))
    np.testing.assert_array_equal(select_particles(table, index=path).row, [0, 2, 7])
    part = table.select([8, 7, 6, 5])
    np.testing.assert_array_equal(select_particles(part, index=path).row, [7])


def test_one_boolean_a_row(tmp_path: Path, table: ParticleTable) -> None:
    chosen = np.arange(COUNT) % 2 == 1
    path = index_file(tmp_path, "npy", chosen)
    np.testing.assert_array_equal(select_particles(table, index=path).row, [1, 3, 5, 7])
    with pytest.raises(InputError, match="found 8 booleans; wanted one for each of 9 rows"):
        select_particles(table, index=index_file(tmp_path, "npy", chosen[:8]))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (np.array([9]), r"found row 9 \(from 0\); wanted numbers from 0 to 8, the rows of"),
        (np.array([-1]), "found row -1"),
        (np.array([], dtype=int), "the selection is empty"),
        (np.array([0.5]), "found values of type float64"),
        (np.array([[1, 2]]), r"shape \(1, 2\)"),
    ],
)
def test_bad_row_numbers(tmp_path: Path, table: ParticleTable, index: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select_particles(table, index=index_file(tmp_path, "npy", index))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("index.txt", b"1 two 3", 'row 2, column index: found "two"'),
        ("index.txt", b"\xff\xfe", "found bytes that are not text"),
        ("index.npy", b"junk", "found a file that numpy cannot read"),
        ("index.pkl", b"junk", "found something else than a pickle"),
        ("index.csv", b"1", 'found the ending ".csv"; wanted row numbers as .txt, .npy or .pkl'),
    ],
)
def test_bad_index_files(
    tmp_path: Path, table: ParticleTable, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        select_particles(table, index=tmp_path / name)


def test_a_star_subset_by_image_name_however_its_number_is_written(
    tmp_path: Path, table: ParticleTable
) -> None:
    subset = tmp_path / "subset.star"
    subset.write_text(loop("particles", {"rlnImageName": ["000008@images.mrcs", "2@images.mrcs"]}))
    np.testing.assert_array_equal(select_particles(table, subset=subset).row, [1, 7])
    write_star(table.select([5, 3]), tmp_path / "written.star")
    np.testing.assert_array_equal(select_particles(table, subset=tmp_path / "written.star").row, [3, 5])
    subset.write_text(loop("particles", {"rlnImageName": ["2@other.mrcs", "3@images.mrcs"]}))
    with pytest.warns(TableWarning, match="1 of 2 image names are not in"):
        np.testing.assert_array_equal(select_particles(table, subset=subset).row, [2])
    subset.write_text(loop("particles", {"rlnImageName": ["2@other.mrcs"]}))
    with pytest.raises(InputError, match=r"found none of its 1 image names in .*wanted a subset"):
        select_particles(table, subset=subset)


def test_a_subset_of_another_kind_is_an_error(tmp_path: Path, table: ParticleTable) -> None:
    with pytest.raises(InputError, match=r"subset.cs: found a subset that cannot be matched to .*--index"):
        select_particles(table, subset=tmp_path / "subset.cs")


def test_half_sets_are_the_files_else_drawn_and_always_the_same(tmp_path: Path, table: ParticleTable) -> None:
    np.testing.assert_array_equal(half_sets(table), [1, 2, 1] * 3)
    np.testing.assert_array_equal(select_particles(table, half=2).row, [1, 4, 7])
    bare = make_table(Path("a.mrcs"), 1001, pixel_size=1.0, box=8)
    drawn = half_sets(bare, seed=3)
    np.testing.assert_array_equal(drawn, half_sets(bare, seed=3))
    assert (drawn != half_sets(bare, seed=4)).any()
    assert sorted(np.bincount(drawn).tolist()) == [0, 500, 501]
    unmarked = read_particles(write_files(tmp_path, particles=without(PARTICLES, "rlnRandomSubset")))
    np.testing.assert_array_equal(half_sets(unmarked.select([0, 1])), half_sets(unmarked)[:2])
    with pytest.raises(InputError, match="found half set 3; wanted 1 or 2"):
        select_particles(table, half=3)


def test_conditions_hold_together_and_first_counts_what_is_left(tmp_path: Path, table: ParticleTable) -> None:
    index = index_file(tmp_path, "txt", np.array([0, 2, 3, 4, 8]))
    np.testing.assert_array_equal(select_particles(table, index=index, half=1, first=3).row, [0, 2, 3])
    np.testing.assert_array_equal(select_particles(table, first=2).row, [0, 1])
    assert len(select_particles(table, first=100)) == COUNT
    with pytest.raises(InputError, match="found 0 as the number of particles"):
        select_particles(table, first=0)
    with pytest.raises(InputError, match="the selection is empty"):
        select_particles(table, index=index_file(tmp_path, "npy", np.array([1])), half=1)


def test_particles_of_one_half_set_are_halved_again(table: ParticleTable) -> None:
    assert (two_halves(table) == half_sets(table)).all()
    chosen = select_particles(table, half=1)
    assert half_sets(chosen).tolist() == [1] * 6
    assert sorted(two_halves(chosen).tolist()) == [1, 1, 1, 2, 2, 2]
    assert any((two_halves(chosen) != two_halves(chosen, seed=seed)).any() for seed in (1, 2, 3))
