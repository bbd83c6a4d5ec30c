"""Latents for other programs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from trimorph.core.errors import InputError
from trimorph.data.cryodrgn import read_latents
from trimorph.run.export_latents import write_latents


def test_every_format_holds_the_latents(trained, tmp_path):
    mean = trained.latents().mean
    np.testing.assert_array_equal(np.load(write_latents(trained.path, tmp_path / "z.npy")), mean)
    np.testing.assert_allclose(read_latents(write_latents(trained.path, tmp_path / "z.pkl")), mean)
    table = np.loadtxt(write_latents(trained.path, tmp_path / "z.csv"), delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 1 : 1 + mean.shape[1]], mean, rtol=1e-5)
    np.testing.assert_array_equal(table[:, 0], np.arange(len(mean)))


def test_pickle_has_means_then_log_variances_like_cryodrgn(trained, tmp_path):
    with write_latents(trained.path, tmp_path / "z.pkl").open("rb") as file:
        mean, log_variance = pickle.load(file), pickle.load(file)
    assert mean.shape == log_variance.shape == trained.latents().mean.shape
    assert mean.dtype == log_variance.dtype == np.float32


def test_other_suffixes_and_files_in_use_are_refused(trained, tmp_path):
    with pytest.raises(InputError, match=r"found suffix \.txt; wanted \.csv, \.npy or \.pkl"):
        write_latents(trained.path, tmp_path / "z.txt")
    (tmp_path / "z.npy").write_text("mine")
    with pytest.raises(FileExistsError):
        write_latents(trained.path, tmp_path / "z.npy")
    assert (tmp_path / "z.npy").read_text() == "mine"
