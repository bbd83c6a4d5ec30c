"""What Gaussians do between two states, in tables, arrows, points and maps, and of one region alone."""

from __future__ import annotations

import csv
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from numpy.typing import NDArray

from run.slider import AMPLITUDE, BOX, LEFT, PIXEL_SIZE, RIGHT, WIDTH, spread_latents, write_slider_run
from trimorph.cli.main import run as command
from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map, write_map
from trimorph.methods import registry
from trimorph.run.motion import write_motion
from trimorph.run.motion_cloud import CloudMotion
from trimorph.run.motion_files import MOST_ARROWS, shown_arrows
from trimorph.run.motion_latents import ends_along, latent_axes
from trimorph.run.run import Run
from trimorph.training.latents import Latents

ORIGIN = BOX // 2 * PIXEL_SIZE
START = np.concatenate([LEFT, RIGHT]) + ORIGIN


@pytest.fixture(autouse=True)
def _slider_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", "run.slider:Slider")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    latents = spread_latents(200, together=2.0, apart=3.0)
    return write_slider_run(tmp_path_factory.mktemp("slider"), angles=[(0, 0)] * 200, latents=latents)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]], *names: str) -> NDArray[np.float64]:
    return np.array([[float(row[name]) for name in names] for row in rows])


def arrows(path: Path) -> NDArray[np.float64]:
    """Start and end of each arrow."""
    lines = [line.split()[1:] for line in path.read_text().splitlines() if line.startswith(".arrow")]
    return np.array([[float(word) for word in line[:6]] for line in lines]).reshape(-1, 2, 3)


def test_table_arrows_and_points_say_what_moves(run: Run, tmp_path: Path) -> None:
    report = write_motion(run.path, from_z="0,0", to_z="2,1", output=tmp_path / "m")
    rows = rows_of(tmp_path / "m" / "motion.csv")
    left, right = [0.0, 6.0, 0.0], [0.0, 0.0, 1.0]  # 2 Å x (z1 + z2), 1 Å x (z1 - z2)
    moved = np.array([left] * 3 + [right] * 2)
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5"]
    np.testing.assert_allclose(numbers(rows, "x", "y", "z"), START, atol=1e-3)
    np.testing.assert_allclose(numbers(rows, "dx", "dy", "dz"), moved, atol=1e-3)
    np.testing.assert_allclose(numbers(rows, "length")[:, 0], [6, 6, 6, 1, 1], atol=1e-3)
    amplitude = np.array([[AMPLITUDE] * 5, [AMPLITUDE] * 4 + [1.1 * AMPLITUDE]]).T
    np.testing.assert_allclose(numbers(rows, "amplitude", "amplitude_end"), amplitude, rtol=1e-5)
    np.testing.assert_allclose(numbers(rows, "width"), WIDTH)
    # the right group moves by less than a fifth of the longest
    ends = arrows(tmp_path / "m" / "arrows.bild")
    np.testing.assert_allclose(ends[:, 0], START[:3], atol=2e-3)
    np.testing.assert_allclose(ends[:, 1], START[:3] + left, atol=2e-3)
    for name, place, size in (("start", START, amplitude[:, 0]), ("end", START + moved, amplitude[:, 1])):
        atoms = [site.atom for site in gemmi.read_structure(str(tmp_path / "m" / f"{name}.cif"))[0].all()]
        np.testing.assert_allclose([atom.pos.tolist() for atom in atoms], place, atol=2e-3)
        np.testing.assert_allclose([atom.occ for atom in atoms], size / (1.1 * AMPLITUDE), atol=1e-3)
        np.testing.assert_allclose([atom.b_iso for atom in atoms], 8 * np.pi**2 * WIDTH**2, rtol=1e-4)
    motion = report.motions[0]
    assert motion.rms() == pytest.approx(((3 * 36 + 2) / 5) ** 0.5, rel=1e-4)
    assert motion.amplitude_change == pytest.approx(0.1 / 5**0.5, rel=1e-4)
    assert numbers(rows_of(tmp_path / "m" / "z_values.csv"), "z1", "z2").tolist() == [[0, 0], [2, 1]]
    assert (tmp_path / "m" / "motion.png").stat().st_size > 10_000


