"""Positional encodings against their formulas, evaluated in numpy one feature at a time."""

from __future__ import annotations

from inspect import unwrap
from typing import Any, get_args

import numpy as np
import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.methods.positional import Encoding, PositionalEncoding, encoding_vectors

BOX = 16


def _encode(encoding: Any, *, box: int = BOX, sigma: float = 1.0, seed: int = 0) -> tuple[Any, Any]:
    """Random frequencies up to Nyquist, in cycles a pixel, and what they are encoded as."""
    q = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    encoded = PositionalEncoding(encoding, box=box, sigma=sigma, seed=seed)(q)
    return q.double().numpy(), encoded.double().numpy()


@pytest.mark.parametrize("box", [15, 16])
def test_paper_wavelengths_run_from_one_pixel_to_nyquist(box: int) -> None:
    """Zhong et al.: sin(k D pi (2/D)^(i/(D/2 - 1))) and its cosine for the frequency k in [-0.5, 0.5]."""
    q, encoded = _encode("geometric", box=box)
    half = box // 2
    for axis in range(3):
        for i in range(half):
            phase = q[:, axis] * box * np.pi * (2 / box) ** (i / (half - 1))
            place = axis * half + i
            np.testing.assert_allclose(encoded[:, place], np.sin(phase), atol=2e-5)
            np.testing.assert_allclose(encoded[:, 3 * half + place], np.cos(phase), atol=2e-5)


@pytest.mark.parametrize(
    ("encoding", "first", "last"),
    [
        ("geometric", np.pi * BOX, 2 * np.pi),
        ("geometric-low", BOX / 2, 1.0),
        ("geometric-no-high", BOX / 2, 2 * np.pi),
    ],
)
def test_geometric_series_between_its_ends(encoding: Any, first: float, last: float) -> None:
    q, encoded = _encode(encoding)
    lengths = np.geomspace(first, last, BOX // 2)
    phase = np.concatenate([q[:, axis, None] * lengths for axis in range(3)], axis=1)
    np.testing.assert_allclose(encoded, np.concatenate([np.sin(phase), np.cos(phase)], axis=1), atol=2e-5)


def test_low_and_no_high_by_the_formulas_of_their_description() -> None:
    half = BOX // 2
    i = np.arange(half)
    expected = {
        "geometric-low": BOX / 2 * (2 / BOX) ** (i / (half - 1)),
        "geometric-no-high": BOX / 2 * (4 * np.pi / BOX) ** (i / (half - 1)),
    }
    for name, lengths in expected.items():
        encoding: Any = name
        vectors = encoding_vectors(encoding, box=BOX, sigma=1.0, seed=0).numpy()
        for axis in range(3):
            rows = vectors[axis * half : (axis + 1) * half]
            np.testing.assert_allclose(rows[:, axis], lengths, rtol=1e-5)
            assert np.count_nonzero(rows) == half


def test_gaussian_features_are_sines_of_random_products() -> None:
    q, encoded = _encode("gaussian", sigma=0.7, seed=4)
    vectors = encoding_vectors("gaussian", box=BOX, sigma=0.7, seed=4).double().numpy()
    phase = np.einsum("pi,fi->pf", q, vectors)
    np.testing.assert_allclose(encoded, np.concatenate([np.sin(phase), np.cos(phase)], axis=1), atol=2e-5)


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_spread_of_the_gaussian_vectors(sigma: float) -> None:
    vectors = encoding_vectors("gaussian", box=256, sigma=sigma, seed=0)
    assert float(vectors.std()) == pytest.approx(sigma * 128, rel=0.05)
    assert float(vectors.mean()) == pytest.approx(0.0, abs=0.1 * sigma * 128)


def test_gaussian_vectors_follow_their_seed_and_no_other() -> None:
    torch.manual_seed(1)
    first = encoding_vectors("gaussian", box=BOX, sigma=1.0, seed=3)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, encoding_vectors("gaussian", box=BOX, sigma=1.0, seed=3))
    assert not torch.equal(first, encoding_vectors("gaussian", box=BOX, sigma=1.0, seed=4))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("encoding", get_args(Encoding))
@pytest.mark.parametrize("box", [15, 16])
def test_number_of_features(encoding: Any, box: int) -> None:
    """Sine and cosine of D/2 vectors on each axis; three coordinates for none."""
    layer = PositionalEncoding(encoding, box=box, sigma=1.0, seed=0)
    assert layer.features == (3 if encoding == "none" else 2 * 3 * (box // 2))
    assert layer(torch.zeros(4, 7, 3)).shape == (4, 7, layer.features)


def test_none_is_the_identity() -> None:
    q = torch.randn(2, 5, 3)
    assert torch.equal(PositionalEncoding("none", box=BOX, sigma=1.0, seed=0)(q), q)


def test_precision_is_kept_under_autocast() -> None:
    layer = PositionalEncoding("gaussian", box=64, sigma=1.5, seed=0)
    q = torch.rand(20, 3) - 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded = layer(q)
    assert torch.equal(encoded, layer(q))


def test_unknown_name() -> None:
    name: Any = "hashed"
    with pytest.raises(InputError) as caught:
        unwrap(encoding_vectors)(name, box=BOX, sigma=1.0, seed=0)  # beneath the check of types
    assert 'found "hashed"; wanted one of gaussian, geometric, geometric-low' in str(caught.value)
