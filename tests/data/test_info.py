"""info: what is said of a particle file, and whether it is true."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from made_stacks import blob, noise

from trimorph.cli.main import run
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.rotations import euler_to_matrix, random_rotations
from trimorph.data.info import describe
from trimorph.data.mrc import open_stack, write_stack
from trimorph.data.open import ParticleInput, open_particles
from trimorph.data.orientations import coverage
from trimorph.data.read import read_particles
from trimorph.data.star import write_star
from trimorph.data.tables import SourceColumns, make_table
from trimorph.methods import registry
from trimorph.methods.field import Field
from trimorph.methods.registry import method_names

COUNT, BOX, SIZE = 60, 48, 3.0


def made_star(folder: Path, *, sign: float = 1.0, shift: float = 10.0) -> Path:
    """A star file of blobs off the centre, seen through a CTF, with noise three times as strong."""
    random = np.random.default_rng(0)
    moved = random.normal(size=(COUNT, 2)) * shift
    ctf = CTF(defocus_u=random.uniform(1e4, 2e4, COUNT), defocus_v=random.uniform(1e4, 2e4, COUNT))
    disk = FourierDisk(BOX, SIZE)
    image = torch.tensor(np.stack([blob(BOX, SIZE, width=9.0, place=(-x, -y)) for x, y in moved])).float()
    signal = disk.inverse(disk.transform(image) * ctf(disk)).numpy()
    path = folder / "a.mrcs"
    write_stack(path, sign * 3 * signal / signal.max() + noise(COUNT, BOX), SIZE)
    rotation = random_rotations(COUNT, generator=torch.Generator().manual_seed(0)).numpy()
    half = np.arange(COUNT) % 2 + 1
    table = make_table(
        path, COUNT, pixel_size=SIZE, box=BOX, rotation=rotation, shift=moved, ctf=ctf, half=half
    )
    write_star(table, folder / "a.star")
    return folder / "a.star"


def test_what_the_file_holds_is_said(tmp_path):
    info = describe(made_star(tmp_path))
    assert (info.particles, info.stacks, info.box, info.pixel_size) == (COUNT, 1, BOX, SIZE)
    assert info.half_sets == (30, 30)
    assert info.defocus is not None
    assert 1e4 < info.defocus.low < info.defocus.median < info.defocus.high < 2e4
    assert info.defocus.counts.sum() == COUNT
    assert info.optics[0].voltage == 300.0
    assert info.missing == ()
    assert not info.remarks


@pytest.mark.parametrize(("sign", "verdict"), [(1.0, "bright"), (-1.0, "dark"), (0.0, "unclear")])
def test_contrast_is_recognised(tmp_path, sign, verdict):
    star = made_star(tmp_path, sign=sign)
    info = describe(star)
    assert info.sign is not None
    assert info.sign.verdict == verdict
    assert any("--invert" in remark for remark in info.remarks) == (verdict == "dark")
    if verdict == "dark":
        turned = describe(ParticleInput(star, invert=True))
        assert turned.sign is not None
        assert turned.sign.verdict == "bright"


def test_mean_image_is_centred_by_the_shifts(tmp_path):
    info = describe(made_star(tmp_path, shift=15.0))
    assert info.sign is not None
    row, column = divmod(int(info.sign.average.argmax()), BOX)
    assert abs(row - BOX // 2) <= 1
    assert abs(column - BOX // 2) <= 1


def test_even_views_need_no_compensation_and_a_preferred_one_does():
    even = random_rotations(5000, generator=torch.Generator().manual_seed(1)).numpy()
    assert coverage(even).compensation > 0.97
    assert coverage(even).unseen == 0
    euler = torch.tensor(np.random.default_rng(0).uniform(0, 0.2, (5000, 3)))
    top = coverage(euler_to_matrix(euler).numpy())
    assert top.compensation < 0.1
    assert top.unseen > 0.5
    assert top.tilt[:2].sum() == 5000


def test_images_that_are_not_there_leave_the_rest(tmp_path):
    star = made_star(tmp_path)
    (tmp_path / "a.mrcs").rename(tmp_path / "moved.mrcs")
    info = describe(star, figure=tmp_path / "info.png")
    assert info.missing == ("images",)
    assert (info.sign, info.box) == (None, None)
    assert info.orientations is not None
    assert any("names the stack a.mrcs" in remark and "--stack" in remark for remark in info.remarks)
    moved = describe(ParticleInput(star, stack=tmp_path / "moved.mrcs"), figure=tmp_path / "whole.png")
    assert moved.missing == ()
    assert any("names the stack a.mrcs; moved.mrcs is used" in remark for remark in moved.remarks)
    part, whole = (matplotlib.image.imread(tmp_path / name)[..., :3] for name in ("info.png", "whole.png"))
    assert part.min() < 0.5  # what is known is drawn, and the images are what is missing
    assert part.shape != whole.shape or float(np.abs(part - whole).max()) > 0.5


def test_headers_that_disagree_are_named(tmp_path):
    star = made_star(tmp_path)
    images = open_stack(tmp_path / "a.mrcs").read(np.arange(COUNT))
    write_stack(tmp_path / "other.mrcs", np.concatenate([images, images[:2]]), 1.0)
    info = describe(ParticleInput(star, stack=tmp_path / "other.mrcs"))
    said = " ".join(info.remarks)
    assert "header says pixels of 1 Å (1 often means: not set); 3 Å is used, from a.star" in said
    assert f"has {COUNT + 2} images, and a.star names {COUNT} of them" in said
    other = describe(ParticleInput(star, source_pixel_size=2.0))
    assert any("the file says pixels of 3 Å; 2 Å is used, as given" in remark for remark in other.remarks)
    part = describe(ParticleInput(star, first=10))
    assert part.particles == 10
    assert not part.remarks


def test_unusable_images_are_a_remark(tmp_path):
    star = made_star(tmp_path)
    images = open_stack(tmp_path / "a.mrcs").read(np.arange(COUNT))
    images[4] = np.nan
    write_stack(tmp_path / "a.mrcs", images, SIZE, overwrite=True)
    info = describe(star)
    assert info.sign is None
    assert "images" in info.missing
    assert any("image 5" in remark and "NaN" in remark for remark in info.remarks)


def test_pixel_size_of_the_stack_passed_as_a_target_is_caught(tmp_path):
    star = made_star(tmp_path)
    with pytest.raises(InputError, match=r"target of 6 pixels.*--source-pixel-size"):
        open_particles(ParticleInput(star, pixel_size=24.0))


def test_command_line(tmp_path, capsys):
    star, figure = made_star(tmp_path), tmp_path / "info.png"
    assert run(["info", str(star), "--figure", str(figure)]) == 0
    said = capsys.readouterr().out
    for part in (
        "60 in 1 stack",
        "48 px of 3 Å",
        "protein is bright",
        "field      ready",
    ):
        assert part in said
    assert matplotlib.image.imread(figure).shape[:2] == (1080, 1800)
    before = figure.read_bytes()
    assert run(["info", str(star), "--figure", str(figure)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert figure.read_bytes() == before
    assert run(["info", str(tmp_path / "none.star")]) == 1
    assert "found no such file" in capsys.readouterr().err


def test_methods_that_are_registered_and_no_others_are_named(tmp_path, capsys, monkeypatch):
    star = made_star(tmp_path)
    assert run(["info", str(star)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.endswith(" ready")] == method_names()
    monkeypatch.setitem(registry.METHODS, "atoms", f"{__name__}:Atoms")
    (tmp_path / "a.mrcs").unlink()
    assert run(["info", str(star)]) == 0
    said = capsys.readouterr().out
    assert "atoms      needs images, --structure\n" in said
    assert "field      needs images\n" in said


class Atoms(Field):
    """As much of a method as is asked for here: its settings, one of which must be given."""

    @dataclass(frozen=True)
    class Settings:
        structure: Path
        epochs: int = 5
        weights: tuple[float, ...] = field(default_factory=tuple)


def test_ideal_projections_need_no_ctf(tmp_path):
    star = made_star(tmp_path)
    bare = replace(read_particles(star), ctf=None, columns=SourceColumns())
    write_star(bare, tmp_path / "bare.star")
    assert describe(tmp_path / "bare.star").missing == ("CTF",)
    assert describe(ParticleInput(tmp_path / "bare.star", ignore_ctf=True)).missing == ()


def test_real_tomography_images_with_overrides(shared):
    star = shared("cryoet/sta_testing_bin8.star")
    stack = shared("cryoet/ay19102021_L3_position6_ribo_bin8.mrcs")
    info = describe(ParticleInput(star, stack=stack, source_pixel_size=14.56))
    assert (info.particles, info.box, info.pixel_size, info.half_sets) == (219, 64, 14.56, (39, 180))
    assert info.sign is not None
    assert info.sign.verdict == "bright"
    said = " ".join(info.remarks)
    assert "the file says pixels of 1.96 Å; 14.56 Å is used" in said
    assert "the stack has 220 images, and sta_testing_bin8.star names 219" in said
    assert "the header says pixels of 1 Å" in said
    assert "ay19102021_L3_position6_ribo_bin8.mrcs is used, as given" in said


def test_real_particles_of_either_program_are_bright(shared):
    for name, stack in (
        ("particles/empiar_10076_7.cs", "particles/empiar_10076_7.mrcs"),
        ("particles/aspire_sample_particles_relion31.star", "particles/aspire_sample.mrcs"),
    ):
        info = describe(ParticleInput(shared(name), stack=shared(stack)))
        assert info.sign is not None
        assert info.sign.verdict == "bright"
    assert info.noise is not None
    assert info.noise.power.shape[0] == 1