def test_arrows_lie_on_the_maps(run: Run, tmp_path: Path) -> None:
    """The table's centre of mass is that of the maps, counted from their first voxel."""
    folder = write_motion(run.path, from_z="0,0", to_z="4,3", output=tmp_path / "m").folder
    rows = rows_of(folder / "motion.csv")
    shift = {"start": 0.0, "end": 1.0}
    for name, part in shift.items():
        found = read_map(folder / f"{name}.mrc")
        assert found.origin == (0.0, 0.0, 0.0)
        z, y, x = np.indices(found.values.shape) * found.pixel_size
        centre = [(axis * found.values).sum() / found.values.sum() for axis in (x, y, z)]
        place = numbers(rows, "x", "y", "z") + part * numbers(rows, "dx", "dy", "dz")
        weight = numbers(rows, "amplitude_end" if part else "amplitude")
        np.testing.assert_allclose(centre, (place * weight).sum(0) / weight.sum(), atol=0.05)
    script = (folder / "motion.cxc").read_text()
    for name in ("start.mrc", "end.mrc", "arrows.bild", "start.cif", "end.cif"):
        assert name in script
        assert (folder / name).is_file()


def test_by_default_from_the_5th_to_the_95th_percentile_of_the_first_component(run: Run) -> None:
    report = write_motion(run.path)
    assert report.folder == run.path / "analysis" / "motion_pc1"
    mean = run.latents().mean
    apart = mean[:, 0] - mean[:, 1]  # the longer one; the other stays near its mean
    low, high = np.percentile(apart, [5, 95])
    reach = report.motions[0].z[1] - report.motions[0].z[0]
    assert abs(reach[0] - reach[1]) == pytest.approx(high - low, rel=0.03)
    assert abs(reach.sum()) < 0.2 * abs(reach[0] - reach[1])
    rows = rows_of(report.folder / "components.csv")
    assert [row["component"] for row in rows] == ["1", "2"]
    rms = [motion.rms() for motion in report.components]
    np.testing.assert_allclose(numbers(rows, "rms")[:, 0], rms, rtol=1e-5)
    np.testing.assert_allclose(numbers(rows, "latent_sd")[:, 0], [3 / 2**0.5, 2**0.5], rtol=0.1)


def test_from_one_particle_to_another(run: Run, tmp_path: Path) -> None:
    report = write_motion(run.path, particles=(7, 3), output=tmp_path / "m")
    np.testing.assert_allclose(report.motions[0].z, run.latents().mean[[7, 3]])


