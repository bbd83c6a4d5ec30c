"""Density of atoms: exact transforms, known answers, molmap."""

import gemmi
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.fsc import shell_sum
from trimorph.core.gridding import Gridding
from trimorph.core.rotations import random_rotations
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.adenylate_kinase import adenylate_kinase
from trimorph.data.mrc import read_map
from trimorph.data.pseudo_complex import pseudo_complex
from trimorph.data.scattering import AtomicDensity, FormFactor, electron_form_factor
from trimorph.data.structure import Structure


def atoms(position: list[list[float]], elements: str) -> Structure:
    n = len(elements)
    return Structure(
        position=np.array(position),
        element=np.array(list(elements)),
        chain=np.full(n, "A"),
        residue=np.arange(n),
        residue_name=np.full(n, "UNK"),
        atom_name=np.full(n, "X"),
        b_factor=np.zeros(n),
    )


@pytest.mark.parametrize("element", ["C", "N", "O", "P", "S", "Fe"])
def test_electron_factors_obey_mott_and_bethe(element: str) -> None:
    # f_e(s) = (Z - f_X(s)) / (8 pi^2 a_0 s^2), from X-ray factors tabulated by others
    s = 0.5
    x_ray = gemmi.Element(element).it92.calculate_sf(s**2)
    expected = (gemmi.Element(element).atomic_number - x_ray) / (8 * np.pi**2 * 0.529177 * s**2)
    assert float(electron_form_factor(element)(torch.tensor((2 * s) ** 2))) == pytest.approx(
        expected, rel=0.02
    )


@pytest.mark.parametrize("box", [32, 33])
def test_an_atom_peaks_at_its_voxel_with_its_integral(box: int) -> None:
    one = AtomicDensity.of(atoms([[6.0, -4.0, 10.0]], "C"), resolution=6.0, origin=np.zeros(3))
    density = one.voxels(box, 2.0)[0].numpy()
    z, y, x = np.unravel_index(density.argmax(), density.shape)
    assert (x - box // 2, y - box // 2, z - box // 2) == (3, -2, 5)
    assert density.sum() * 2.0**3 == pytest.approx(2.5088, rel=1e-4)


@pytest.mark.parametrize("box", [24, 25])
def test_voxels_are_the_exact_fourier_sum(box: int) -> None:
    generator = np.random.default_rng(0)
    structure = atoms(generator.uniform(-9, 9, (30, 3)).tolist(), "CNOPS" * 6)
    density = AtomicDensity.of(structure, resolution=5.0, origin=np.zeros(3)).voxels(box, 2.0)[0].double()
    grid = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(density))).numpy()
    index = np.arange(box) - box // 2
    inside = index[np.abs(index) < box / 2]
    kz, ky, kx = np.meshgrid(inside, inside, inside, indexing="ij")
    k = np.stack([kx, ky, kz], -1) / (box * 2.0)
    k2 = (k**2).sum(-1)
    expected = np.zeros(k2.shape, complex)
    for element, position in zip(structure.element, structure.position, strict=True):
        factor = electron_form_factor(str(element))(torch.as_tensor(k2)).numpy()
        expected += factor * np.exp(-2j * np.pi * k @ position)
    expected *= np.exp(-2 * np.pi**2 * (0.22508 * 5.0) ** 2 * k2) / 2.0**3
    place = inside + box // 2
    found = grid[np.ix_(place, place, place)]
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


def test_projected_atoms_and_sliced_maps_agree() -> None:
    density = AtomicDensity.of(pseudo_complex(), resolution=16.0)
    disk = FourierDisk(48, 6.0)
    rotation = random_rotations(3, generator=torch.Generator().manual_seed(1)).float()
    direct = density.project(rotation, disk)
    sliced = VoxelGrid(density.voxels(48, 6.0), 6.0, Gridding(width=6)).project(rotation, disk)
    assert float((direct - sliced).norm() / direct.norm()) < 2e-3


def test_molmap_of_chimerax(shared) -> None:
    # 1AKE by molmap at 4.5 A. The bundled closed structure was fitted to the map once (rotation vector and
    # translation below); its side chains differ a little from the deposited ones.
    golden = read_map(shared("maps/1ake_molmap45.mrc"))
    closed = adenylate_kinase(np.zeros(1))[0]
    turned = Rotation.from_rotvec([0.85887, -1.07471, -1.267574]).apply(
        closed.position - closed.position.mean(0)
    )
    placed = closed.move(turned + np.array([24.06267, 45.76717, 24.62164]))
    origin = np.array(golden.origin) + 24 * 1.5  # voxel 32 of the box of 64 lies on voxel 24 of the map
    density = AtomicDensity.of(placed, resolution=4.5, origin=origin, electrons=False)
    z, y, x = golden.values.shape
    ours = density.voxels(64, 1.5)[0].numpy()[8 : 8 + z, 8 : 8 + y, 8 : 8 + x]
    assert np.corrcoef(ours.ravel(), golden.values.ravel())[0, 1] > 0.97
    assert ours.sum() == pytest.approx(golden.values.sum(), rel=0.005)
    assert ours.max() == pytest.approx(golden.values.max(), rel=0.02)
    both = np.zeros((2, 64, 64, 64), np.float32)
    both[:, 8 : 8 + z, 8 : 8 + y, 8 : 8 + x] = ours, golden.values
    spectrum = torch.fft.rfftn(torch.from_numpy(both), dim=(-3, -2, -1)).abs() ** 2
    amplitude = shell_sum(spectrum).sqrt()
    falloff = (amplitude[0] / amplitude[1])[:22]  # to 4.4 A: a width wrong by 5 % would be off by a fifth
    assert float((falloff - 1).abs().max()) < 0.1


def test_a_structure_too_large_for_the_box_is_refused() -> None:
    density = AtomicDensity.of(pseudo_complex(), resolution=8.0)
    with pytest.raises(InputError, match=r"box of 32 pixels of 4 Å reaches 64 Å.*Take box"):
        density.voxels(32, 4.0)


def test_unknown_elements_and_resolutions_are_refused() -> None:
    with pytest.raises(InputError, match='no electron form factor for element "X"'):
        AtomicDensity.of(atoms([[0.0, 0.0, 0.0]], "X"), resolution=4.0)
    with pytest.raises(InputError, match=r"resolution of 0\.0 Å"):
        AtomicDensity.of(pseudo_complex(), resolution=0.0)


def test_a_form_factor_is_its_sum_of_gaussians() -> None:
    factor = FormFactor((1.0, 2.0), (4.0, 8.0))
    assert float(factor(torch.tensor(0.25))) == pytest.approx(np.exp(-0.25) + 2 * np.exp(-0.5))
