"""Maps at chosen latents: which latents, and what is in the files."""

import numpy as np
import pytest

from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map
from trimorph.reconstruction.postprocess import sharpen
from trimorph.run.choose_latents import along_component, cluster_centres, read_latents
from trimorph.run.frame import crop, mirror
from trimorph.run.volumes import write_volumes
from trimorph.training.latents import Latents


def latents_of(mean) -> Latents:
    mean = np.asarray(mean, dtype=np.float32)
    return Latents(np.arange(len(mean)), mean, np.zeros((len(mean), mean.shape[1], mean.shape[1])))


def test_maps_hold_the_model_at_the_latents(trained, tmp_path):
    paths = write_volumes(trained.path, output=tmp_path / "maps", z="0; 1.5")
    assert [path.name for path in paths] == ["vol_001.mrc", "vol_002.mrc"]
    for path, z in zip(paths, ([0.0], [1.5]), strict=True):
        found = read_map(path)
        np.testing.assert_array_equal(found.values, trained.volume(z))
        assert found.pixel_size == pytest.approx(4.0)
    table = (tmp_path / "maps" / "z_values.csv").read_text().splitlines()
    assert table == ["map,particle,z1", "vol_001.mrc,,0", "vol_002.mrc,,1.5"]
    script = (tmp_path / "maps" / "volumes.cxc").read_text()
    assert script.startswith("open vol_001.mrc vol_002.mrc vseries true\nvolume #1 level ")
    four = [found.values.mean() + 4 * found.values.std() for found in map(read_map, paths)]
    assert float(script.split("level ")[1].split()[0]) == pytest.approx(np.mean(four), rel=1e-3)


def test_particles_and_clusters_are_real_particles(trained, tmp_path):
    mean = trained.latents().mean
    write_volumes(trained.path, output=tmp_path / "some", particles="7,3")
    rows = (tmp_path / "some" / "z_values.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["7", "3"]
    np.testing.assert_allclose([float(row.split(",")[2]) for row in rows], mean[[7, 3], 0], rtol=1e-6)
    paths = write_volumes(trained.path, kmeans=3)
    assert paths[0].parent == trained.path / "analysis" / "volumes_kmeans3"


def test_crop_lies_on_the_whole_map(trained, tmp_path):
    whole = write_volumes(trained.path, output=tmp_path / "whole", z="1")[0]
    part = write_volumes(trained.path, output=tmp_path / "part", z="1", crop=6, flip=True, invert=True)[0]
    found = read_map(part)
    assert found.origin == pytest.approx((20.0, 20.0, 20.0))  # (16 // 2 - 6 // 2) * 4 Å
    expected = -mirror(read_map(whole).values)[5:11, 5:11, 5:11]
    np.testing.assert_array_equal(found.values, expected)


def test_nothing_is_overwritten(trained, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "vol_001.mrc").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty; wanted a new folder for the maps"):
        write_volumes(trained.path, output=tmp_path / "maps", z="0")
    assert (tmp_path / "maps" / "vol_001.mrc").read_text() == "mine"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "no choice of latents; wanted just one of --z"),
        ({"z": "0", "pc": 1}, "Found --z and --pc; wanted just one"),
        ({"z": "0,1"}, "--z: found latents of 2 components; wanted 1"),
        ({"z": "a"}, 'wanted numbers like "0,0;1,0"'),
        ({"z": "0;1,2"}, "wanted latents of one length"),
        ({"particles": "5,120"}, "Found particle 120; wanted numbers from 0 to 119"),
        ({"particles": "x"}, 'wanted numbers like "1,5"'),
        ({"kmeans": 0}, "Found 0 clusters; wanted from 1 to 120"),
        ({"pc": 2}, "principal component 2; wanted one from 1 to 1"),
        ({"z": "0", "crop": 17}, "crop to 17 voxels; wanted from 1 to 16"),
    ],
)
def test_choices_that_cannot_be(trained, tmp_path, choice, message):
    with pytest.raises(InputError, match=message):
        write_volumes(trained.path, output=tmp_path / "maps", **choice)
    assert not (tmp_path / "maps").exists()


