"""Symmetry expansion: poses, copies, half sets, images that are shared, and the star file of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_stacks import made_table, noise
from star_files import write_files

from trimorph.core.errors import InputError
from trimorph.core.rotations import random_rotations
from trimorph.core.symmetry import symmetry_rotations
from trimorph.data.cryosparc import write_cs
from trimorph.data.open import ParticleInput, open_particles, open_table
from trimorph.data.particles import ParticleStack
from trimorph.data.read import read_particles
from trimorph.data.selection import half_sets, two_halves
from trimorph.data.star import write_star
from trimorph.data.symmetry_expansion import expand_by_symmetry
from trimorph.data.tables import ParticleTable, make_table

COUNT = 7


@pytest.fixture
def table(tmp_path: Path) -> ParticleTable:
    rotation = random_rotations(COUNT, generator=torch.Generator().manual_seed(0)).numpy()
    shift = np.random.default_rng(0).normal(size=(COUNT, 2))
    return made_table(tmp_path, noise(COUNT, 16), rotation=rotation, shift=shift)


def test_each_pose_is_turned_by_each_rotation_of_the_group(table: ParticleTable) -> None:
    expanded, rotations = expand_by_symmetry(table, "D2"), symmetry_rotations("D2").numpy()
    assert table.rotation is not None
    assert expanded.rotation is not None
    assert expanded.copy is not None
    assert len(expanded) == 4 * COUNT
    for row in range(len(expanded)):
        particle, copy = divmod(row, 4)
        assert (expanded.row[row], expanded.copy[row]) == (particle, copy)
        np.testing.assert_allclose(expanded.rotation[row], table.rotation[particle] @ rotations[copy])
    np.testing.assert_array_equal(expanded.shift, np.repeat(table.shift, 4, 0))


def test_no_symmetry_changes_nothing(table: ParticleTable) -> None:
    assert expand_by_symmetry(table, "C1") is table


def test_what_cannot_be_expanded(table: ParticleTable) -> None:
    with pytest.raises(InputError, match=r"found no poses; wanted rotations.*symmetry C3.*--symmetry out"):
        expand_by_symmetry(replace(table, rotation=None), "C3")
    with pytest.raises(InputError, match="expanded by a symmetry already"):
        expand_by_symmetry(expand_by_symmetry(table, "C3"), "C3")
    with pytest.raises(InputError, match=r'Found the symmetry "O"; wanted C or D'):
        open_table(ParticleInput(Path("absent.star"), symmetry="O"))


@pytest.mark.parametrize("given", [None, np.array([1, 2, 1, 1, 2, 2, 1]), np.ones(COUNT, int)])
def test_copies_stay_in_one_half_set(table: ParticleTable, given: np.ndarray | None) -> None:
    """As the file says, as drawn, and as drawn anew where all are in one."""
    expanded = expand_by_symmetry(replace(table, half=given), "C3")
    for draw in (half_sets, two_halves):
        sets = draw(expanded, seed=3).reshape(COUNT, 3)
        assert (sets == sets[:, :1]).all()
    assert set(two_halves(expanded, seed=3)) == {1, 2}


@pytest.mark.parametrize("prepared", [False, True])
def test_copies_share_their_image(table: ParticleTable, prepared: bool) -> None:
    plain, expanded = ParticleStack(table), ParticleStack(expand_by_symmetry(table, "C3"))
    if prepared:
        told: list[tuple[int, int]] = []
        expanded.prepare(progress=lambda done, of: told.append((done, of)), precision="float32")
        assert told[-1] == (COUNT, COUNT)
    rows = [5, 0, 4, 20]
    batch = expanded[rows]
    torch.testing.assert_close(batch.image, plain[[1, 0, 1, 6]].image)
    assert batch.index.tolist() == rows
    assert len(expanded) == 3 * COUNT
    torch.testing.assert_close(expanded.noise.power, plain.noise.power)
    torch.testing.assert_close(torch.stack(expanded.images(rows)), torch.stack(plain.images([1, 0, 1, 6])))


def test_a_selection_comes_before_the_expansion(tmp_path: Path) -> None:
    star = write_files(tmp_path)
    stack = open_particles(ParticleInput(star, first=2, symmetry="C3"))
    assert stack.table.row.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(stack.table.select([5, 0]).copy, [2, 0])


def test_a_star_file_of_the_copies_holds_their_poses(tmp_path: Path) -> None:
    expanded = open_table(ParticleInput(write_files(tmp_path), symmetry="C3"))
    write_star(expanded, tmp_path / "expanded.star")
    again = read_particles(tmp_path / "expanded.star")
    np.testing.assert_allclose(again.rotation, expanded.rotation, atol=1e-6)
    np.testing.assert_array_equal(again.slice, expanded.slice)


def test_a_cs_file_holds_each_particle_once(table: ParticleTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expanded by a symmetry.*uids are unique. Write a \.star file"):
        write_cs(expand_by_symmetry(table, "C2"), tmp_path / "out.cs")


def test_a_table_of_no_symmetry_has_no_copies() -> None:
    assert make_table(Path("a.mrcs"), 2, pixel_size=1.0, box=8).copy is None
