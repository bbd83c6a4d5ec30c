"""Curves of decoded maps with true ones, against the FSC of each pair; maps of wrong grids are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.gaussians import Gaussians
from trimorph.core.voxel_grid import resample
from trimorph.data.mrc import read_map, write_map
from trimorph.data.simulate import Simulation, simulate
from trimorph.evaluation.decoders import of_folder
from trimorph.evaluation.map_scores import blind_curves, image_curves, state_latents
from trimorph.evaluation.true_maps import TrueMaps, map_files

BOX, PIXEL_SIZE = 16, 18.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    folder = tmp_path_factory.mktemp("maps")
    return simulate("compositional", folder / "c", count=60, box=BOX, pixel_size=PIXEL_SIZE, voxels=True)


@pytest.fixture(scope="module")
def maps(made: Simulation) -> np.ndarray:
    assert made.states is not None
    return np.stack([read_map(path).values for path in map_files(made.states)])


@pytest.fixture
def true(made: Simulation) -> TrueMaps:
    assert made.states is not None
    return TrueMaps.read(made.states, made.truth)


def fsc(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return fourier_shell_correlation(torch.tensor(first), torch.tensor(second)).numpy()


def test_curves_are_those_of_each_pair(true: TrueMaps, maps: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    decoded = maps + 0.3 * maps.std() * generator.normal(size=maps.shape).astype(np.float32)
    calls = []

    def volume(z: np.ndarray) -> np.ndarray:
        calls.append(z)
        return decoded[int(z[0])]

    z, state = np.array([[2.0], [0.0], [2.0], [1.0]]), np.array([2, 1, 0, 1])
    found = image_curves(z, state, volume, true)
    assert len(calls) == 3  # equal latents decode once
    pairs = [(decoded[int(row[0])], maps[which]) for row, which in zip(z, state, strict=True)]
    np.testing.assert_allclose(found.whole, [fsc(a, b) for a, b in pairs], atol=1e-5)
    masked = [fsc(a * true.mask, b * true.mask) for a, b in pairs]
    np.testing.assert_allclose(found.masked, masked, atol=1e-5)
    np.testing.assert_allclose(found.mean, [fsc(a, b)[1 : BOX // 2].mean() for a, b in pairs], atol=1e-5)
    assert found.frequency[-1] == pytest.approx(1 / (2 * PIXEL_SIZE))


def test_perfect_maps_reach_the_largest_area(true: TrueMaps, maps: np.ndarray, made: Simulation) -> None:
    state = made.truth.state[:10]
    found = image_curves(state[:, None].astype(float), state, lambda z: 3 * maps[int(z[0])], true)
    np.testing.assert_allclose(found.area, 7 / 16, atol=1e-5)
    np.testing.assert_allclose(found.masked_mean, 1.0, atol=1e-5)
    assert found.resolution == pytest.approx(2 * PIXEL_SIZE)


def test_the_blind_map_is_the_mean_of_all_images(true: TrueMaps, maps: np.ndarray, made: Simulation) -> None:
    mean = maps[made.truth.state].mean(0)
    found = blind_curves(np.array([0, 2, 0]), true)
    np.testing.assert_allclose(found.whole, [fsc(mean, maps[i]) for i in (0, 2, 0)], atol=1e-5)
    assert found.mean.max() < 1.0


def test_states_have_a_mean_and_a_middle_particle(made: Simulation) -> None:
    generator = np.random.default_rng(1)
    z = made.truth.state[:, None] + 0.1 * generator.normal(size=(60, 2))
    states, mean, middle = state_latents(z, made.truth)
    assert states.tolist() == [0, 1, 2]
    for state in states:
        own = z[made.truth.state == state]
        np.testing.assert_allclose(mean[state], own.mean(0))
        assert (own == middle[state]).all(1).any()
        assert np.abs(middle[state] - state).max() < 0.2


def test_a_mask_of_the_user_is_taken(made: Simulation, maps: np.ndarray, tmp_path: Path) -> None:
    ball = np.zeros((BOX,) * 3, np.float32)
    ball[5:11, 5:11, 5:11] = 1.0
    write_map(tmp_path / "mask.mrc", ball, PIXEL_SIZE)
    assert made.states is not None
    true = TrueMaps.read(made.states, made.truth, mask=tmp_path / "mask.mrc")
    found = image_curves(np.zeros((1, 1)), np.array([1]), lambda z: maps[0], true)
    np.testing.assert_allclose(found.masked[0], fsc(maps[0] * ball, maps[1] * ball), atol=1e-5)


def test_maps_of_other_grids_are_refused(made: Simulation, maps: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "states"
    assert made.states is not None
    shutil.copytree(made.states, folder)
    (folder / "state_001.mrc").unlink()
    with pytest.raises(InputError, match=r"found 2 maps; wanted 3, one for each state of the truth"):
        TrueMaps.read(folder, made.truth)
    write_map(folder / "state_001.mrc", maps[1, 2:14, 2:14, 2:14], PIXEL_SIZE)
    with pytest.raises(InputError, match=r"found 12x12x12 voxels of 18 Å; wanted a cube of 288 Å"):
        TrueMaps.read(folder, made.truth)
    write_map(folder / "state_001.mrc", maps[1], 1.0, overwrite=True)
    with pytest.raises(
        InputError, match=r"of 1 Å; wanted a cube of 288 Å, as the 16 voxels of 18 Å.*ignore-voxel"
    ):
        TrueMaps.read(folder, made.truth)
    with pytest.raises(FileNotFoundError, match="found nothing; wanted a folder of maps"):
        TrueMaps.read(tmp_path / "nowhere", made.truth)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"found no map \(\.mrc, .*\); wanted some"):
        TrueMaps.read(tmp_path / "empty", made.truth)


@pytest.mark.parametrize("box", [24, 12])
def test_maps_of_the_same_extent_are_resampled(
    made: Simulation, maps: np.ndarray, tmp_path: Path, box: int
) -> None:
    """Of the density of known blobs: drawn on another grid, and what comes of that on the truth's."""
    place = torch.tensor([[[-40.0, 20.0, 0.0], [30.0, -10.0, 50.0]]])
    blobs = Gaussians(place, torch.tensor([[900.0, 600.0]]), torch.tensor([[32.0, 36.0]]))
    size = BOX * PIXEL_SIZE / box
    drawn = blobs.voxels(box, size)[0].numpy()
    folder = volumes(tmp_path / "v", np.stack([drawn, 2 * drawn]), pixel_size=size)
    np.savetxt(folder / "z_values.txt", [[0.0, 0.0], [4.0, 0.0]])
    found = of_folder(folder, np.array([[0.1, 0.0], [3.0, 0.0]]), made.truth)
    assert f"resampled from {box} voxels of {size:.4g} Å to 16 of 18 Å" in found.note
    assert ("nothing finer than 48 Å" in found.note) == (box == 12)
    wanted = blobs.voxels(BOX, PIXEL_SIZE)[0].numpy()
    np.testing.assert_allclose(found.volume(np.array([3.0, 0.0])), 2 * wanted, atol=0.03 * wanted.max())
    ball = (drawn > 0.1 * drawn.max()).astype(np.float32)
    write_map(tmp_path / "mask.mrc", ball, size)
    assert made.states is not None
    mask = TrueMaps.read(made.states, made.truth, mask=tmp_path / "mask.mrc").mask
    assert mask.shape == (BOX,) * 3
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert np.corrcoef(mask.ravel(), (wanted > 0.1 * wanted.max()).ravel())[0, 1] > 0.85
    with pytest.raises(InputError, match=rf"found {box}x{box}x{box} voxels of 18 Å; wanted a cube of 288 Å"):
        of_folder(folder, np.zeros((2, 2)), made.truth, ignore_voxel_size=True)


