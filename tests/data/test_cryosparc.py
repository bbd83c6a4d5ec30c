"""cryoSPARC .cs files: fields, passthrough files, signs, and the way back."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from trimorph.core.errors import InputError
from trimorph.data.cryosparc import write_cs
from trimorph.data.cs_rows import load_cs
from trimorph.data.mrc import write_stack
from trimorph.data.read import read_particles
from trimorph.data.star import write_star
from trimorph.data.tables import TableWarning, make_table

COUNT = 4
BLOB = {
    "uid": np.array([90, 11, 57, 2**63], np.uint64),
    "blob/path": np.array([b">J1/imported/images.mrcs"] * COUNT),
    "blob/idx": np.array([3, 0, 1, 2], np.uint32),
    "blob/shape": np.full((COUNT, 2), 8, np.uint32),
    "blob/psize_A": np.full(COUNT, 1.5, np.float32),
    "blob/sign": np.array([-1, -1, 1, -1], np.float32),
}
VECTORS = np.array([[0.3, -1.2, 0.7], [0.0, 0.0, 0.0], [0.0, 0.0, np.pi / 2], [2.0, 1.0, -1.0]], np.float32)
REST = {
    "alignments3D/pose": VECTORS,
    "alignments3D/shift": np.array([[1, -2], [0, 0], [0.5, 0.25], [3, 4]], np.float32),
    "alignments3D/psize_A": np.full(COUNT, 3.0, np.float32),
    "alignments3D/split": np.array([0, 1, 1, 0], np.uint32),
    "ctf/df1_A": np.array([15000, 16000, 17000, 18000], np.float32),
    "ctf/df2_A": np.array([14000, 15000, 16000, 17000], np.float32),
    "ctf/df_angle_rad": np.array([0.1, 0.2, 0.3, 0.4], np.float32),
    "ctf/accel_kv": np.full(COUNT, 200, np.float32),
    "ctf/cs_mm": np.full(COUNT, 2.7, np.float32),
    "ctf/amp_contrast": np.full(COUNT, 0.1, np.float32),
    "ctf/phase_shift_rad": np.array([0.0, 0.0, 1.5, 0.0], np.float32),
    "ctf/exp_group_id": np.array([5, 9, 9, 5], np.uint32),
    "ctf/tilt_A": np.zeros((COUNT, 2), np.float32),
    "location/micrograph_path": np.array([b"J1/a.mrc", b"J1/b.mrc", b"J1/a.mrc", b"J1/b.mrc"]),
}


def rows(fields: dict[str, NDArray[np.generic]]) -> NDArray[np.void]:
    dtype = [(name, values.dtype, values.shape[1:]) for name, values in fields.items()]
    made = np.zeros(len(next(iter(fields.values()))), dtype=dtype)
    for name, values in fields.items():
        made[name] = values
    return made


def write(path: Path, fields: dict[str, NDArray[np.generic]]) -> Path:
    images = path.parent.parent / "J1" / "imported" / "images.mrcs"
    images.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not images.exists():
        write_stack(images, np.zeros((4, 8, 8), np.float32), 1.5)
    with path.open("wb") as file:
        np.save(file, rows(fields))
    return path


def test_fields_in_canonical_units(tmp_path: Path) -> None:
    table = read_particles(write(tmp_path / "J2" / "particles.cs", BLOB | REST))
    assert table.stacks == (tmp_path / "J1" / "imported" / "images.mrcs",)
    np.testing.assert_array_equal(table.slice, [3, 0, 1, 2])
    np.testing.assert_array_equal(table.sign, [-1, -1, 1, -1])
    np.testing.assert_array_equal(table.half, [1, 2, 2, 1])
    np.testing.assert_array_equal(table.group, [0, 1, 1, 0])
    np.testing.assert_allclose(table.shift, [[3, -6], [0, 0], [1.5, 0.75], [9, 12]])
    expected = Rotation.from_rotvec(VECTORS.astype(float)).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(table.rotation, expected, atol=1e-12)
    np.testing.assert_array_equal(table.rotation[1], np.eye(3))
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.defocus_v, [14000, 15000, 16000, 17000])
    np.testing.assert_allclose(table.ctf.phase_shift, [0, 0, 1.5, 0])
    np.testing.assert_array_equal(table.ctf.voltage, [200] * 4)
    assert list(table.micrograph) == ["J1/a.mrc", "J1/b.mrc", "J1/a.mrc", "J1/b.mrc"]
    np.testing.assert_array_equal(
        read_particles(tmp_path / "J2" / "particles.cs", optics_group=9).row, [1, 2]
    )


def test_passthrough_fields_join_by_uid_and_never_by_row(tmp_path: Path) -> None:
    order = np.array([2, 0, 3, 1])
    whole = read_particles(write(tmp_path / "J2" / "whole.cs", BLOB | REST))
    main = write(tmp_path / "J2" / "main.cs", BLOB)
    extra = {"uid": BLOB["uid"]} | REST
    other = write(
        tmp_path / "J2" / "J2_passthrough.cs", {name: field[order] for name, field in extra.items()}
    )
    assert read_particles(main).ctf is None
    table = read_particles(main, passthrough=[other])
    for name in ("rotation", "shift", "half", "group"):
        np.testing.assert_array_equal(getattr(table, name), getattr(whole, name), err_msg=name)
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.defocus_u, [15000, 16000, 17000, 18000])
    short = write(tmp_path / "J2" / "short.cs", {name: field[:3] for name, field in extra.items()})
    with pytest.raises(InputError, match=rf"row 4: found the uid {2**63}, which .*short.cs lacks"):
        read_particles(main, passthrough=[short])
    swapped = write(tmp_path / "J2" / "poses.cs", extra)
    with pytest.raises(InputError, match=r"blob/path is missing; .* pass --passthrough .*J2_passthrough.cs"):
        read_particles(swapped)


def test_uids_that_occur_twice_or_not_at_all_cannot_join(tmp_path: Path) -> None:
    main = write(tmp_path / "J2" / "main.cs", BLOB)
    twice = write(tmp_path / "J2" / "twice.cs", {"uid": np.array([90, 11, 57, 90], np.uint64)})
    with pytest.raises(InputError, match=r"twice.cs: found the uid 90 twice"):
        read_particles(main, passthrough=[twice])
    without = write(tmp_path / "J2" / "without.cs", REST)
    with pytest.raises(InputError, match=r"without.cs: found no field uid"):
        read_particles(main, passthrough=[without])


def test_ab_initio_poses_and_several_classes(tmp_path: Path) -> None:
    renamed = {name.replace("alignments3D", "alignments_class_0"): field for name, field in REST.items()}
    one = read_particles(write(tmp_path / "J2" / "one.cs", BLOB | renamed))
    three_d = read_particles(write(tmp_path / "J2" / "whole.cs", BLOB | REST))
    np.testing.assert_array_equal(one.rotation, three_d.rotation)
    np.testing.assert_array_equal(one.shift, three_d.shift)
    several = BLOB | renamed | {"alignments_class_1/pose": VECTORS}
    with pytest.raises(InputError, match="found poses for several classes"):
        read_particles(write(tmp_path / "J2" / "several.cs", several))


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    fields = BLOB | REST
    fields = {
        name: field for name, field in fields.items() if name not in ("blob/sign", "ctf/phase_shift_rad")
    }
    fields["ctf/tilt_A"] = np.ones((COUNT, 2), np.float32)
    with pytest.warns(TableWarning) as said:
        table = read_particles(write(tmp_path / "J2" / "a.cs", fields))
    np.testing.assert_array_equal(table.sign, [1, 1, 1, 1])
    told = " ".join(str(warning.message) for warning in said)
    assert "blob/sign is missing; protein is taken to be bright" in told
    assert "ctf/phase_shift_rad is missing; it is taken as 0" in told
    assert "ctf/tilt_A are kept for writing, and not applied" in told


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ctf/df1_A", np.nan, "row 2, column ctf/df1_A: found nan; wanted a finite number"),
        ("alignments3D/pose", [0, np.nan, 0], r"row 2, column alignments3D/pose: found \[ ?0. nan +0.\]"),
        ("alignments3D/shift", [np.inf, 0], "row 2, column alignments3D/shift"),
        ("blob/psize_A", 0.0, "row 2, column blob/psize_A: found 0.0; wanted a number from 0.001"),
        ("blob/sign", 0.5, "row 2, column blob/sign: found 0.5; wanted 1 or -1"),
        ("blob/idx", 4, "row 2: asks for image 5 of .*images.mrcs, which has 4 images"),
        ("blob/shape", [8, 6], r"row 2, column blob/shape: found \[8, 6\]; wanted square images"),
        ("blob/shape", [6, 6], "row 2: states images of 6 pixels, but those in .*images.mrcs have 8"),
        ("blob/path", b">", 'row 2, column blob/path: found ""; wanted the path of a stack'),
        ("ctf/amp_contrast", 7.0, "row 2, column ctf/amp_contrast: found 7.0; wanted a number from 0 to 1"),
    ],
)
def test_a_bad_value_names_file_row_and_field(tmp_path: Path, name: str, value: object, message: str) -> None:
    fields = {key: field.copy() for key, field in (BLOB | REST).items()}
    fields[name][1] = value
    path = write(tmp_path / "J2" / "bad.cs", fields)
    with pytest.raises(InputError, match=message) as error:
        read_particles(path)
    assert str(error.value).startswith(f"{path}: ")


def test_fields_of_another_shape_or_type_are_errors(tmp_path: Path) -> None:
    fields = BLOB | REST | {"alignments3D/pose": np.zeros(COUNT, np.float32)}
    with pytest.raises(InputError, match=r"field alignments3D/pose: .* wanted 3 numbers a row"):
        read_particles(write(tmp_path / "J2" / "a.cs", fields))
    fields = BLOB | {"blob/path": np.zeros(COUNT, np.float32)}
    with pytest.raises(InputError, match="field blob/path: found type float32; wanted text"):
        read_particles(write(tmp_path / "J2" / "b.cs", fields))


@pytest.mark.parametrize("content", [b"", b"not numpy", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_files_that_are_not_cs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.cs"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.cs: found a file that numpy cannot read"):
        read_particles(path)


@given(place=st.integers(0, 2500), text=st.binary(max_size=4), cut=st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_is_an_input_error_or_a_finite_table(place: int, text: bytes, cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write(Path(folder) / "J2" / "a.cs", BLOB | REST)
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + text + whole[place + cut :])
        try:
            table = read_particles(path)
        except (InputError, OSError):
            return
    for array in (table.pixel_size, table.rotation, table.shift, table.ctf and table.ctf.defocus_u):
        assert array is None or np.isfinite(array).all()


def test_plain_arrays_empty_files_and_csdat(tmp_path: Path) -> None:
    path = tmp_path / "a.cs"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="found no named fields"):
        read_particles(path)
    with path.open("wb") as file:
        np.save(file, rows(BLOB)[:0])
    with pytest.raises(InputError, match="found no rows"):
        read_particles(path)
    path.write_bytes(b"\x95CSDAT\x00\x00")
    with pytest.raises(InputError, match=r"CSDAT"):
        read_particles(path)


def test_csdat_files_read_as_the_others_do(tmp_path: Path) -> None:
    dataset = pytest.importorskip("cryosparc.dataset")
    plain = write(tmp_path / "J2" / "plain.cs", BLOB | REST)
    dataset.Dataset.load(str(plain)).save(str(plain.with_name("new.cs")), format=dataset.CSDAT_FORMAT)
    new = load_cs(plain.with_name("new.cs"))
    old = load_cs(plain)
    assert new.dtype.names == old.dtype.names
    for name in BLOB | REST:
        np.testing.assert_array_equal(new[name], old[name], err_msg=name)


def test_a_selection_is_written_with_every_field_and_the_same_types(tmp_path: Path) -> None:
    path = write(tmp_path / "J2" / "particles.cs", BLOB | REST)
    table = read_particles(path).select([3, 1])
    write_cs(table, tmp_path / "part.cs")
    part = load_cs(tmp_path / "part.cs")
    assert part.dtype == load_cs(path).dtype
    np.testing.assert_array_equal(part, load_cs(path)[[3, 1]])
    with pytest.raises(FileExistsError, match="--overwrite"):
        write_cs(table, tmp_path / "part.cs")
    with pytest.raises(InputError, match="found no cryoSPARC fields"):
        write_cs(make_table(tmp_path / "a.mrcs", 1, pixel_size=1.0, box=8), tmp_path / "b.cs")
    with pytest.raises(InputError, match="row 1: images with protein dark"):
        write_star(table, tmp_path / "part.star")
    assert not (tmp_path / "part.star").exists()
