"""cryoDRGN's pickles: what their numbers mean, and that they cannot run code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import random_rotations
from trimorph.data.cryodrgn import read_latents, write_ctf, write_index, write_latents, write_poses
from trimorph.data.mrc import write_stack
from trimorph.data.pickles import read_arrays
from trimorph.data.read import read_particles
from trimorph.data.tables import ParticleTable, make_table

COUNT = 5
ROTATION = random_rotations(COUNT, generator=torch.Generator().manual_seed(1)).numpy()
FRACTION = np.array([[0.1, -0.05], [0.0, 0.0], [0.25, 0.5], [-0.125, 0.0], [0.01, 0.02]])
CTF_ROWS = np.array([[16, 1.25, 15000 + i, 14000, 30.0, 300, 2.7, 0.1, 90.0] for i in range(COUNT)])


def save(path: Path, *objects: object, protocol: int = 4) -> Path:
    with path.open("wb") as file:
        for item in objects:
            pickle.dump(item, file, protocol=protocol)
    return path


def images(path: Path, count: int = COUNT, box: int = 8, pixel_size: float = 2.0) -> Path:
    write_stack(path, np.zeros((count, box, box), np.float32), pixel_size)
    return path


def made(tmp_path: Path) -> ParticleTable:
    return make_table(
        tmp_path / "images.mrcs",
        COUNT,
        pixel_size=2.5,
        box=8,
        rotation=ROTATION,
        shift=FRACTION * 20,
        ctf=CTF(defocus_u=CTF_ROWS[:, 2], defocus_v=14000.0, defocus_angle=np.pi / 6, phase_shift=np.pi / 2),
    )


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_poses_and_ctf_of_a_downsampled_stack(tmp_path: Path, protocol: int) -> None:
    stack = images(tmp_path / "images.mrcs")
    poses = save(tmp_path / "poses.pkl", (ROTATION.astype("f4"), FRACTION.astype("f4")), protocol=protocol)
    ctf = save(tmp_path / "ctf.pkl", CTF_ROWS.astype("f4"), protocol=protocol)
    table = read_particles(stack, poses=poses, ctf=ctf)
    np.testing.assert_allclose(table.pixel_size, 2.5)  # 16 pixels of 1.25 Å are 8 of 2.5
    np.testing.assert_array_equal(table.box, 8)
    np.testing.assert_allclose(table.shift, FRACTION * 20.0, rtol=1e-6)  # of a box of 20 Å
    np.testing.assert_allclose(table.rotation, ROTATION, atol=1e-7)
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.defocus_u, CTF_ROWS[:, 2])
    np.testing.assert_allclose(table.ctf.defocus_angle, np.pi / 6)
    np.testing.assert_allclose(table.ctf.phase_shift, np.pi / 2)
    np.testing.assert_array_equal(table.ctf.voltage, 300)


def test_pixel_size_is_the_one_given_else_the_ctf_files_else_the_headers(tmp_path: Path) -> None:
    stack = images(tmp_path / "images.mrcs")
    ctf = save(tmp_path / "ctf.pkl", CTF_ROWS)
    np.testing.assert_allclose(read_particles(stack).pixel_size, 2.0)
    np.testing.assert_allclose(read_particles(stack, ctf=ctf, pixel_size=2.6).pixel_size, 2.6)
    blank = images(tmp_path / "blank.mrcs", pixel_size=0.0)
    with pytest.raises(
        InputError, match=r"blank.mrcs: found the pixel size .* in the header; .*--source-pixel-size"
    ):
        read_particles(blank)


def test_a_list_of_stacks(tmp_path: Path) -> None:
    first, second = images(tmp_path / "a.mrcs", 2), images(tmp_path / "b.mrcs", 3, box=8)
    (tmp_path / "list.txt").write_text(f"a.mrcs\n\n{second}\n")
    table = read_particles(tmp_path / "list.txt")
    assert table.stacks == (first, second)
    np.testing.assert_array_equal(table.stack, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(table.slice, [0, 1, 0, 1, 2])
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="found an empty list"):
        read_particles(tmp_path / "list.txt")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    stack, table = images(tmp_path / "images.mrcs"), made(tmp_path)
    write_poses(table, tmp_path / "poses.pkl")
    write_ctf(table, tmp_path / "ctf.pkl")
    back = read_particles(stack, poses=tmp_path / "poses.pkl", ctf=tmp_path / "ctf.pkl")
    np.testing.assert_allclose(back.shift, table.shift, atol=1e-5)
    np.testing.assert_allclose(back.rotation, table.rotation, atol=1e-6)
    np.testing.assert_allclose(back.pixel_size, 2.5)
    assert back.ctf is not None
    np.testing.assert_allclose(back.ctf.defocus_angle, np.pi / 6, rtol=1e-6)
    rotation, fraction = pickle.loads((tmp_path / "poses.pkl").read_bytes())
    assert rotation.dtype == fraction.dtype == np.float32
    np.testing.assert_allclose(fraction, FRACTION, atol=1e-6)
    rows = pickle.loads((tmp_path / "ctf.pkl").read_bytes())
    np.testing.assert_allclose(rows[0], [8, 2.5, 15000, 14000, 30, 300, 2.7, 0.1, 90], rtol=1e-6)
    with pytest.raises(FileExistsError, match="--overwrite"):
        write_poses(table, tmp_path / "poses.pkl")


def test_latents_are_followed_by_their_variances(tmp_path: Path) -> None:
    mean, log_variance = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    write_latents(mean, tmp_path / "z.0.pkl", log_variance=log_variance)
    np.testing.assert_array_equal(read_latents(tmp_path / "z.0.pkl"), mean)
    with (tmp_path / "z.0.pkl").open("rb") as file:
        np.testing.assert_array_equal(pickle.load(file), mean)
        np.testing.assert_array_equal(pickle.load(file), log_variance)
    write_index(np.array([4, 1]), tmp_path / "ind.pkl")
    np.testing.assert_array_equal(read_arrays(tmp_path / "ind.pkl"), [4, 1])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((ROTATION * 1.1, FRACTION), r"poses.pkl: row 1: found .* which is not a rotation; wanted"),
        ((ROTATION * [1.0, 1.0, -1.0], FRACTION), "row 1: found .* which is not a rotation"),
        ((ROTATION, FRACTION * 16), r"row 1: found the shift .*; wanted fractions of the box"),
        ((np.where(ROTATION[3, 0, 0] == ROTATION, np.nan, ROTATION), FRACTION), "row 4, column rotation"),
        ((ROTATION[:3], FRACTION[:3]), "found 3 rotations; wanted 5, one for each image"),
        ((ROTATION, FRACTION[:3]), "found 3 shifts; wanted 5"),
        ((ROTATION.reshape(COUNT, 9), FRACTION), "wanted rotations"),
        ((ROTATION, FRACTION, FRACTION), "found 3 arrays; wanted rotations and shifts"),
        ({"rot": ROTATION}, "found dict; wanted rotations"),
        ("text", "found str; wanted rotations"),
    ],
)
def test_bad_poses(tmp_path: Path, found: object, message: str) -> None:
    stack, poses = images(tmp_path / "images.mrcs"), save(tmp_path / "poses.pkl", found)
    with pytest.raises(InputError, match=message):
        read_particles(stack, poses=poses)


def test_rotations_alone_have_shifts_of_zero(tmp_path: Path) -> None:
    table = read_particles(images(tmp_path / "images.mrcs"), poses=save(tmp_path / "poses.pkl", ROTATION))
    np.testing.assert_array_equal(table.shift, np.zeros((COUNT, 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:, :8], "found CTF rows of 8 numbers; wanted 9"),
        (lambda rows: rows[:4], "found 4 CTF rows; wanted 5"),
        (
            lambda rows: np.where(rows == 90.0, np.nan, rows),
            "row 1, column phase shift: found nan; wanted a finite",
        ),
        (
            lambda rows: rows * [1, 1, 1, 1, 1, 0, 1, 1, 1],
            "row 1, column voltage: found 0.0; wanted a number from 1",
        ),
    ],
)
def test_bad_ctf(tmp_path: Path, change: object, message: str) -> None:
    stack, ctf = images(tmp_path / "images.mrcs"), save(tmp_path / "ctf.pkl", change(CTF_ROWS))
    with pytest.raises(InputError, match=message):
        read_particles(stack, ctf=ctf)


class _Harmful:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    harmful = save(tmp_path / "poses.pkl", _Harmful(tmp_path / "made"))
    with pytest.raises(
        InputError, match=r"poses.pkl: found a pickle that wants \w+.mkdir; wanted numpy arrays"
    ):
        read_arrays(harmful)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04", b"not a pickle", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f."]
)
def test_damaged_pickles(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ind.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"ind.pkl: found something else than a pickle of numpy arrays"):
        read_arrays(path)


def test_nothing_to_write(tmp_path: Path) -> None:
    bare = make_table(tmp_path / "images.mrcs", COUNT, pixel_size=2.5, box=8)
    with pytest.raises(InputError, match="found no poses"):
        write_poses(bare, tmp_path / "poses.pkl")
    with pytest.raises(InputError, match="found no CTF"):
        write_ctf(bare, tmp_path / "ctf.pkl")
    assert list(tmp_path.iterdir()) == []