def test_true_maps_may_be_finer_and_not_coarser(made: Simulation, maps: np.ndarray, tmp_path: Path) -> None:
    assert made.states is not None
    fine, coarse = tmp_path / "fine", tmp_path / "coarse"
    for folder, box in ((fine, 24), (coarse, 12)):
        folder.mkdir()
        size = BOX * PIXEL_SIZE / box
        for number, density in enumerate(maps):
            other = resample(torch.tensor(density), PIXEL_SIZE, box=box, pixel_size=size)
            write_map(folder / f"state_{number + 1}.mrc", other.numpy(), size)
    true = TrueMaps.read(fine, made.truth)
    inside = (
        true.of(1).whole_power[: BOX - 2],
        TrueMaps.read(made.states, made.truth).of(1).whole_power[: BOX - 2],
    )
    np.testing.assert_allclose(*inside, rtol=1e-3)
    with pytest.raises(InputError, match=r"found a true map of 12 voxels; wanted 16 or more"):
        TrueMaps.read(coarse, made.truth)


def volumes(folder: Path, maps: np.ndarray, *, pixel_size: float = PIXEL_SIZE) -> Path:
    """Maps as cryoDRGN numbers them, out of the order of their names."""
    folder.mkdir()
    for number, density in enumerate(maps):
        write_map(folder / f"vol_{number + 8}.mrc", density, pixel_size)
    return folder