def test_latents_from_files(tmp_path):
    (tmp_path / "z.csv").write_text("0, 1\n2, -3\n\n")
    assert read_latents(tmp_path / "z.csv").z.tolist() == [[0, 1], [2, -3]]
    np.save(tmp_path / "z.npy", np.eye(2))
    assert read_latents(tmp_path / "z.npy").z.tolist() == [[1, 0], [0, 1]]
    (tmp_path / "table.csv").write_text("map,particle,z1,z2\nvol_001.mrc,,0,1\nvol_002.mrc,5,2,-3\n")
    assert read_latents(tmp_path / "table.csv").z.tolist() == [[0, 1], [2, -3]]
    (tmp_path / "bad.txt").write_text("1 2\n3\n")
    with pytest.raises(InputError, match=r"bad\.txt: found .*; wanted numbers, one latent a line"):
        read_latents(tmp_path / "bad.txt")
    with pytest.raises(FileNotFoundError, match=r"absent\.txt: found no file"):
        read_latents(tmp_path / "absent.txt")


def test_clusters_are_found_and_in_order():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    mean = np.concatenate([centre + rng.normal(size=(40, 2)) for centre in centres[[1, 2, 0]]])
    chosen = cluster_centres(latents_of(mean), 3)
    np.testing.assert_allclose(np.sort(chosen.z[:, 0]), [0, 10, 20], atol=1.0)
    assert np.all(np.diff(chosen.z[:, 0]) > 0) or np.all(np.diff(chosen.z[:, 0]) < 0)
    np.testing.assert_allclose(mean.astype(np.float32)[chosen.particle], chosen.z)


def test_walk_along_the_longest_axis():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(4000, 3)) * [1.0, 5.0, 0.1] + [3.0, 0.0, 0.0]
    chosen = along_component(latents_of(mean), 1, 5)
    np.testing.assert_allclose(chosen.z[:, 1], 5.0 * 1.645 * np.linspace(-1, 1, 5), atol=0.4)
    np.testing.assert_allclose(chosen.z[:, 0], 3.0, atol=0.2)


def test_filter_multiplies_the_transform():
    rng = np.random.default_rng(1)
    density = rng.normal(size=(12, 12, 12)).astype(np.float32)
    filtered = sharpen(density, pixel_size=2.0, b_factor=-40.0)
    gain = np.abs(np.fft.fftn(filtered)[0, 3, 2] / np.fft.fftn(density)[0, 3, 2])
    k2 = (3 / 24) ** 2 + (2 / 24) ** 2
    assert gain == pytest.approx(np.exp(10 * k2), rel=1e-4)
    low = np.abs(np.fft.fftn(sharpen(density, pixel_size=2.0, low_pass=8.0)))
    full = np.abs(np.fft.fftn(density))
    assert low[0, 0, 2] == pytest.approx(full[0, 0, 2], rel=1e-4)  # 12 Å stays
    assert low[0, 0, 3] == pytest.approx(0.5 * full[0, 0, 3], rel=1e-4)  # 8 Å is halfway down
    assert low[0, 0, 4] < 1e-4 * full[0, 0, 4]  # 6 Å is gone


@pytest.mark.parametrize("box", [6, 7])
def test_mirror_keeps_the_origin_in_place(box):
    density = np.zeros((box, box, box))
    density[box // 2, 1, 2] = 1.0
    density[box // 2 + 1, 3, 3] = 2.0
    flipped = mirror(density)
    assert flipped[box // 2, 1, 2] == 1.0
    assert flipped[box // 2 - 1, 3, 3] == 2.0


def test_crop_keeps_the_origin_voxel():
    density = np.zeros((9, 9, 9))
    density[4, 4, 4] = 1.0
    for box in (4, 5):
        part, origin = crop(density, box, pixel_size=1.5)
        assert part[box // 2, box // 2, box // 2] == 1.0
        assert origin[0] == (4 - box // 2) * 1.5
