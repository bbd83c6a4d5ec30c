"""read_particles: where stacks are looked for, what overrides mean, what kinds of file there are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from star_files import OPTICS, PARTICLES, without, write_files

from trimorph.core.errors import InputError
from trimorph.data.mrc import write_stack
from trimorph.data.read import read_particles
from trimorph.data.tables import TableWarning

PROJECT = PARTICLES | {
    "rlnImageName": ["1@Extract/job002/a.mrcs", "2@Extract/job002/b.mrcs", "2@Extract/job002/a.mrcs"]
}
PIXELS = without(PARTICLES, "rlnOriginXAngst", "rlnOriginYAngst") | {
    "rlnOriginX": [2.0, 0.0, -1.0],
    "rlnOriginY": [1.0, 0.0, 3.0],
}


def stack(path: Path, images: int = 3, box: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stack(path, np.zeros((images, box, box), np.float32), 1.5)
    return path


def test_names_are_relative_to_a_project_above_the_star_file(tmp_path: Path) -> None:
    job = tmp_path / "Refine3D" / "job010"
    job.mkdir(parents=True)
    star = write_files(job, particles=PROJECT)
    paths = [stack(tmp_path / "Extract" / "job002" / name) for name in ("a.mrcs", "b.mrcs")]
    table = read_particles(star)
    assert table.stacks == tuple(paths)
    np.testing.assert_array_equal(table.stack, [0, 1, 0])
    np.testing.assert_array_equal(table.slice, [0, 1, 1])


def test_names_are_relative_to_the_working_directory_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    star = write_files(tmp_path / "elsewhere", particles=PROJECT)
    for name in ("a.mrcs", "b.mrcs"):
        stack(tmp_path / "project" / "Extract" / "job002" / name)
    with pytest.raises(FileNotFoundError) as error:
        read_particles(star)
    message = str(error.value)
    assert message.startswith(
        f"{star}: names the stack Extract/job002/a.mrcs, which was not found. Looked for"
    )
    assert str(tmp_path / "elsewhere" / "Extract" / "job002" / "a.mrcs") in message
    assert "--stack" in message
    monkeypatch.chdir(tmp_path / "project")
    assert len(read_particles(star)) == 3


def test_a_folder_of_stacks_with_their_own_folders_or_without(tmp_path: Path) -> None:
    star = write_files(tmp_path, particles=PROJECT)
    stack(tmp_path / "copy" / "a.mrcs")
    inside = stack(tmp_path / "copy" / "Extract" / "job002" / "b.mrcs")
    table = read_particles(star, stack_path=tmp_path / "copy")
    assert table.stacks == (tmp_path / "copy" / "a.mrcs", inside)
    with pytest.raises(InputError, match=r"names 2 stacks \(Extract/job002/a.mrcs, .* Pass the folder"):
        read_particles(star, stack_path=inside)
    with pytest.raises(FileNotFoundError, match="nowhere: no such stack file or folder"):
        read_particles(star, stack_path=tmp_path / "nowhere")


def test_stacks_need_not_be_there_when_images_are_not_wanted(tmp_path: Path) -> None:
    star = write_files(tmp_path, particles=PROJECT)
    table = read_particles(star, need_images=False)
    np.testing.assert_array_equal(table.box, [8, 8, 8])
    star = write_files(tmp_path, particles=PROJECT, optics=without(OPTICS, "rlnImageSize"))
    with pytest.raises(InputError, match="row 1: neither the file nor a stack at hand says how many pixels"):
        read_particles(star, need_images=False)
    np.testing.assert_array_equal(read_particles(star, need_images=False, box=10).box, [10, 10, 10])
    with pytest.raises(InputError, match="found images of 8 pixels; box 10 was given"):
        read_particles(write_files(tmp_path), box=10)


def test_a_pixel_size_of_the_same_images_scales_shifts_in_pixels_alone(tmp_path: Path) -> None:
    table = read_particles(write_files(tmp_path, particles=PIXELS), pixel_size=1.6)
    np.testing.assert_array_equal(table.pixel_size, [1.6] * 3)
    np.testing.assert_allclose(table.shift, [[3.2, 1.6], [0.0, 0.0], [-1.6, 4.8]])
    table = read_particles(write_files(tmp_path), pixel_size=1.6)
    np.testing.assert_allclose(table.shift, [[3.0, -2.0], [-1.5, 0.5], [0.0, 0.0]])


def test_a_pixel_size_of_a_binned_stack_leaves_shifts_in_the_files_own_pixels(tmp_path: Path) -> None:
    star = write_files(tmp_path, particles=PIXELS)
    binned = stack(tmp_path / "binned.mrcs", box=4)
    with pytest.raises(InputError, match=r"states images of 8 pixels, but those in .*binned.mrcs have 4"):
        read_particles(star, stack_path=binned)
    table = read_particles(star, stack_path=binned, pixel_size=3.0)
    np.testing.assert_array_equal(table.box, [4, 4, 4])
    np.testing.assert_allclose(table.shift, [[3.0, 1.5], [0.0, 0.0], [-1.5, 4.5]])


def test_a_far_other_pixel_size_without_a_stated_box_is_said(tmp_path: Path) -> None:
    star = write_files(tmp_path, particles=PIXELS, optics=without(OPTICS, "rlnImageSize"))
    with pytest.warns(TableWarning, match=r"taken in pixels of 6 Å, as given, and not of 1.5 Å, as the file"):
        table = read_particles(star, pixel_size=6.0)
    np.testing.assert_allclose(table.shift, [[12.0, 6.0], [0.0, 0.0], [-6.0, 18.0]])


def test_a_name_without_a_number_is_a_file_of_one_image(tmp_path: Path) -> None:
    stack(tmp_path / "one.mrc", images=1)
    particles = {name: values[:1] for name, values in PARTICLES.items()} | {"rlnImageName": ["one.mrc"]}
    table = read_particles(write_files(tmp_path, particles=particles))
    np.testing.assert_array_equal(table.slice, [0])


def test_truncated_and_uneven_stacks_are_errors(tmp_path: Path) -> None:
    star = write_files(tmp_path)
    whole = (tmp_path / "images.mrcs").read_bytes()
    (tmp_path / "images.mrcs").write_bytes(whole[:-4])
    with pytest.raises(InputError, match=r"images.mrcs: .*truncated"):
        read_particles(star)
    (tmp_path / "images.mrcs").unlink()
    write_stack(tmp_path / "images.mrcs", np.zeros((3, 8, 8), np.float32), 1.5)
    header = bytearray((tmp_path / "images.mrcs").read_bytes())
    header[0:4] = (4).to_bytes(4, "little")
    (tmp_path / "images.mrcs").write_bytes(bytes(header))
    with pytest.raises(InputError, match="found images of 4 x 8 pixels; wanted square ones"):
        read_particles(star)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: read_particles(p / "a.csv"), r'found the ending ".csv"; wanted .star \(RELION\)'),
        (lambda p: read_particles(p / "a.star", pixel_size=-1.0), "found a pixel size of -1.0 Å"),
        (lambda p: read_particles(p / "a.star", pixel_size=float("nan")), "found a pixel size of nan Å"),
        (lambda p: read_particles(p / "a.star", box=0), "found a box of 0 pixels; wanted at least 2"),
        (
            lambda p: read_particles(p / "a.star", passthrough=[p]),
            "passthrough files were given; wanted a .cs",
        ),
    ],
)
def test_arguments_are_checked(tmp_path: Path, call: Callable[[Path], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(tmp_path)


def test_many_rows_are_read_by_columns(tmp_path: Path) -> None:
    count = 3000
    particles = {name: [values[row % 3] for row in range(count)] for name, values in PARTICLES.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_particles(write_files(tmp_path, particles=particles))
    assert len(table) == count
    three = read_particles(write_files(tmp_path))
    np.testing.assert_array_equal(table.rotation, np.tile(three.rotation, (count // 3, 1, 1)))
