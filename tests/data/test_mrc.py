"""MRC files: what others wrote is read right, what is damaged is refused in words."""

from __future__ import annotations

import gzip
import struct

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimorph.core.errors import InputError
from trimorph.data import mrc
from trimorph.data.mrc_header import LENGTH, parse_header

MODES = {0: np.int8, 1: np.int16, 2: np.float32, 6: np.uint16, 12: np.float16}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_in_either_byte_order(tmp_path, mode, order):
    numbers = np.random.default_rng(mode).integers(0, 100, (5, 6, 6))
    path = tmp_path / "a.mrcs"
    with mrcfile.new(path) as file:
        file.set_data(numbers.astype(MODES[mode]))
        file.voxel_size = 1.5
    if order == ">":
        raw = path.read_bytes()
        from mrcfile.dtypes import HEADER_DTYPE

        header = np.frombuffer(raw[:1024], HEADER_DTYPE.newbyteorder("<")).copy()
        swapped = header.astype(HEADER_DTYPE.newbyteorder(">"))
        swapped["machst"] = (0x11, 0x11, 0, 0)
        data = np.frombuffer(raw[1024:], np.dtype(MODES[mode]).newbyteorder("<"))
        path.write_bytes(swapped.tobytes() + data.astype(data.dtype.newbyteorder(">")).tobytes())
        with mrcfile.open(path) as file:
            np.testing.assert_array_equal(file.data, numbers)
    stack = mrc.open_stack(path)
    assert stack.shape == (5, 6, 6)
    assert stack.pixel_size == pytest.approx(1.5)
    read = stack.read(np.array([4, 0]))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, numbers[[4, 0]])


def test_written_map_is_valid_and_comes_back(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    path = tmp_path / "a.mrc"
    mrc.write_map(path, values, 1.25, origin=(1.0, -2.0, 3.0))
    assert mrcfile.validate(path)
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data, values)
        assert file.is_volume()
        assert float(file.voxel_size.z) == 1.25
    back = mrc.read_map(path)
    np.testing.assert_array_equal(back.values, values)
    assert (back.pixel_size, back.origin) == (1.25, (1.0, -2.0, 3.0))
    with pytest.raises(FileExistsError):
        mrc.write_map(path, values, 1.0)
    assert mrc.read_map(path).pixel_size == 1.25


def test_written_stack_is_valid_and_needs_all_its_images(tmp_path):
    images = np.random.default_rng(0).normal(size=(7, 6, 6)).astype(np.float32)
    path = tmp_path / "a.mrcs"
    mrc.write_stack(path, images, 2.0)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as file:
        assert file.is_image_stack()
        np.testing.assert_array_equal(file.data, images)
    with (
        pytest.raises(ValueError, match="found 3 images; wanted 7"),
        mrc.stack_writer(tmp_path / "b.mrcs", count=7, box=6, pixel_size=2.0) as writer,
    ):
        writer.write(images[:3])
    assert not (tmp_path / "b.mrcs").exists()


def test_axis_order_and_nstart_are_honoured(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)  # z, y, x
    for axes in [(1, 2, 3), (3, 1, 2), (2, 1, 3), (3, 2, 1)]:
        path = tmp_path / "a.mrc"
        stored = values.transpose([3 - axis for axis in axes[::-1]])
        with mrcfile.new(path, overwrite=True) as file:
            file.set_data(np.ascontiguousarray(stored))
            file.header.mx, file.header.my, file.header.mz = 5, 4, 3
            file.header.cella = (10.0, 8.0, 6.0)
            file.header.mapc, file.header.mapr, file.header.maps = axes
            starts = {1: 7, 2: 8, 3: 9}
            file.header.nxstart, file.header.nystart, file.header.nzstart = (starts[axis] for axis in axes)
        density, pixel_size, origin = mrc.read_map(path)
        np.testing.assert_array_equal(density, values)
        assert (pixel_size, origin) == (2.0, (14.0, 16.0, 18.0))


