"""From files to maps: names of what is written, weights, independent data, and what users get wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.data.mrc import read_map, write_map
from trimorph.data.open import ParticleInput, open_table
from trimorph.reconstruction.from_file import compare_maps, reconstruct_file
from trimorph.reconstruction.mask import molecular_mask
from trimorph.reconstruction.options import ReconstructionOptions
from trimorph.reconstruction.weights import read_weights
from trimorph.reconstruction.write import MAPS, OTHERS

Shared = Callable[[str], Path]


def _class_d(shared: Shared) -> ParticleInput:
    return ParticleInput(
        shared("simulated/tomodrgn/10076_classD_32_sim.star"),
        stack=shared("simulated/tomodrgn/10076_classD_32_sim.mrcs"),
        source_pixel_size=13.1,
        invert=True,  # protein is dark in these images
    )


def _ribosome(shared: Shared) -> ParticleInput:
    return ParticleInput(
        shared("cryoet/sta_testing_bin8.star"),
        stack=shared("cryoet/ay19102021_L3_position6_ribo_bin8.mrcs"),
        source_pixel_size=14.56,
        diameter=350.0,
    )


def test_images_that_others_simulated_give_their_map(shared: Shared, tmp_path: Path) -> None:
    truth = read_map(shared("simulated/tomodrgn/10076_classD_32.mrc")).values
    found = reconstruct_file(_class_d(shared), tmp_path).map
    mask = molecular_mask(truth, pixel_size=13.1)
    inside, whole = (
        fourier_shell_correlation(torch.as_tensor(truth * m), torch.as_tensor(found * m))[1:9]
        for m in (mask, np.ones_like(mask))
    )
    assert inside.min() >= 0.8  # the first half of the frequencies
    assert whole.mean() > 0.8
    assert whole[:6].min() > 0.8


@pytest.mark.filterwarnings("ignore::trimorph.data.tables.TableWarning")
def test_a_real_ribosome_is_bright_and_in_the_middle(shared: Shared, tmp_path: Path) -> None:
    result = reconstruct_file(_ribosome(shared), tmp_path)
    axis = (np.arange(64) - 32) * 14.56
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    inside, around = result.map[radius < 80], result.map[(radius > 160) & (radius < 260)]
    assert inside.mean() > 4 * around.std()
    bright = result.map > 0.5 * np.quantile(result.map, 0.9999)
    volume = float((bright & (radius < 200)).sum()) * 14.56**3
    assert 170 < (6 / np.pi * volume) ** (1 / 3) < 280  # diameter of a ball as large
    centre = [(result.map * bright * (radius < 200) * x).sum() for x in np.meshgrid(axis, axis, axis)]
    assert np.linalg.norm(centre) / (result.map * bright * (radius < 200)).sum() < 40
    assert result.fsc_masked[1:4].min() > 0.8


def test_what_is_written(shared: Shared, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    result = reconstruct_file(_class_d(shared), folder, ReconstructionOptions(b_factor=-100.0))
    assert sorted(path.name for path in folder.iterdir()) == sorted([*MAPS.values(), *OTHERS])
    half = read_map(folder / "run_half1_class001_unfil.mrc")
    np.testing.assert_array_equal(half.values, result.half1)
    assert half.pixel_size == pytest.approx(13.1)
    table = np.genfromtxt(folder / "fsc.csv", delimiter=",", names=True)
    np.testing.assert_allclose(table["corrected"], result.fsc_masked, atol=1e-6)
    star = (folder / "postprocess.star").read_text()
    assert f"_rlnFinalResolution {result.resolution:.6f}" in star
    assert star.count("\n_rln") == 13
    halves = compare_maps(*(folder / MAPS[name] for name in ("half1", "half2")), mask=folder / "mask.mrc")
    np.testing.assert_allclose(halves.best, result.fsc_masked, atol=2e-3)


def test_nothing_is_overwritten_silently(shared: Shared, tmp_path: Path) -> None:
    (tmp_path / "fsc.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"found fsc\.csv there already .* --overwrite"):
        reconstruct_file(_class_d(shared), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["fsc.csv"]
    reconstruct_file(_class_d(shared), tmp_path, ReconstructionOptions(overwrite=True))
    assert (tmp_path / "fsc.csv").read_text() != "mine"


def test_weights_by_file_and_by_column(shared: Shared, tmp_path: Path) -> None:
    particles = _class_d(shared)
    table = open_table(particles)
    by_column = read_weights("rlnCtfScalefactor", table)
    assert by_column.shape == (576,)
    assert 0.3 < by_column.min() < by_column.max() == 1.0
    np.save(tmp_path / "w.npy", by_column)
    np.savetxt(tmp_path / "w.txt", by_column)
    some = table.select(np.arange(10, 20))
    for name in ("w.npy", "w.txt"):
        np.testing.assert_allclose(read_weights(str(tmp_path / name), some), by_column[10:20])
    np.savetxt(tmp_path / "ten.txt", by_column[10:20])
    np.testing.assert_allclose(read_weights(str(tmp_path / "ten.txt"), some), by_column[10:20])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.txt", "1\n2\n", r"w\.txt: found weights of shape \(2,\); wanted one for each of the 576"),
        ("w.txt", "one", r"w\.txt: found no numbers"),
        ("w.txt", "\n".join(["1"] * 575 + ["-1"]), r"w\.txt.*-1"),
        ("rlnNoSuch", None, r'found no column "rlnNoSuch" for the weights; wanted one of .*rlnImageName'),
        ("rlnImageName", None, r"rlnImageName.*wanted"),
    ],
)
def test_wrong_weights(shared: Shared, tmp_path: Path, name: str, content: str | None, message: str) -> None:
    table = open_table(_class_d(shared))
    if content is not None:
        (tmp_path / name).write_text(content)
        name = str(tmp_path / name)
    with pytest.raises(InputError, match=message):
        read_weights(name, table)
    with pytest.raises(FileNotFoundError, match=r"found no file; wanted the particles' weights"):
        read_weights(str(tmp_path / "none.npy"), table)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name, box, pixel_size in (("a", 16, 2.0), ("b", 16, 2.0), ("small", 12, 2.0), ("fine", 16, 1.5)):
        write_map(tmp_path / f"{name}.mrc", generator.standard_normal((box,) * 3), pixel_size)
    write_map(tmp_path / "mask.mrc", np.ones((16, 16, 16)), 2.0)
    return tmp_path


def test_fsc_of_two_files(maps: Path) -> None:
    curves = compare_maps(maps / "a.mrc", maps / "a.mrc", mask=maps / "mask.mrc", output=maps / "out")
    np.testing.assert_allclose(curves.unmasked, 1.0, atol=1e-5)
    assert len((maps / "out.csv").read_text().splitlines()) == 10
    assert (maps / "out.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(FileExistsError, match=r"out\.csv: the file exists already .* --overwrite"):
        compare_maps(maps / "a.mrc", maps / "b.mrc", output=maps / "out")
    assert compare_maps(maps / "a.mrc", maps / "fine.mrc", pixel_size=2.0).box == 16


@pytest.mark.parametrize(
    ("second", "mask", "message"),
    [
        (
            "small",
            None,
            r"small\.mrc: found 12x12x12 voxels, and 16x16x16 in .*a\.mrc; wanted two equal cubes",
        ),
        (
            "fine",
            None,
            r"fine\.mrc: found voxels of 1\.5 Å, and of 2 Å in .*a\.mrc; wanted the same.*--pixel-size",
        ),
        ("b", "small", r"small\.mrc: found a mask of 12x12x12 voxels; wanted 16x16x16"),
        ("b", "a", r"a\.mrc: found values from -.* wanted a mask from 0 \(outside\) to 1"),
    ],
)
def test_maps_that_do_not_fit(maps: Path, second: str, mask: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_maps(
            maps / "a.mrc", maps / f"{second}.mrc", mask=None if mask is None else maps / f"{mask}.mrc"
        )
