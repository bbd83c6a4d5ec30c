"""Poses and CTF of a file that says nothing of its images are enough to simulate with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from star_files import OPTICS, PARTICLES, loop, without, write_files

from trimorph.cli.main import run
from trimorph.core.errors import InputError
from trimorph.data.measured import read_measured
from trimorph.data.read import read_particles
from trimorph.data.simulate import simulate
from trimorph.data.tables import TableWarning

SMALL = {"box": 16, "pixel_size": 20.0, "states": False, "count": 3}
NO_SIZES = without(OPTICS, "rlnImagePixelSize", "rlnImageSize")


def bare_star(folder: Path, **changes: object) -> Path:
    """The usual star file in a folder of its own, without stack, box and pixel size."""
    (folder / "bare").mkdir()
    star = folder / "bare" / "bare.star"
    star.write_text(loop("optics", NO_SIZES) + loop("particles", {**PARTICLES, **changes}))
    return star


def test_a_star_file_without_sizes_gives_what_the_whole_one_does(tmp_path: Path) -> None:
    whole, bare = read_particles(write_files(tmp_path)), read_measured(bare_star(tmp_path))
    assert whole.ctf is not None
    assert bare.ctf is not None
    np.testing.assert_array_equal(bare.rotation, whole.rotation)
    np.testing.assert_array_equal(bare.shift, whole.shift)
    for name, values in bare.ctf.items():
        np.testing.assert_array_equal(values, getattr(whole.ctf, name))


def test_it_is_enough_for_the_command(tmp_path: Path) -> None:
    star = bare_star(tmp_path)
    words = ["--count", "3", "--box", "16", "--no-states", "--poses", str(star), "--ctf", str(star)]
    assert run(["simulate", "adk", "-o", str(tmp_path / "made"), *words]) == 0
    made, wanted = read_particles(tmp_path / "made.star"), read_measured(star)
    assert made.ctf is not None
    assert made.rotation is not None
    assert sorted(made.ctf.defocus_u) == [15000.0, 16000.0, 17000.0]
    order = np.argsort(made.ctf.defocus_u)
    np.testing.assert_allclose(made.rotation[order], wanted.rotation, atol=1e-6)
    np.testing.assert_allclose(made.shift[order], wanted.shift, atol=1e-5)


def test_shifts_in_pixels_of_unknown_size_are_drawn_and_that_is_said(tmp_path: Path) -> None:
    columns = without(PARTICLES, "rlnOriginXAngst", "rlnOriginYAngst")
    star = tmp_path / "old.star"
    star.write_text(
        loop("optics", NO_SIZES)
        + loop("particles", {**columns, "rlnOriginX": [4, 5, 6], "rlnOriginY": [0, 0, 1]})
    )
    with pytest.warns(TableWarning, match=r"old\.star: no shifts are taken from it: they are in pixels"):
        made = simulate("adk", tmp_path / "made", poses=str(star), **SMALL)
    assert 0 < np.abs(made.truth.shift).max() <= 20.0
    star.write_text(
        loop("optics", without(OPTICS, "rlnImageSize"))
        + loop("particles", {**columns, "rlnOriginX": [4, 5, 6], "rlnOriginY": [0, 0, 1]})
    )
    np.testing.assert_allclose(read_measured(star).shift, [[6, 0], [7.5, 0], [9, 1.5]])


def test_images_are_not_looked_at(tmp_path: Path) -> None:
    """A stack that was binned, or images multiplied by their CTF, matter only where they are read."""
    star = write_files(tmp_path, optics={**OPTICS, "rlnCtfDataAreCtfPremultiplied": [1]}, box=4)
    with pytest.raises(InputError, match="states images of 8 pixels"):
        read_particles(star)
    with pytest.raises(InputError, match="multiplied by their CTF"):
        read_particles(star, pixel_size=3.0)
    measured = read_measured(star)
    assert len(measured) == 3
    assert measured.ctf is not None


def test_a_cs_file_without_images(tmp_path: Path) -> None:
    kinds = [("alignments3D/pose", "f4", 3), ("alignments3D/shift", "f4", 2), ("alignments3D/psize_A", "f4")]
    rows = np.zeros(4, dtype=kinds)
    rows["alignments3D/shift"], rows["alignments3D/psize_A"] = [2.0, -1.0], 1.5
    path = tmp_path / "poses.cs"
    with path.open("wb") as file:
        np.save(file, rows)
    measured = read_measured(path)
    np.testing.assert_allclose(measured.shift, np.tile([3.0, -1.5], (4, 1)))
    assert measured.ctf is None
    with pytest.raises(InputError, match="found no defocus; wanted CTF parameters"):
        simulate("adk", tmp_path / "made", ctf=str(path), **SMALL)
    with path.open("wb") as file:
        np.save(file, rows[["alignments3D/pose", "alignments3D/shift"]])
    with pytest.warns(TableWarning, match="no shifts are taken from it"):
        assert read_measured(path).shift is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "poses.pkl").write_bytes(b"")
    with pytest.raises(
        InputError, match=r'poses\.pkl: found the ending "\.pkl"; wanted .*\.star, \.cs or \.npz'
    ):
        simulate("adk", tmp_path / "made", poses=str(tmp_path / "poses.pkl"), **SMALL)
