"""Real files of RELION, cryoSPARC, Warp and others, read as they are."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from trimorph.core.ctf import CTF_PARAMETERS
from trimorph.core.errors import InputError
from trimorph.data.cryosparc import write_cs
from trimorph.data.cs_rows import load_cs
from trimorph.data.mrc import open_stack
from trimorph.data.read import read_particles
from trimorph.data.selection import select_particles
from trimorph.data.star import write_star
from trimorph.data.star_blocks import read_blocks
from trimorph.data.tables import TableWarning

Shared = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        yield


def test_relion_30_and_31_of_the_same_particles_give_one_table(shared: Shared) -> None:
    """The two files differ in three things, and the tables in these alone.

    1. Pixel size: 5 um / 37369.2 = 1.338 Å in the one, 1.4 Å in the optics block of the other.
    2. Origins: the same numbers, as pixels in the one and as Å in the other.
    3. The row of image 15: the 3.1 file has the pose and y origin of image 14 there.
    """
    stack = shared("particles/aspire_sample.mrcs")
    old = read_particles(shared("particles/aspire_sample_particles_relion30.star"), stack_path=stack)
    new = read_particles(shared("particles/aspire_sample_particles_relion31.star"), stack_path=stack)
    assert len(old) == len(new) == 17
    np.testing.assert_array_equal(old.slice, new.slice)
    np.testing.assert_array_equal(old.box, new.box)
    np.testing.assert_array_equal(old.half, new.half)
    np.testing.assert_allclose(old.pixel_size, 5.0 * 1e4 / 37369.207031)
    np.testing.assert_array_equal(new.pixel_size, 1.4)
    assert old.ctf is not None
    assert new.ctf is not None
    for name in CTF_PARAMETERS:
        np.testing.assert_array_equal(getattr(old.ctf, name), getattr(new.ctf, name), err_msg=name)
    np.testing.assert_array_equal(new.ctf.voltage, [300.0] * 8 + [200.0] * 9)
    same = np.arange(17) != 14
    assert old.rotation is not None
    assert new.rotation is not None
    np.testing.assert_array_equal(old.rotation[same], new.rotation[same])
    np.testing.assert_array_equal(new.rotation[14], new.rotation[13])
    assert np.abs(old.rotation[14] - new.rotation[14]).max() > 0.5
    assert old.shift is not None
    assert new.shift is not None
    np.testing.assert_allclose(old.shift[same] / old.pixel_size[same, None], new.shift[same], rtol=1e-12)


def test_star_and_cs_of_the_same_images_have_one_ctf(shared: Shared) -> None:
    stack = shared("particles/empiar_10076_7.mrcs")
    star = read_particles(shared("particles/empiar_10076_7.star"), stack_path=stack)
    cs = read_particles(shared("particles/empiar_10076_7.cs"), stack_path=stack)
    assert len(star) == len(cs) == 7
    assert star.rotation is None
    assert cs.rotation is None
    np.testing.assert_array_equal(star.slice, cs.slice)
    np.testing.assert_allclose(star.pixel_size, cs.pixel_size, rtol=1e-7)
    assert star.ctf is not None
    assert cs.ctf is not None
    for name in CTF_PARAMETERS:
        np.testing.assert_allclose(
            getattr(star.ctf, name), getattr(cs.ctf, name), rtol=1e-6, atol=1e-6, err_msg=name
        )


def test_the_sign_of_a_cs_file_makes_protein_bright(shared: Shared) -> None:
    stack = shared("particles/empiar_10076_7.mrcs")
    table = read_particles(shared("particles/empiar_10076_7.cs"), stack_path=stack)
    y, x = np.mgrid[:320, :320] - 160
    radius = np.hypot(x, y)
    images = open_stack(table.stacks[0]).read(table.slice) * table.sign[:, None, None]
    contrast = images[:, radius < 60].mean(axis=1) - images[:, radius > 140].mean(axis=1)
    assert (contrast > 0.02).all()


def test_filaments_of_relion_31(shared: Shared) -> None:
    table = read_particles(
        shared("particles/relion31_filaments.star"), stack_path=shared("particles/relion31_filaments.mrcs")
    )
    assert len(table) == 5
    np.testing.assert_array_equal(table.pixel_size, 2.806)
    np.testing.assert_array_equal(table.box, 256)
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.spherical_aberration, 0.01)
    assert table.shift is not None
    np.testing.assert_allclose(table.shift[0], [0.019324, -0.64686])
    with pytest.raises(
        FileNotFoundError, match=r"names the stack relion31.mrcs, which was not found. Looked for"
    ):
        read_particles(shared("particles/relion31_filaments.star"))


def test_relion_31_with_origins_in_pixels_alone(shared: Shared) -> None:
    table = read_particles(shared("golden/rln_proj_64_shifted.star"))
    np.testing.assert_array_equal(table.shift, [[6, 10], [10, -5], [-8, 11], [-13, -3]])
    assert table.ctf is None
    centred = read_particles(shared("golden/rln_proj_64_centered.star"))
    np.testing.assert_array_equal(centred.shift, np.zeros((4, 2)))
    np.testing.assert_array_equal(table.rotation, centred.rotation)


def test_origins_in_angstrom_come_before_those_in_pixels(shared: Shared) -> None:
    table = read_particles(shared("golden/relion_proj_batch_pfac3.star"))
    assert len(table) == 24
    assert table.shift is not None
    np.testing.assert_allclose(table.shift[0], [-11.69620, -4.61620], atol=1e-4)
    np.testing.assert_allclose(table.shift[0] / 3.54, [-3.30401, -1.30401], atol=1e-4)


def test_six_optics_groups_of_two_pixel_sizes(shared: Shared) -> None:
    star = shared("metadata/relion31.6opticsgroups.star")
    table = read_particles(star, need_images=False)
    assert len(table) == 139
    np.testing.assert_array_equal(np.unique(table.group), np.arange(6))
    expected = np.array([1.25, 1.24, 1.25, 1.25, 1.24, 1.25])
    np.testing.assert_array_equal(table.pixel_size, expected[table.group])
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.spherical_aberration, np.where(table.group == 3, 2.6, 2.7))
    np.testing.assert_array_equal(table.box, 196)
    one = read_particles(star, need_images=False, optics_group=2)
    assert set(one.pixel_size) == {1.24}
    assert 0 < len(one) < 139


def test_relion_5_at_100_kv_with_two_stacks(shared: Shared) -> None:
    table = read_particles(shared("metadata/relion5.star"), need_images=False)
    assert len(table) == 17
    assert [path.name for path in table.stacks] == ["toy_images_a.mrcs", "toy_images_b.mrcs"]
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.voltage, 100.0)
    np.testing.assert_array_equal(table.ctf.spherical_aberration, 1.6)
    np.testing.assert_array_equal(table.box, 448)


def test_zernike_lists_in_brackets(shared: Shared) -> None:
    table = read_particles(shared("metadata/isecc_test.star"), need_images=False)
    np.testing.assert_array_equal(table.box, [300])
    np.testing.assert_allclose(table.shift, [[-0.73605, 0.36395]])


def test_a_whole_refinement_reads_and_writes_back_token_for_token(shared: Shared, tmp_path: Path) -> None:
    text = gzip.decompress(
        shared("metadata/relion31_betagal_refine3d_run_it016_data.star.gz").read_bytes()
    ).decode()
    star = tmp_path / "run_it016_data.star"
    star.write_text(text)
    table = read_particles(star, need_images=False)
    assert len(table) == 4748
    np.testing.assert_array_equal(table.pixel_size, 1.244835)
    write_star(table, tmp_path / "again.star")
    rows = [line.split() for line in text.split("\n") if "@Polish" in line]
    particles = read_blocks(tmp_path / "again.star")["particles"]
    assert particles.to_numpy().tolist() == rows
    write_star(table.select(np.flatnonzero(np.asarray(table.half) == 1)), tmp_path / "half1.star")
    chosen = select_particles(table, subset=tmp_path / "half1.star")
    np.testing.assert_array_equal(chosen.row, select_particles(table, half=1).row)


def test_a_cryosparc_export_writes_back_with_every_field(shared: Shared, tmp_path: Path) -> None:
    path = shared("metadata/cryosparc_J2_particles_exported.cs")
    table = read_particles(path, need_images=False)
    assert len(table) == 22
    assert table.rotation is None  # it has alignments2D alone
    np.testing.assert_array_equal(table.sign, -1)
    np.testing.assert_array_equal(table.box, 300)
    assert table.columns.groups == (0,)
    write_cs(table.select([20, 3]), tmp_path / "part.cs")
    part = load_cs(tmp_path / "part.cs")
    assert part.dtype == load_cs(path).dtype
    np.testing.assert_array_equal(part, load_cs(path)[[20, 3]])
    np.testing.assert_array_equal(select_particles(table, subset=tmp_path / "part.cs").row, [3, 20])


def test_tilt_images_with_another_stack_and_pixel_size(shared: Shared) -> None:
    star = shared("cryoet/sta_testing_bin8.star")
    stack = shared("cryoet/ay19102021_L3_position6_ribo_bin8.mrcs")
    with pytest.raises(FileNotFoundError, match=r"ribo_it09_bin8_1.82A.mrcs, which was not found"):
        read_particles(star)
    with pytest.warns(TableWarning, match="rlnCtfBfactor is never positive"):
        table = read_particles(star, stack_path=stack, pixel_size=14.56)
    assert len(table) == 219
    assert open_stack(stack).shape == (220, 64, 64)
    np.testing.assert_array_equal(table.slice, np.arange(219))
    np.testing.assert_array_equal(table.pixel_size, 14.56)
    np.testing.assert_array_equal(table.shift, np.zeros((219, 2)))
    np.testing.assert_array_equal(read_particles(star, stack_path=stack).pixel_size, 1.96)
    assert table.ctf is not None
    assert table.ctf.b_factor.min() == 13.0


def test_a_magnification_that_is_missing_asks_for_the_pixel_size(shared: Shared) -> None:
    star = shared("simulated/tomodrgn/10076_classD_32_sim.star")
    stack = shared("simulated/tomodrgn/10076_classD_32_sim.mrcs")
    with pytest.raises(InputError, match="rlnDetectorPixelSize together with rlnMagnification"):
        read_particles(star, stack_path=stack)
    table = read_particles(star, stack_path=stack, pixel_size=13.1)
    assert len(table) == 576
    assert table.shift is not None
    np.testing.assert_allclose(table.shift[0], np.array([-2.672172, -2.528634]) * 13.1)
