"""Maps around latents of a run or of a file, in Python and on the command line, and what users get wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import trimorph
from run.hinge_run import ANGLES, write_hinge_run, write_particles, write_structure
from trimorph.cli.main import run as call
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.data.cryodrgn import write_latents
from trimorph.data.mrc import read_map
from trimorph.data.open import ParticleInput
from trimorph.methods import registry
from trimorph.reconstruction import write
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.run.latent_distance import latent_distance, least_number, metric, narrowest_distance
from trimorph.run.near import reconstruct_near
from trimorph.run.near_files import refuse_existing_states

Made = tuple[Path, trimorph.Run, np.ndarray]


@pytest.fixture(autouse=True, scope="module")
def _known() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "hinge", "methods.known_hinge:KnownHinge")
        for name in ("draw_fsc", "draw_map"):  # pictures of other tests
            patch.setattr(write, name, lambda *values, **options: None)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Particles of a hinge, a run that knows their angles, and the angles."""
    folder = tmp_path_factory.mktemp("hinge")
    star, angle = write_particles(folder, count=400, snr=0.5)
    return star, write_hinge_run(folder / "run", star, write_structure(folder), latents=angle), angle


def agreement(found: np.ndarray, star: Path, state: int) -> float:
    """Mean FSC with the map of a state."""
    true = read_map(star.parent / f"state_{state}.mrc").values
    pair = (torch.tensor(np.array(one)) for one in (found, true))
    return float(fourier_shell_correlation(*pair)[1:].mean())


def test_states_of_a_run_are_nearer_to_the_truth_than_the_mean(made: Made) -> None:
    star, run, angle = made
    embedding = read_embedding(run.path)
    states = reconstruct_near(embedding, ANGLES[[0, -1], None], least=60)
    for number, state in zip((0, 7), states, strict=True):
        assert agreement(state.reconstruction.map, star, number) > agreement(state.everyone.map, star, number)
        assert 40 < state.effective < 400
    assert agreement(states[0].reconstruction.map, star, 0) > agreement(states[0].reconstruction.map, star, 7)
    other = Embedding(angle[:, None], None, Path("z.npy"))
    (again,) = reconstruct_near(other, ANGLES[:1, None], ParticleInput(star, window=False), least=60)
    together = states[0].reconstruction.map  # sums of several states are added up in another order
    np.testing.assert_allclose(again.reconstruction.map, together, atol=1e-5 * together.max())
    np.testing.assert_allclose(again.bandwidth, states[0].bandwidth)


def test_bent_along_the_motion_a_wide_map_is_nearer_to_its_state(made: Made) -> None:
    star, run, angle = made
    embedding, wide = read_embedding(run.path), 300
    z = ANGLES[-1:, None]
    (plain,) = reconstruct_near(embedding, z, least=wide)
    (bent,) = reconstruct_near(embedding, z, least=wide, along=True)
    assert bent.local.number.min() >= wide
    assert agreement(bent.reconstruction.map, star, 7) > agreement(plain.reconstruction.map, star, 7) + 0.03
    np.testing.assert_array_equal(bent.everyone.map, plain.everyone.map)
    with pytest.raises(InputError, match=r"z\.npy: found latents of a file, which know no motion; wanted"):
        reconstruct_near(Embedding(angle[:, None], None, Path("z.npy")), z, ParticleInput(star), along=True)