def test_a_folder_of_maps_decodes_what_is_nearest(made: Simulation, maps: np.ndarray, tmp_path: Path) -> None:
    folder = volumes(tmp_path / "v", maps)  # vol_8, vol_9, vol_10
    np.savetxt(folder / "z_values.txt", [[0.0, 0.0], [4.0, 0.0], [8.0, 0.0]])
    z = np.array([[0.4, 0.0], [3.0, 1.0], [9.0, 0.0]])
    found = of_folder(folder, z, made.truth)
    assert found.particles is None
    assert "none at a particle's own latent" in found.note
    for row, number in enumerate([0, 1, 2]):
        assert np.array_equal(found.volume(z[row]), maps[number])


@pytest.mark.parametrize("name", ["z_values.txt", "z_values.csv", "z_values.npy"])
def test_maps_of_particles_are_known_as_theirs(
    made: Simulation, maps: np.ndarray, tmp_path: Path, name: str
) -> None:
    folder = volumes(tmp_path / "v", maps)
    z = np.random.default_rng(2).normal(size=(60, 2))
    own = z[[7, 30, 31]]
    if name.endswith("txt"):
        np.savetxt(folder / name, own)
    elif name.endswith("npy"):
        np.save(folder / name, own.astype(np.float32))
    else:
        rows = [
            f"vol_{i}.mrc,{p},{a:.8g},{b:.8g}"
            for i, (p, (a, b)) in enumerate(zip([7, 30, 31], own, strict=True))
        ]
        (folder / name).write_text("\n".join(["map,particle,z1,z2", *rows]))
    found = of_folder(folder, z, made.truth)
    assert found.particles is not None
    assert found.particles.tolist() == [7, 30, 31]


def test_maps_that_do_not_belong_to_the_latents_are_refused(
    made: Simulation, maps: np.ndarray, tmp_path: Path
) -> None:
    folder, z = volumes(tmp_path / "v", maps, pixel_size=1.0), np.zeros((60, 2))
    with pytest.raises(InputError, match=r"found maps and no z_values\.txt or .*Put such a file beside"):
        of_folder(folder, z, made.truth)
    np.savetxt(folder / "z_values.txt", np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"found 2 latents of 2 components; wanted 3, one a map in"):
        of_folder(folder, z, made.truth)
    (folder / "z_values.txt").write_text("a b\n1 2\n3 4\n")
    with pytest.raises(InputError, match=r"z_values\.txt: found .*; wanted numbers, a row a map"):
        of_folder(folder, z, made.truth)
    np.savetxt(folder / "z_values.txt", np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"vol_8\.mrc: found 16x16x16 voxels of 1 Å; wanted"):
        of_folder(folder, z, made.truth)
    assert of_folder(folder, z, made.truth, ignore_voxel_size=True).volume(z[0]).shape == (BOX,) * 3
