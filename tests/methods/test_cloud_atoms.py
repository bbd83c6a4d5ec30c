"""A cloud at a structure's residues takes a map's scale and sharpness."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.data.adenylate_kinase import adenylate_kinase
from trimorph.data.scattering import AtomicDensity
from trimorph.methods.cloud_atoms import cloud_of_atoms

BOX, PIXEL = 48, 2.0


def residues() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centroids and numbers of heavy atoms of 4AKE's residues, and the map of its atoms at 8 Å."""
    structure = adenylate_kinase(np.array([1.0]))[0]
    centred = structure.position - structure.position.mean(0)
    numbers = np.unique(structure.residue)
    place = np.stack([centred[structure.residue == number].mean(0) for number in numbers])
    weight = np.array([(structure.residue == number).sum() for number in numbers], dtype=np.float32)
    density = AtomicDensity.of(structure, resolution=8.0).voxels(BOX, PIXEL)[0]
    return torch.from_numpy(place.astype(np.float32)), torch.from_numpy(weight), density


def test_scale_and_width_are_found_exactly_for_gaussians() -> None:
    place, weight, _ = residues()
    truth = Gaussians(place[None], 3.7 * weight[None], torch.full((1, len(place)), 3.1))
    found, correlation = cloud_of_atoms(place, weight, truth.voxels(BOX, PIXEL)[0], PIXEL, resolution=6.0)
    assert torch.allclose(found.amplitude, truth.amplitude, rtol=2e-3)
    assert torch.allclose(found.width, truth.width, rtol=2e-3)
    assert correlation > 0.9999


def test_residues_stand_for_the_map_of_all_atoms() -> None:
    place, weight, density = residues()
    found, correlation = cloud_of_atoms(place, weight, density, PIXEL, resolution=10.0)
    assert correlation > 0.95
    assert float(found.amplitude.sum()) == pytest.approx(float(density.sum()) * PIXEL**3, rel=0.03)


def test_structure_beside_the_map_is_an_error() -> None:
    place, weight, density = residues()
    with pytest.raises(InputError, match=r"found \d+ of 214 points outside the map of 48 voxels of 2 Å"):
        cloud_of_atoms(place + 40, weight, density, PIXEL, resolution=10.0)
    with pytest.raises(InputError, match="no correlation of its points with the map"):
        cloud_of_atoms(place, weight, -density, PIXEL, resolution=10.0)