def test_on_the_command_line(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    star, _, angle = made
    write_latents(angle[:, None], tmp_path / "z.pkl")
    words = ["reconstruct", str(star), "-o", str(tmp_path / "maps"), "--latents", str(tmp_path / "z.pkl")]
    words += ["--near", "-0.6;0.6", "--least", "100", "--resolution", "12"]
    assert call(words) == 0
    said = capsys.readouterr().out
    assert "state_02" in said
    assert "as z.pkl does not say how well each latent is known" in said
    folder = tmp_path / "maps"
    assert sorted(path.name for path in folder.iterdir()) == [
        "all", "near.cxc", "state_01", "state_02", "states.csv"
    ]  # fmt: skip
    for name in ("run_class001.mrc", "run_half1_class001_unfil.mrc", "fsc.csv", "bandwidth.png"):
        assert (folder / "state_01" / name).stat().st_size > 0
    with (folder / "states.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["z1"]) for row in rows] == [-0.6, 0.6]
    with (folder / "state_01" / "bandwidth.csv").open() as file:
        shells = list(csv.DictReader(file))
    assert len(shells) == 13
    assert all(0 < float(row["effective"]) <= 400.01 for row in shells)
    assert (
        "state_01/run_class001.mrc state_02/run_class001.mrc vseries true"
        in (folder / "near.cxc").read_text()
    )
    assert call(words) == 1
    assert "run_half1_class001_unfil.mrc there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--near", "0"], "Found --near without latents"),
        (["--latents", "RUN"], "Found no latent to reconstruct around; wanted just one of --near"),
        (["--latents", "RUN", "--near", "0", "--near-kmeans", "3"], "Found --near and --near-kmeans"),
        (["--latents", "RUN", "--near", "0,1"], "--near: found latents of 2 components; wanted 1"),
        (["--latents", "RUN", "--near", "a"], 'Found --near "a"'),
        (["--latents", "RUN", "--near-particles", "400"], "Found particle 400; wanted numbers from 0 to 399"),
        (["--latents", "RUN", "--near", "0", "--first", "9"], "400 particles in the run, and 9 here"),
        (["--latents", "z.npy", "--near", "0", "--first", "9"], "found nothing; wanted a run"),
        (
            ["--latents", "z.npy", "--near", "0", "--along", "RUN"],
            "and --latents z.npy; wanted both to be one run",
        ),
        (["--along", "RUN", "--near", "0,1"], "--near: found latents of 2 components; wanted 1"),
    ],
)
def test_what_users_get_wrong(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    star, run, _ = made
    words = [str(run.path) if word == "RUN" else word for word in more]
    assert call(["reconstruct", str(star), "-o", str(tmp_path / "maps"), *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def test_latents_of_a_file_need_their_particles(made: Made) -> None:
    star, _, angle = made
    embedding = Embedding(angle[:7, None], None, Path("z.npy"))
    with pytest.raises(InputError, match="wanted the particles, too"):
        reconstruct_near(embedding, np.zeros((1, 1)))
    with pytest.raises(InputError, match="latents of 7 particles; wanted 400"):
        reconstruct_near(embedding, np.zeros((1, 1)), ParticleInput(star))
    with pytest.raises(InputError, match=r"points of shape \(1, 2\); wanted \(v, 1\)"):
        reconstruct_near(embedding, np.zeros((1, 2)))
    with pytest.raises(InputError, match="not finite"):
        reconstruct_near(embedding, np.full((1, 1), np.nan))


def test_distances_are_those_of_each_particles_own_covariance() -> None:
    generator = np.random.default_rng(0)
    mean, root = generator.normal(size=(50, 3)), generator.normal(size=(50, 3, 3))
    covariance = root @ root.transpose(0, 2, 1) + np.eye(3)
    embedding = Embedding(mean, covariance, Path("run"))
    z = np.array([0.3, -0.2, 0.1])
    brute = [
        np.sqrt((one - z) @ np.linalg.inv(own) @ (one - z)) for one, own in zip(mean, covariance, strict=True)
    ]
    np.testing.assert_allclose(latent_distance(embedding, z), brute, rtol=1e-3)
    assert metric(embedding) == "in standard deviations of each particle's own latent"
    assert least_number(embedding) == 100


def test_the_narrowest_distance_holds_particles_of_one_latent() -> None:
    """Nineteen of twenty pairs of latents that are one in truth, by simulation."""
    generator = np.random.default_rng(0)
    truth, noise = generator.normal(size=(4000, 3)) * 20, generator.normal(size=(2, 4000, 3))
    covariance = np.broadcast_to(np.eye(3), (4000, 3, 3))
    embedding = Embedding(truth + noise[0], covariance, Path("run"))
    apart = np.linalg.norm(noise[0] - noise[1], axis=1)
    assert (apart < narrowest_distance(embedding)).mean() == pytest.approx(0.95, abs=0.02)
    points = Embedding(truth, None, Path("z.pkl"))
    assert narrowest_distance(points) == 0.0
    assert least_number(Embedding(np.zeros((9000, 1)), None, Path("z.pkl"))) == 180
    zero = Embedding(truth, 0 * covariance, Path("run"))
    np.testing.assert_array_equal(latent_distance(zero, np.zeros(3)), latent_distance(points, np.zeros(3)))


def test_states_of_an_older_read_out_do_not_stay_beside_fewer_new(tmp_path: Path) -> None:
    (tmp_path / "state_03").mkdir()
    refuse_existing_states(tmp_path, 3, overwrite=True)
    with pytest.raises(FileExistsError, match="found state_03 of a read-out of more states"):
        refuse_existing_states(tmp_path, 2, overwrite=True)
