"""ParticleTable: rows stay together, and a selection is checked."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.core.ctf import CTF, CTF_PARAMETERS
from trimorph.core.errors import InputError
from trimorph.core.rotations import random_rotations
from trimorph.data.tables import ParticleTable, make_table


def table(count: int = 7) -> ParticleTable:
    number = np.arange(count, dtype=np.float64)
    return make_table(
        Path("images.mrcs"),
        count,
        pixel_size=1.5,
        box=32,
        rotation=random_rotations(count, generator=torch.Generator().manual_seed(0)).numpy(),
        shift=np.stack([number, -number], axis=1),
        ctf=CTF(defocus_u=1e4 + number, defocus_v=9e3 + number, voltage=200.0),
        half=np.arange(count) % 2 + 1,
        group=np.arange(count) // 3,
    )


@pytest.mark.parametrize(
    "index",
    [np.array([5, 0, 3]), np.array([5, 0, 3], dtype=np.uint32), np.array([True, False] * 3 + [True])],
    ids=["int64", "uint32", "bool"],
)
def test_select_keeps_everything_aligned(index: np.ndarray) -> None:
    whole = table()
    part = whole.select(index)
    rows = np.flatnonzero(index) if index.dtype == bool else index.astype(int)
    assert len(part) == len(rows)
    for name in ("slice", "row", "rotation", "shift", "half", "group", "pixel_size", "box", "sign", "stack"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows], err_msg=name)
    assert part.ctf is not None
    assert whole.ctf is not None
    for name in CTF_PARAMETERS:
        np.testing.assert_array_equal(getattr(part.ctf, name), getattr(whole.ctf, name)[rows], err_msg=name)
    np.testing.assert_array_equal(part.select([1]).row, [rows[1]])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([], "the selection is empty; wanted some of 7 particles"),
        (np.zeros(7, bool), "the selection is empty"),
        ([7], r"asks for row 7 \(from 0\); wanted numbers from 0 to 6"),
        ([-1], "asks for row -1"),
        (np.ones(6, bool), "one boolean for each of 7 particles"),
        ([0.5], "type float64"),
    ],
)
def test_bad_selections_are_errors(index: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table().select(index)


def test_rows_of_different_numbers_are_an_error() -> None:
    with pytest.raises(InputError, match=r"3 images, but found .*'shift': 2"):
        make_table(Path("a.mrcs"), 3, pixel_size=1.0, box=8, shift=np.zeros((2, 2)))


def test_poses_without_shifts_have_shifts_of_zero_and_numbers_spread_over_images() -> None:
    made = make_table(
        Path("a.mrcs"),
        2,
        pixel_size=1.0,
        box=8,
        rotation=np.stack([np.eye(3)] * 2),
        ctf=CTF(defocus_u=np.array([1.0, 2.0]), defocus_v=3.0),
    )
    assert made.ctf is not None
    np.testing.assert_array_equal(made.shift, np.zeros((2, 2)))
    np.testing.assert_array_equal(made.ctf.defocus_v, [3.0, 3.0])
    assert made.ctf.phase_shift.dtype == np.float64
