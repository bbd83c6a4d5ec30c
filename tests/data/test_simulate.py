"""Simulated images: signal, noise, poses and files are what was asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.cli.main import run
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.data.acquisition import preferred_rotations
from trimorph.data.mrc import open_stack, read_map, write_map
from trimorph.data.noise_profile import NoiseProfile
from trimorph.data.read import read_particles
from trimorph.data.simulate import Simulation, simulate
from trimorph.data.simulation_settings import SimulationSettings
from trimorph.data.truth import Truth

PLAIN = SimulationSettings(
    count=40,
    box=32,
    pixel_size=8.0,
    voxels=True,
    states=False,
    defocus=(0.0, 0.0),
    spherical_aberration=0.0,
    amplitude_contrast=1.0,
    snr=None,
)
"""Projections alone: without defocus and with amplitude contrast 1 the CTF is 1."""


def images(made: Simulation) -> np.ndarray:
    return open_stack(made.stack).read(np.arange(len(made.truth)))


@pytest.fixture
def point(tmp_path: Path) -> Path:
    """A map with one bright voxel at (x, y, z) = (5, -3, 2) voxels of 2 Å."""
    density = np.zeros((24, 24, 24), np.float32)
    density[12 + 2, 12 - 3, 12 + 5] = 1.0
    write_map(tmp_path / "point.mrc", density, 2.0)
    return tmp_path / "point.mrc"


def test_a_point_lands_where_pose_and_shift_say(tmp_path: Path, point: Path) -> None:
    settings = {"box": None, "pixel_size": None, "shift": 1.5, "count": 12}
    made = simulate(point, tmp_path / "p", PLAIN, **settings)
    assert (made.truth.box, made.truth.pixel_size) == (24, 2.0)
    wanted = made.truth.rotation @ np.array([10.0, -6.0, 4.0])
    wanted = wanted[:, :2] - made.truth.shift
    axis = np.arange(24) - 12.0
    for image, (x, y) in zip(images(made), wanted / 2.0, strict=True):
        assert image.sum() == pytest.approx(1.0, abs=1e-3)
        row, column = np.unravel_index(image.argmax(), image.shape)
        assert np.hypot(axis[column] - x, axis[row] - y) < 0.75
        # the image is a band-limited point: correlating with one at the wanted place gives one
        spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image)))[1:, 1:]
        k = axis[1:] / 24
        phase = np.exp(2j * np.pi * (k[:, None] * y + k * x))
        inside = np.hypot(k[:, None], k) < 0.5
        assert np.abs((spectrum * phase)[inside] - 1).max() < 1e-3


@pytest.mark.parametrize("region", ["box", "disk"])
def test_the_ratio_of_signal_to_noise_is_the_one_asked(tmp_path: Path, region: str) -> None:
    common = {"count": 100, "box": 32, "pixel_size": 9.0, "voxels": True, "states": False}
    clean = simulate("compositional", tmp_path / "clean", snr=None, snr_region=region, **common)
    noisy = simulate("compositional", tmp_path / "noisy", snr=0.2, snr_region=region, **common)
    signal, noise = images(clean), images(noisy) - images(clean)
    mask = np.ones((32, 32), bool)
    if region == "disk":
        axis = (np.arange(32) - 16) * 9.0
        distance = np.hypot(axis[:, None], axis)
        mask = distance <= 0.5 * clean.truth.diameter
        assert mask.sum() < 0.4 * 32**2
    ratio = signal[:, mask].var(axis=1).mean() / noise.var()
    assert ratio == pytest.approx(0.2, rel=0.03)
    assert noise.std() == pytest.approx(noisy.truth.noise_sigma, rel=0.01)
    assert noisy.truth.signal_variance == pytest.approx(noisy.truth.noise_sigma**2 * 0.2)
    assert noisy.truth.noise_power == pytest.approx(32**2 * noisy.truth.noise_sigma**2, rel=1e-4)
    assert (clean.truth.snr, clean.truth.noise_sigma) == (np.inf, 0.0)


def test_noise_has_the_spectrum_of_its_profile(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "profile.txt", [4.0, 4.0, 3.0, 2.0, 1.0, 1.0, 0.5, 0.5, 1.0])
    common = {"count": 200, "box": 32, "pixel_size": 8.0, "states": False, "voxels": True}
    clean = simulate("compositional", tmp_path / "clean", snr=None, **common)
    noisy = simulate("compositional", tmp_path / "n", noise_profile=str(tmp_path / "profile.txt"), **common)
    noise = torch.from_numpy(images(noisy) - images(clean))
    disk = FourierDisk(32, 8.0)
    power = disk.ring_mean(disk.transform(noise).abs() ** 2).mean(0).numpy()
    np.testing.assert_allclose(power[1:], noisy.truth.noise_power[1 : len(power)], rtol=0.12)
    assert power[2] / power[12] > 4
    assert float(noise.std()) == pytest.approx(noisy.truth.noise_sigma, rel=0.02)


def test_a_profile_keeps_the_variance() -> None:
    profile = NoiseProfile(np.array([0.0, 0.05, 0.1]), np.array([9.0, 1.0, 2.0]))
    for box in (16, 17):
        amplitude = torch.from_numpy(profile.filter(box, 4.0))
        white = torch.randn(400, box, box, generator=torch.Generator().manual_seed(0))
        coloured = torch.fft.irfft2(torch.fft.rfft2(white) * amplitude, s=(box, box))
        assert float(coloured.var()) == pytest.approx(1.0, rel=0.03)


def test_the_star_file_says_the_truth(tmp_path: Path) -> None:
    made = simulate("adk", tmp_path / "adk", count=20, box=32, pixel_size=4.0, astigmatism=500.0, voxels=True)
    table, truth = read_particles(made.star), Truth.read(made.truth_file)
    np.testing.assert_allclose(table.rotation, truth.rotation, atol=1e-6)
    np.testing.assert_allclose(table.shift, truth.shift, atol=1e-5)
    for name in ("defocus_u", "defocus_v", "defocus_angle", "voltage", "amplitude_contrast"):
        np.testing.assert_allclose(getattr(table.ctf, name), getattr(truth.ctf, name), rtol=1e-6, atol=1e-6)
    assert table.stacks == (made.stack.resolve(),)
    assert sorted(np.bincount(table.half)[1:]) == [10, 10]
    assert (np.abs(truth.shift) <= 2 * 4.0).all()
    np.testing.assert_array_equal(truth.coordinate, truth.state_coordinate[truth.state])
    np.testing.assert_array_equal(truth.label, truth.state_names[truth.state])
    assert made.states is not None
    states = sorted(made.states.iterdir())
    assert len(states) == 50
    last = read_map(states[-1])
    assert (last.values.shape, last.pixel_size, last.origin) == ((32, 32, 32), 4.0, (-64.0, -64.0, -64.0))


def test_maps_of_states_give_the_images(tmp_path: Path) -> None:
    made = simulate("compositional", tmp_path / "c", PLAIN, states=True, shift=0.0, count=10)
    truth = made.truth
    assert np.bincount(truth.state).tolist() == [2, 3, 5]
    again = [
        simulate(made.states / f"state_{k + 1:03d}.mrc", tmp_path / f"s{k}", PLAIN, shift=0.0, count=10)
        for k in range(3)
    ]
    stacks = [images(item) for item in again]
    expected = np.stack([stacks[k][i] for i, k in enumerate(truth.state)])
    np.testing.assert_allclose(images(made), expected, atol=1e-5 * np.abs(expected).max())


def test_voxels_and_atoms_give_nearly_the_same_images(tmp_path: Path) -> None:
    common = {"count": 6, "box": 32, "pixel_size": 8.0, "snr": None, "states": False}
    sliced = images(simulate("uniform", tmp_path / "v", voxels=True, **common))
    direct = images(simulate("uniform", tmp_path / "d", voxels=False, **common))
    assert np.linalg.norm(sliced - direct) < 1e-2 * np.linalg.norm(direct)


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    settings = {"count": 8, "box": 16, "pixel_size": 20.0, "states": False}
    first, same, other = (
        simulate("uniform", tmp_path / name, seed=seed, **settings)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first.stack.read_bytes() == same.stack.read_bytes()
    np.testing.assert_array_equal(first.truth.rotation, same.truth.rotation)
    for field in ("rotation", "shift"):
        assert not np.allclose(getattr(first.truth, field), getattr(other.truth, field))
    assert np.abs(np.corrcoef(images(first).ravel(), images(other).ravel())[0, 1]) < 0.2


def test_poses_and_ctf_of_a_file_stay_together(tmp_path: Path) -> None:
    source = simulate("adk", tmp_path / "a", count=30, box=16, pixel_size=8.0, states=False)
    for path in (source.truth_file, source.star):
        copy = simulate(
            "adk",
            tmp_path / f"from_{path.suffix[1:]}",
            count=30,
            box=16,
            pixel_size=8.0,
            states=False,
            poses=str(path),
            ctf=str(path),
            seed=7,
        )
        order = np.argsort(source.truth.ctf.defocus_u)
        taken = np.argsort(copy.truth.ctf.defocus_u)
        np.testing.assert_allclose(copy.truth.rotation[taken], source.truth.rotation[order], atol=1e-6)
        np.testing.assert_allclose(copy.truth.shift[taken], source.truth.shift[order], atol=1e-5)


def test_preferred_views_have_the_mean_of_their_distribution() -> None:
    generator = np.random.default_rng(0)
    for kappa in (0.5, 4.0, 50.0):
        rotation = preferred_rotations(20000, concentration=kappa, generator=generator)
        view = rotation[:, 2].mean(0)  # R^T z
        assert view[2] == pytest.approx(1 / np.tanh(kappa) - 1 / kappa, abs=0.01)
        assert np.abs(view[:2]).max() < 0.02


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path: Path) -> None:
    simulate("uniform", tmp_path / "u", PLAIN, count=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"u\.star: exists already and was left as it is"):
        simulate("uniform", tmp_path / "u", PLAIN, count=2)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate("uniform", tmp_path / "stopped", PLAIN, states=True, count=2, progress=stop)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_progress_runs_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate("adk", tmp_path / "a", count=7, box=16, pixel_size=8.0, progress=lambda *at: told.append(at))
    assert told[-1] == (14, 14)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def bad_profile(folder: Path) -> str:
    (folder / "noise.txt").write_text("1\n-1\n")
    return str(folder / "noise.txt")


def bad_table(folder: Path) -> str:
    np.savez(folder / "t.npz", rot=np.full((3, 3, 3), np.nan))
    return str(folder / "t.npz")


@pytest.mark.parametrize(
    ("source", "settings", "parts"),
    [
        ("uniform", {"snr": 0.0}, "found snr = 0.0; wanted more than 0"),
        ("uniform", {"pixelsize": 3.0}, 'no setting "pixelsize".*Did you mean "pixel_size"'),
        ("uniform", {"pixel_size": 1.0}, "box of 32 pixels of 1 Å reaches 16 Å.*Take box"),
        ("uniform", {"defocus": (2e4, 1e4)}, "wanted the smaller value first"),
        ("uniform", {"poses": "sideways"}, 'wanted "uniform", "preferred" or a'),
        ("uniform", {"noise_profile": bad_profile}, "noise.txt.*wanted one positive power a ring"),
        ("uniform", {"poses": bad_table}, "t.npz: rotation is not finite in 3 rows, first in row 0"),
        ("uniform", {"ctf": bad_table}, "not finite"),
        (("uniform", "adk"), {}, "wanted one recipe"),
        ("a.txt", {}, "a.txt: found the ending .txt; wanted a structure"),
    ],
)
def test_bad_settings_say_what_was_wanted(
    tmp_path: Path, source: str | tuple[str, ...], settings: dict[str, object], parts: str
) -> None:
    changes = {
        name: value(tmp_path) if isinstance(value, Callable) else value for name, value in settings.items()
    }
    with pytest.raises(InputError, match=parts):
        simulate(source, tmp_path / "x", **{"count": 4, "box": 32, "pixel_size": 8.0, **changes})
    assert not list(tmp_path.glob("x*"))


def test_a_disk_too_small_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"GB free on its disk; wanted .* GB"):
        simulate("uniform", tmp_path / "x", count=10**10, box=512, pixel_size=1.0)
    assert not list(tmp_path.iterdir())


def test_names_that_a_star_file_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without spaces"):
        simulate("uniform", tmp_path / "two words", PLAIN)


def test_maps_of_two_grids_are_refused(tmp_path: Path, point: Path) -> None:
    write_map(tmp_path / "other.mrc", np.ones((8, 8, 8), np.float32), 2.0)
    with pytest.raises(
        InputError, match=r"other\.mrc: found \(8, 8, 8\) voxels of 2 Å; wanted \(24, 24, 24\)"
    ):
        simulate([point, tmp_path / "other.mrc"], tmp_path / "x")
    with pytest.raises(InputError, match="imaged as they are; wanted none"):
        simulate(point, tmp_path / "x", resolution=4.0)


def test_a_folder_with_the_name_of_a_recipe_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("compositional").mkdir()
    made = simulate("compositional", "compositional/few", count=2, box=32, pixel_size=8.0, voxels=True)
    assert len(made.truth) == 2


def test_a_truth_file_is_recognised(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", state=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz: found no .*noise_sigma.*wanted a file NAME_truth"):
        Truth.read(tmp_path / "other.npz")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", "uniform", "-o", str(tmp_path / "deep" / "u"), "--count", "4", "--box", "16"]
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert "4 images of 16 pixels" in said
    assert "signal-to-noise ratio 0.1 (variances, over the whole box)" in said
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {
        "u.star", "u.mrcs", "u_truth.npz", "u_states",
    }  # fmt: skip
    assert run(arguments) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "code", "said"), [
    ("none", 0, "no noise"),
    ("None", 0, "no noise"),
    ("0.5", 0, "signal-to-noise ratio 0.5"),
    ("0", 1, "found snr = 0.0; wanted more than 0, or None for no noise"),
    ("nan", 1, "found snr = nan; wanted more than 0"),
    ("loud", 2, "Error parsing --snr: no type matching none|FLOAT"),
])  # fmt: skip
def test_the_word_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, code: int, said: str
) -> None:
    words = ["simulate", "adk", "-o", str(tmp_path / "a"), "--count", "2", "--box", "16", "--no-states"]
    try:
        found = run([*words, "--snr", word])
    except SystemExit as usage:
        found = usage.code
    assert found == code
    output = capsys.readouterr()
    assert said in " ".join((output.out + output.err).replace("│", " ").split())


def test_real_poses_ctf_and_noise(tmp_path: Path, shared: Callable[[str], Path]) -> None:
    table = shared("metadata/empiar10076_poses_ctf_subset20k.npz")
    made = simulate(
        "uniform", tmp_path / "real", count=300, box=64, pixel_size=6.55, voxels=False, states=False,
        poses=str(table), ctf=str(table), noise_profile=str(table),
    )  # fmt: skip
    with np.load(table) as file:
        assert set(made.truth.ctf.defocus_u.round(1)) <= set(file["defocus_u"].astype(float).round(1))
        angles = np.rad2deg(made.truth.ctf.defocus_angle)
        assert set(angles.round(2)) <= set(file["defocus_angle"].astype(float).round(2))
        reach = np.abs(file["trans_frac_of_box"]).max() * 256 * 1.6375
    assert made.truth.ctf.amplitude_contrast == pytest.approx(0.07)
    assert 0.3 * reach < np.abs(made.truth.shift).max() <= reach
    # the profile's hump at ring 11 of 256 x 1.6375 A is at ring 11 of 64 x 6.55 A
    assert made.truth.noise_power.argmax() == 11
