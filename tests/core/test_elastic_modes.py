"""Modes of elastic networks: zero modes, a dense route, blocks, and a motion that is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import trimorph.data
from trimorph.core import elastic_modes as module
from trimorph.core.elastic_modes import edge_stretch, elastic_modes, whole_motions
from trimorph.core.elastic_network import elastic_edges, joined_edges
from trimorph.core.errors import InputError
from trimorph.data.structure import read_structure

OPEN = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"


def alpha_carbons(path: Path) -> NDArray[np.float64]:
    atoms = read_structure(path)[0]
    return atoms.position[atoms.atom_name == "CA"]


def stiffness_matrix(position: Tensor, *, fall: float = 0.0) -> NDArray[np.float64]:
    """The Hessian, written out from its 3 x 3 blocks."""
    edges = joined_edges(position, elastic_edges(position, 15.0))
    count = len(position)
    matrix = np.zeros((count, 3, count, 3))
    for i, j in edges.tolist():
        along = (position[i] - position[j]).numpy()
        square = along @ along
        block = np.outer(along, along) / square / max(1.0, square**0.5 / 4) ** fall
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            matrix[a, :, b] += sign * block
    return matrix.reshape(3 * count, 3 * count)


def overlap(vector: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Cosines between the spaces that two sets of orthonormal modes span."""
    product = vector.flatten(1).double() @ other.flatten(1).double().mT
    return torch.linalg.svdvals(product).numpy()


@pytest.fixture(scope="module")
def adk() -> Tensor:
    return torch.as_tensor(alpha_carbons(OPEN))


def test_there_are_six_zero_modes_and_the_others_are_those_of_the_dense_matrix(adk: Tensor) -> None:
    value, vector = np.linalg.eigh(stiffness_matrix(adk))
    assert np.abs(value[:6]).max() < 1e-10
    assert value[6] > 0.01
    found = elastic_modes(adk, 20)
    np.testing.assert_allclose(found.stiffness, value[6:26], rtol=1e-9)
    rest = torch.as_tensor(vector[:, 6:26].T)
    np.testing.assert_allclose(overlap(found.vector, rest), 1, atol=1e-9)
    product = found.vector.flatten(1) @ found.vector.flatten(1).mT
    np.testing.assert_allclose(product, np.eye(20), atol=1e-10)
    rigid = torch.as_tensor(whole_motions(adk.numpy()))
    np.testing.assert_allclose(found.vector.flatten(1) @ rigid, 0, atol=1e-10)


def test_springs_may_be_weaker_the_longer_they_are(adk: Tensor) -> None:
    value = np.linalg.eigvalsh(stiffness_matrix(adk, fall=2.0))
    np.testing.assert_allclose(elastic_modes(adk, 8, fall=2.0).stiffness, value[6:14], rtol=1e-9)


def test_the_stretch_of_springs_is_the_change_of_their_lengths(adk: Tensor) -> None:
    edges = elastic_edges(adk, 15.0).numpy()
    shift = 1e-6 * np.random.default_rng(0).standard_normal(adk.shape)

    def length(position: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.linalg.norm(position[edges[:, 0]] - position[edges[:, 1]], axis=1)

    change = length(adk.numpy() + shift) - length(adk.numpy())
    np.testing.assert_allclose(edge_stretch(adk.numpy(), edges) @ shift.ravel(), change, atol=1e-11)


def test_small_networks_take_the_dense_route_to_the_same_modes(
    adk: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = adk[:90]
    dense = elastic_modes(some, 10)
    monkeypatch.setattr(module, "_SMALL", 0)
    sparse = elastic_modes(some, 10)
    np.testing.assert_allclose(dense.stiffness, sparse.stiffness, rtol=1e-9)
    np.testing.assert_allclose(dense.vector, sparse.vector, atol=1e-7)


@pytest.mark.parametrize("most", [107, 54])
def test_blocks_are_stiffer_but_bend_in_the_same_ways(adk: Tensor, most: int) -> None:
    whole, blocks = elastic_modes(adk, 12), elastic_modes(adk, 12, most=most)
    ratio = (blocks.stiffness / whole.stiffness).numpy()
    assert ratio.min() >= 1  # bounds from above, as the blocks' motions are some of all
    assert ratio.max() < 1.3
    assert overlap(blocks.vector[:6], whole.vector).min() > 0.99
    product = blocks.vector.flatten(1) @ blocks.vector.flatten(1).mT
    np.testing.assert_allclose(product, np.eye(12), atol=1e-9)


def test_the_softest_modes_close_adenylate_kinase(adk: Tensor, shared: Callable[[str], Path]) -> None:
    closed = torch.as_tensor(alpha_carbons(shared("structures/adk_closed.pdb")))
    a, b = adk - adk.mean(0), closed - closed.mean(0)
    u, _, vh = torch.linalg.svd(b.mT @ a)
    turn = u @ torch.diag(torch.tensor([1.0, 1, float(torch.linalg.det(u @ vh).sign())]).double()) @ vh
    change = (b @ turn - a).flatten()
    share = elastic_modes(adk, 20).vector.flatten(1) @ (change / change.norm())
    gathered = share.square().cumsum(0).sqrt()
    assert gathered[0] > 0.7
    assert gathered[2] > 0.85
    assert gathered[-1] > 0.96


def test_a_part_that_lies_apart_is_joined_and_moves_softly(adk: Tensor) -> None:
    two = torch.cat([adk, adk + torch.tensor([90.0, 0, 0]).double()])
    found = elastic_modes(two, 6)
    assert float(found.stiffness[0]) > 1e-6
    moved = found.vector[0]  # the softest mode moves both as wholes against each other
    for part, place in zip(moved.split(len(adk)), two.split(len(adk)), strict=True):
        rigid = torch.as_tensor(whole_motions(place.numpy()))
        kept = (rigid.mT @ part.flatten()).norm() / part.norm()
        assert float(kept) > 0.98


def test_held_points_stay_and_the_others_bend_against_them(adk: Tensor) -> None:
    moving = torch.arange(len(adk)) >= 90
    found = elastic_modes(adk, 8, moving=moving)
    assert not bool(found.vector[:, ~moving].any())
    part = np.repeat(moving.numpy(), 3)
    value, vector = np.linalg.eigh(stiffness_matrix(adk)[part][:, part])
    np.testing.assert_allclose(found.stiffness, value[:8], rtol=1e-8)
    expected = torch.as_tensor(vector[:, :8].T)
    np.testing.assert_allclose(overlap(found.vector[:, moving], expected), 1, atol=1e-8)


def test_the_same_in_single_precision_and_every_time(adk: Tensor) -> None:
    first, again = elastic_modes(adk.float(), 5), elastic_modes(adk.float(), 5)
    assert torch.equal(first.vector, again.vector)
    assert first.vector.dtype == torch.float32
    torch.testing.assert_close(first.stiffness.double(), elastic_modes(adk, 5).stiffness, rtol=1e-4, atol=0)


def test_more_modes_than_there_are_is_an_error() -> None:
    with pytest.raises(
        InputError, match="Found 4 points that move for 7 modes of an elastic network; wanted 5 or"
    ):
        elastic_modes(torch.eye(4, 3), 7)
