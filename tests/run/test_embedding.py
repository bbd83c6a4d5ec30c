"""Latents of a run or of a file are one thing to what comes after, and belong to the model used with them."""

import shutil

import numpy as np
import pytest

from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import write_latents
from trimorph.run.embedding import read_embedding
from trimorph.run.volumes import write_volumes
from trimorph.training.latents import Latents


def test_of_a_run_are_those_of_its_last_whole_epoch(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    last = trained.last_whole_epoch()
    found = read_embedding(run)
    assert found.epoch == last
    assert len(found) == 120
    np.testing.assert_array_equal(found.mean, trained.latents(last).mean)
    np.testing.assert_array_equal(found.covariance, trained.latents(last).covariance)
    # a run that is still trained has left a checkpoint in the middle of an epoch, and one that lacks latents
    shutil.copy(run / "checkpoints" / f"{last:04d}.pt", run / "checkpoints" / f"{last + 1:04d}.pt")
    assert read_embedding(run).epoch == last
    (run / "checkpoints" / f"{last:04d}.pt").unlink()
    (earlier,) = {read_embedding(run).epoch}
    assert earlier < last
    np.testing.assert_array_equal(read_embedding(run).mean, trained.latents(earlier).mean)


def test_without_a_checkpoint_nothing_is_read(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(FileNotFoundError, match=r"found no epoch with both a checkpoint \(there are: none"):
        read_embedding(run)


def test_of_a_file_have_no_covariance(tmp_path):
    z = np.random.default_rng(0).normal(size=(7, 2))
    np.save(tmp_path / "z.npy", z)
    write_latents(z, tmp_path / "z.pkl")
    for name in ("z.npy", "z.pkl"):
        found = read_embedding(tmp_path / name)
        np.testing.assert_allclose(found.mean, z, atol=1e-6)
        assert (found.covariance, found.run, found.epoch) == (None, None, None)
    with pytest.raises(InputError, match="epoch 3 for a file"):
        read_embedding(tmp_path / "z.npy", epoch=3)


def test_latents_that_are_not_finite_are_named(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    last, own = trained.last_whole_epoch(), trained.latents()
    mean = own.mean.copy()
    mean[[5, 9]] = np.nan
    Latents(own.index, mean, own.covariance).save(run / "latents" / f"{last:04d}.npz")
    with pytest.raises(InputError, match=r"not finite, first of particle 5 \(2 such\)"):
        read_embedding(run)
    with pytest.raises(InputError, match=r"not finite, first of particle 5"):
        write_volumes(run, kmeans=2)
    assert not (run / "analysis").exists()