def test_a_region_moves_alone(run: Run, tmp_path: Path) -> None:
    """By a sphere, and by a mask on other voxels around the same group, the left one."""
    side, box = BOX * PIXEL_SIZE, 2 * BOX
    mask = np.zeros((box, box, box), np.float32)
    mask[:, :, : box // 2] = 1.0
    write_map(tmp_path / "mask.mrc", mask, side / box)
    with redirect_stdout(StringIO()) as said:
        words = ["motion", str(run.path), "--around", "18", "32", "32", "14", "-o", str(tmp_path / "a")]
        assert command(words) == 0
    report = write_motion(run.path, inside=tmp_path / "mask.mrc", output=tmp_path / "b")
    assert report.inside is not None
    np.testing.assert_allclose(report.inside, [1, 1, 1, 0, 0], atol=0.05)  # resampled, a sharp edge rings
    assert "3 of 5 Gaussians are inside" in said.getvalue()
    assert "principal component" in said.getvalue()
    for folder in (tmp_path / "a", tmp_path / "b"):
        rows = rows_of(folder / "directions.csv")
        share = numbers(rows, "share")[:, 0]
        inside = report.inside if folder.name == "b" else np.array([1, 1, 1, 0, 0])
        np.testing.assert_allclose(share, [inside[:3].mean(), inside[3:].mean()], atol=1e-3)
        u = numbers(rows, "u1", "u2")
        np.testing.assert_allclose(np.abs(u), 0.5**0.5, atol=0.02)  # z1 + z2, and z1 - z2
        assert u[0].prod() > 0 > u[1].prod()
        near, far = numbers(rows, "rms_inside", "rms_outside")[0]
        assert near > 5 * far
        # of normal latents, 2 x 1.645 standard deviations of z1 + z2
        assert near == pytest.approx(2 * 3.29 * 2.0, rel=0.15)
        moved = numbers(rows_of(folder / "direction_1" / "motion.csv"), "dy")[:, 0]
        assert np.abs(moved[:3]).min() > 10 > 0.5 > np.abs(moved[3:]).max()
        assert (folder / "direction_2" / "motion.png").is_file()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"from_z": "0,0"}, "Found --from-z alone; wanted both"),
        ({"from_z": "0", "to_z": "1"}, "--from-z: found 1 latents of 1 components; wanted one of 2"),
        ({"from_z": "0,0;1,1", "to_z": "1,1"}, "--from-z: found 2 latents of 2 components"),
        ({"from_z": "0,0", "to_z": "1,1", "component": 1}, "Found --from-z and --to-z and --component; w"),
        ({"particles": (0, 200)}, "Found particle 200; wanted numbers from 0 to 199"),
        ({"component": 3}, "principal component 3; wanted one from 1 to 2"),
        ({"amplitudes": True}, "Found --amplitudes without a region"),
        ({"around": (0.0, 0.0, 0.0, 3.0)}, r"none of the 5 Gaussians.*from \(16, 28, 32\) to \(48, 36, 36\)"),
        ({"around": (32.0, 32.0, 32.0, 90.0)}, "holds all of the 5 Gaussians"),
    ],
)  # fmt: skip
def test_choices_that_cannot_be(run: Run, tmp_path: Path, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_motion(run.path, output=tmp_path / "m", **choice)
    assert not (tmp_path / "m").exists()


def test_a_run_without_gaussians(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kind VoxelGrid, .*wanted Gaussians.*trimorph volumes"):
        write_motion(trained.path, output=tmp_path / "m")


def test_faint_and_still_gaussians_get_no_arrow() -> None:
    count = 3 * MOST_ARROWS
    length = np.linspace(0, 30, count)
    position = np.zeros((2, count, 3))
    position[1, :, 0] = length
    amplitude = np.ones((2, count))
    amplitude[:, -10:] = 0.01
    motion = CloudMotion(np.zeros((2, 1)), position, amplitude, np.ones((2, count)))
    shown = shown_arrows(motion)
    assert int(shown.sum()) == MOST_ARROWS
    assert not shown[-10:].any()
    assert length[shown].min() > length[~shown][:-10].max()
    still = CloudMotion(np.zeros((2, 1)), np.zeros((2, 4, 3)), np.ones((2, 4)), np.ones((2, 4)))
    assert not shown_arrows(still).any()


def test_ends_of_a_direction_leave_collapsed_components_alone() -> None:
    rng = np.random.default_rng(2)
    mean = rng.normal(size=(2000, 3)) * [3.0, 1.0, 1e-5] + [1.0, 2.0, 3.0]
    latents = Latents(np.arange(2000), mean, np.zeros((2000, 3, 3)))
    axes = latent_axes(latents)
    np.testing.assert_allclose(np.abs(axes), [[3, 0, 0], [0, 1, 0]], atol=0.15)
    ends = ends_along(latents, axes, np.array([1.0, 1.0]) / 2**0.5)
    expected = 1.645 * (axes[0] + axes[1]) / 2**0.5
    np.testing.assert_allclose(ends[1] - mean.mean(0), expected, atol=0.15)
    np.testing.assert_allclose(ends[0] - mean.mean(0), -expected, atol=0.15)
