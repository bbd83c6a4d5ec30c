"""RELION star files: what columns mean, what is missing, what is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from star_files import OPTICS, PARTICLES, loop, without, write_files

from trimorph.core.errors import InputError
from trimorph.data.read import read_particles
from trimorph.data.star import write_star
from trimorph.data.star_blocks import read_blocks
from trimorph.data.tables import TableWarning, make_table


def test_relion_31_columns_in_canonical_units(tmp_path: Path) -> None:
    table = read_particles(write_files(tmp_path))
    assert len(table) == 3
    assert table.stacks == (tmp_path / "images.mrcs",)
    np.testing.assert_array_equal(table.slice, [0, 2, 1])
    np.testing.assert_array_equal(table.box, [8, 8, 8])
    np.testing.assert_array_equal(table.pixel_size, [1.5, 1.5, 1.5])
    np.testing.assert_array_equal(table.half, [1, 2, 1])
    np.testing.assert_array_equal(table.sign, [1, 1, 1])
    assert list(table.micrograph) == ["a.mrc", "b.mrc", "a.mrc"]
    np.testing.assert_array_equal(table.shift, [[3.0, -2.0], [-1.5, 0.5], [0.0, 0.0]])
    published = [  # an independent program's matrix of the first row's Euler angles
        [0.90571941, 0.21306972, 0.36643367],
        [-0.27142096, 0.95553406, 0.11526193],
        [-0.32558103, -0.20385275, 0.92327734],
    ]
    assert table.rotation is not None
    np.testing.assert_allclose(table.rotation[0], published, atol=1e-7)
    np.testing.assert_allclose(table.rotation[1], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-15)
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.defocus_u, [15000.0, 16000.0, 17000.0])
    np.testing.assert_allclose(table.ctf.defocus_angle, [np.pi / 4, 0.0, -np.pi / 6])
    np.testing.assert_allclose(table.ctf.phase_shift, [0.0, np.pi / 2, 0.0])
    np.testing.assert_array_equal(table.ctf.voltage, [300.0] * 3)
    np.testing.assert_array_equal(table.ctf.b_factor, [0.0] * 3)
    np.testing.assert_array_equal(table.ctf.scale, [1.0] * 3)


def test_relion_30_has_origins_in_pixels_and_its_own_pixel_size(tmp_path: Path) -> None:
    particles = without(PARTICLES, "rlnOpticsGroup", "rlnOriginXAngst", "rlnOriginYAngst") | {
        "rlnOriginX": [2.0, 0.0, -1.0],
        "rlnOriginY": [1.0, 0.0, 3.0],
        "rlnVoltage": [200.0] * 3,
        "rlnSphericalAberration": [1.4] * 3,
        "rlnAmplitudeContrast": [0.07] * 3,
        "rlnDetectorPixelSize": [5.0] * 3,
        "rlnMagnification": [25000.0] * 3,
    }
    table = read_particles(write_files(tmp_path, optics=None, particles=particles))
    np.testing.assert_allclose(table.pixel_size, [2.0] * 3)
    np.testing.assert_allclose(table.shift, [[4.0, 2.0], [0.0, 0.0], [-2.0, 6.0]])
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.amplitude_contrast, [0.07] * 3)


def test_optics_groups_are_joined_by_number_and_sizes_kept_per_row(tmp_path: Path) -> None:
    optics = {name: values[0:1] * 2 for name, values in OPTICS.items()} | {
        "rlnOpticsGroup": [7, 3],
        "rlnVoltage": [200.0, 300.0],
        "rlnImagePixelSize": [1.24, 1.25],
    }
    particles = PARTICLES | {"rlnOpticsGroup": [3, 7, 3]}
    star = write_files(tmp_path, optics=optics, particles=particles)
    table = read_particles(star)
    np.testing.assert_array_equal(table.pixel_size, [1.25, 1.24, 1.25])
    np.testing.assert_array_equal(table.group, [1, 0, 1])
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.voltage, [300.0, 200.0, 300.0])
    one = read_particles(star, optics_group=3)
    np.testing.assert_array_equal(one.row, [0, 2])
    with pytest.raises(InputError, match=r"found optics groups 7, 3; wanted group 1\."):
        read_particles(star, optics_group=1)


def test_missing_phase_shift_is_zero_and_said_once(tmp_path: Path) -> None:
    star = write_files(tmp_path, particles=without(PARTICLES, "rlnPhaseShift"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = read_particles(star)
    assert [str(w.message) for w in said] == [f"{star}: rlnPhaseShift is missing; it is taken as 0."]
    assert issubclass(said[0].category, TableWarning)
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.phase_shift, [0.0] * 3)


def test_a_file_without_poses_or_ctf_has_none(tmp_path: Path) -> None:
    table = read_particles(
        write_files(tmp_path, particles={"rlnImageName": ["1@images.mrcs"], "rlnOpticsGroup": [1]})
    )
    assert table.rotation is None
    assert table.shift is None
    assert table.ctf is None
    assert table.half is None
    assert table.micrograph is None


def test_a_decay_written_with_a_negative_b_factor_is_turned(tmp_path: Path) -> None:
    star = write_files(tmp_path, particles=PARTICLES | {"rlnCtfBfactor": [0.0, -13.0, -26.0]})
    with pytest.warns(TableWarning, match=r"never positive \(down to -26 Å\^2\)"):
        table = read_particles(star)
    assert table.ctf is not None
    np.testing.assert_array_equal(table.ctf.b_factor, [0.0, 13.0, 26.0])


def test_aberrations_that_are_not_applied_are_named(tmp_path: Path) -> None:
    neutral = OPTICS | {"rlnBeamTiltX": [0.0], "rlnMagMat00": [1.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_particles(write_files(tmp_path, optics=neutral))
    with pytest.warns(TableWarning, match=r"rlnBeamTiltY, rlnMagMat11 are kept for writing, and not applied"):
        read_particles(write_files(tmp_path, optics=OPTICS | {"rlnBeamTiltY": [0.2], "rlnMagMat11": [1.01]}))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("rlnDefocusU", "nan", r'row 2, column rlnDefocusU: found "nan"; wanted a finite number'),
        ("rlnDefocusV", "<NA>", r'row 2, column rlnDefocusV: found "<NA>"; wanted a finite number'),
        ("rlnAnglePsi", "inf", r'row 2, column rlnAnglePsi: found "inf"; wanted a finite number'),
        ("rlnOriginXAngst", "1,5", r'row 2, column rlnOriginXAngst: found "1,5"; wanted a finite number'),
        ("rlnPhaseShift", "None", r'row 2, column rlnPhaseShift: found "None"'),
        ("rlnDefocusAngle", "1e300", r'row 2, column rlnDefocusAngle: found "1e300"'),
        ("rlnImageName", "0@images.mrcs", r'column rlnImageName: found "0"; wanted a number of at least 1'),
        ("rlnImageName", "x@images.mrcs", r'row 2, column rlnImageName: found "x"; wanted a finite number'),
        ("rlnImageName", "1.5@images.mrcs", r'column rlnImageName: found "1.5"; wanted a whole number'),
        ("rlnImageName", "1@", r'row 2, column rlnImageName: found "1@"; wanted number@stack'),
        ("rlnImageName", "4@images.mrcs", r"row 2: asks for image 4 of .*images.mrcs, which has 3 images"),
        (
            "rlnOpticsGroup",
            "2",
            r"row 2, column rlnOpticsGroup: found 2; wanted a group of data_optics \(1\)",
        ),
    ],
)
def test_a_bad_value_names_file_row_and_column(tmp_path: Path, column: str, value: str, message: str) -> None:
    values = list(PARTICLES[column])
    values[1] = value
    star = write_files(tmp_path, particles=PARTICLES | {column: values})
    with pytest.raises(InputError, match=message) as error:
        read_particles(star)
    assert str(error.value).startswith(f"{star}: ")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("rlnVoltage", "nan", r'row 1 of data_optics, column rlnVoltage: found "nan"'),
        ("rlnAmplitudeContrast", 10.0, r"row 1 of data_optics, column rlnAmplitudeContrast: .* from 0 to 1"),
        ("rlnImagePixelSize", 0.0, r"row 1 of data_optics, column rlnImagePixelSize: .* from 0.001 to 10000"),
        (
            "rlnImageSize",
            12,
            r"row 1: states images of 12 pixels, but those in .*images.mrcs have 8\. .*--source-pixel-size",
        ),
    ],
)
def test_a_bad_value_of_an_optics_group(tmp_path: Path, column: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_particles(write_files(tmp_path, optics=OPTICS | {column: [value]}))


@pytest.mark.parametrize("column", ["rlnImageName", "rlnDefocusV", "rlnDefocusAngle", "rlnOriginYAngst"])
def test_a_missing_column_is_named_with_its_use(tmp_path: Path, column: str) -> None:
    star = write_files(tmp_path, particles=without(PARTICLES, column))
    with pytest.raises(InputError, match=rf"{star}: column {column} is missing; it is wanted for the"):
        read_particles(star)


@pytest.mark.parametrize(
    ("column", "advice"), [("rlnVoltage", "the CTF"), ("rlnImagePixelSize", r"--source-pixel-size")]
)
def test_a_missing_optics_column(tmp_path: Path, column: str, advice: str) -> None:
    with pytest.raises(InputError, match=rf"column {column} is missing; .*{advice}"):
        read_particles(write_files(tmp_path, optics=without(OPTICS, column)))


def test_two_groups_without_the_particles_column_cannot_be_joined(tmp_path: Path) -> None:
    optics = {name: values[0:1] * 2 for name, values in OPTICS.items()}
    with pytest.raises(InputError, match=r"rlnOpticsGroup is missing; .* among 2 optics groups"):
        read_particles(write_files(tmp_path, optics=optics, particles=without(PARTICLES, "rlnOpticsGroup")))
    with pytest.raises(InputError, match="row 2 of data_optics, column rlnOpticsGroup: found 1; wanted each"):
        read_particles(write_files(tmp_path, optics=optics))


def test_images_multiplied_by_their_ctf_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 1: images that were multiplied by their CTF"):
        read_particles(write_files(tmp_path, optics=OPTICS | {"rlnCtfDataAreCtfPremultiplied": [1]}))


def test_poses_of_two_dimensions_are_not_taken_and_this_is_said(tmp_path: Path) -> None:
    with pytest.warns(TableWarning, match="no poses are taken from it: rlnAngleRot, rlnAngleTilt missing"):
        table = read_particles(
            write_files(tmp_path, particles=without(PARTICLES, "rlnAngleRot", "rlnAngleTilt"))
        )
    assert table.rotation is None


def test_every_token_comes_back(tmp_path: Path) -> None:
    odd = {"rlnOddZernike": ["[0.47,-1e-07,34.3861477546]"]}
    particles = PARTICLES | {
        "rlnLogLikeliContribution": ["2.617444e+05", "-0.00", "nan"],
        "rlnNote": ["<NA>", "'two words'", "0x1F"],
        "rlnDefocusU": ["015000.10", "1.6e4", "+17000"],
    }
    star = write_files(tmp_path, optics=OPTICS | odd, particles=particles)
    star.write_text(star.read_text() + "\ndata_general\n\n_rlnTomoSubTomosAre2DStacks   1\n")
    with pytest.warns(TableWarning, match="rlnOddZernike"):
        table = read_particles(star)
    write_star(table.select([2, 0]), tmp_path / "part.star")
    before, after = read_blocks(star), read_blocks(tmp_path / "part.star")
    assert list(after) == ["optics", "particles", "general"]
    assert after["general"] == before["general"] == {"rlnTomoSubTomosAre2DStacks": "1"}
    assert after["optics"].to_dict("list") == before["optics"].to_dict("list")
    for column, values in particles.items():
        kept = [str(values[row]).strip("'") for row in (2, 0)]
        assert after["particles"][column].tolist() == kept, column
    with pytest.raises(FileExistsError, match="--overwrite"):
        write_star(table, tmp_path / "part.star")


def test_a_table_of_our_own_becomes_relion_31_and_comes_back(tmp_path: Path) -> None:
    source = read_particles(write_files(tmp_path))
    assert source.ctf is not None
    made = make_table(
        tmp_path / "images.mrcs",
        3,
        pixel_size=1.5,
        box=8,
        rotation=source.rotation,
        shift=source.shift,
        ctf=source.ctf,
        half=source.half,
        group=np.array([0, 1, 0]),
    )
    write_star(made, tmp_path / "made.star")
    back = read_particles(tmp_path / "made.star")
    assert (tmp_path / "made.star").read_text().count("@images.mrcs") == 3
    np.testing.assert_array_equal(back.group, [0, 1, 0])
    np.testing.assert_allclose(back.rotation, made.rotation, atol=1e-7)
    np.testing.assert_allclose(back.shift, made.shift, atol=1e-6)
    np.testing.assert_array_equal(back.half, made.half)
    assert back.ctf is not None
    for name in ("defocus_u", "defocus_angle", "phase_shift", "voltage", "amplitude_contrast", "scale"):
        np.testing.assert_allclose(getattr(back.ctf, name), getattr(source.ctf, name), atol=1e-6)


def test_a_block_that_is_not_of_particles_is_named(tmp_path: Path) -> None:
    star = tmp_path / "micrographs.star"
    star.write_text(loop("micrographs", {"rlnMicrographName": ["a.mrc"]}))
    with pytest.raises(InputError, match=r"rlnImageName is missing; .* blocks data_micrographs: is this"):
        read_particles(star)
    star.write_text(loop("particles", {"rlnImageName": []}))
    with pytest.raises(InputError, match="data_particles has no rows"):
        read_particles(star)