def test_maps_of_other_programs(shared):
    spike = mrc.read_map(shared("maps/6vyb.64.mrc"))  # zero machine stamp
    assert spike.values.shape == (64, 64, 64)
    assert spike.pixel_size == pytest.approx(6.0)
    assert spike.values.std() == pytest.approx(0.02585, rel=1e-3)
    for name in ("maps/EMD-3001.map", "maps/emd_8216.map.gz"):
        path = shared(name)
        with mrcfile.open(path, permissive=True) as file:
            sections, rows, columns = file.data.shape
            assert (file.header.mapc, file.header.mapr, file.header.maps) == (3, 1, 2)  # z fastest, y slowest
            truth = file.data[2, 3, 4]
        density = mrc.read_map(path, pixel_size=0.4).values
        assert density.shape == (columns, sections, rows)
        assert density[4, 2, 3] == truth
        with pytest.raises(InputError, match=r"found voxels of .* wanted cubes.*one pixel size"):
            mrc.read_map(path)
    tiny = mrc.read_header(shared("maps/EMD-3197.map"))
    assert tiny.origin == pytest.approx((-2 * 11.4, 0.0, 0.0), abs=60)
    assert tiny.origin[0] == pytest.approx(-22.8, rel=1e-3)


def test_map_without_voxel_size_asks_for_one(shared):
    path = shared("maps/clean70SRibosome_vol_65p.mrc")
    with pytest.raises(InputError, match=r"found no voxel size.*Pass the pixel size"):
        mrc.read_map(path)
    assert mrc.read_map(path, pixel_size=4.0).pixel_size == 4.0


def test_damaged_files_are_named_with_what_to_do(tmp_path):
    images = np.ones((4, 8, 8), np.float32)
    path = tmp_path / "a.mrcs"
    mrc.write_stack(path, images, 2.0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(
        InputError, match=r"a\.mrcs: found 2047 bytes, which hold 3 whole images; wanted 2048"
    ):
        mrc.open_stack(path)
    with pytest.raises(InputError, match=r"truncated: copy it again"):
        mrc.read_map(path)
    path.write_bytes(whole[:100])
    with pytest.raises(InputError, match="found 100 bytes"):
        mrc.open_stack(path)
    path.write_bytes(struct.pack("<4i", 8, 8, 4, 4) + whole[16:])
    with pytest.raises(InputError, match="MRC mode 4, complex"):
        mrc.open_stack(path)
    path.write_bytes(b"#" * 4096)
    with pytest.raises(InputError, match=r"make no sense"):
        mrc.open_stack(path)
    path.write_bytes(gzip.compress(whole))
    with pytest.raises(InputError, match="Run gunzip"):
        mrc.open_stack(path)
    path.write_bytes(gzip.compress(whole)[:-12])
    with pytest.raises(InputError, match="damaged gzip"):
        mrc.read_map(path)
    with pytest.raises(FileNotFoundError, match="found no such file"):
        mrc.open_stack(tmp_path / "none.mrcs")


def test_map_with_nan_is_refused(tmp_path):
    values = np.zeros((4, 4, 4), np.float32)
    values[1, 2, 3] = np.nan
    mrc.write_map(tmp_path / "a.mrc", values, 1.0)
    with pytest.raises(InputError, match=r"found 1 voxels that are NaN"):
        mrc.read_map(tmp_path / "a.mrc")


_WORD = st.one_of(st.integers(-4, 130), st.integers(-(2**31), 2**31 - 1))


@settings(max_examples=300, deadline=None)
@given(
    words=st.dictionaries(st.integers(0, 255), _WORD, max_size=12),
    order=st.sampled_from("<>"),
    tail=st.integers(0, 600),
)
def test_any_header_is_read_or_refused_in_words(tmp_path_factory, words, order, tail):
    raw = np.frombuffer(
        mrc.build_header((2, 4, 4), pixel_size=1.0, stack=True), dtype="<i4", count=LENGTH // 4
    ).astype(order + "i4")
    for place, value in words.items():
        raw[place] = value
    path = tmp_path_factory.getbasetemp() / "any.mrcs"
    path.write_bytes(raw.tobytes() + b"\0" * tail)
    try:
        header = parse_header(raw.tobytes(), path)
        assert min(header.shape) > 0
        assert np.isfinite(header.voxel_size + header.origin).all()
        stack = mrc.open_stack(path)
        assert stack.read(np.array([0])).shape == (1, *stack.shape[1:])
        mrc.read_map(path)
    except InputError as error:
        said = str(error)
        assert "found" in said and "wanted" in said  # noqa: PT018


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=1100))
def test_any_bytes_are_refused_in_words(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "bytes.mrc"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"found (.|\n)*wanted"):
        mrc.read_map(path)
