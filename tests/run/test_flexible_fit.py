"""Flexible fits: the closed state is reached from the open one, and what fits stays; data not seen judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import trimorph.data
from trimorph.core.errors import InputError
from trimorph.core.point_band import BandAgreement
from trimorph.data.mrc import write_map
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import Structure, read_structure
from trimorph.data.template import Template
from trimorph.run import rigid_fit
from trimorph.run.bend import Bend, bend
from trimorph.run.fit import fit
from trimorph.run.fit_map import FitMap
from trimorph.run.flexible_fit import gain_of_noise
from trimorph.run.kept_geometry import KeptGeometry

OPEN = Path(trimorph.data.__file__).parent / "examples" / "adk_open.pdb"
BOX, PIXEL_SIZE = 36, 2.6
CORNER = np.array([-30.0, 12.0, 80.0])


def placed(atoms: Structure) -> Structure:
    """The atoms about the middle of the map."""
    return atoms.move(atoms.position - atoms.position.mean(0) + CORNER + (BOX // 2) * PIXEL_SIZE)


def map_of(atoms: Structure, path: Path, *, noise: float = 0.0, seed: int = 0) -> Path:
    """Voxels of all atoms at 8 Å, with noise in units of the density's standard deviation."""
    density = AtomicDensity.of(atoms, resolution=8.0).voxels(BOX, PIXEL_SIZE)[0].numpy()
    drawn = np.random.default_rng(seed).standard_normal(density.shape)
    write_map(path, density + noise * density.std() * drawn, PIXEL_SIZE, origin=tuple(CORNER))
    return path


def alpha(atoms: Structure, position: NDArray[np.float64]) -> NDArray[np.float64]:
    return position[atoms.atom_name == "CA"]


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.sqrt(((one - other) ** 2).sum(1).mean()))


def test_open_adenylate_kinase_closes(
    shared: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 7.3 Å as a rigid body to 1.2 Å; every atom of the file goes along, and chains stay whole."""
    monkeypatch.setattr(rigid_fit, "ROTATIONS", 800)
    monkeypatch.setattr(rigid_fit, "CANDIDATES", (8, 2))
    closed = placed(read_structure(shared("structures/adk_closed.pdb"))[0])
    told: list[tuple[int, int]] = []
    found = fit(
        OPEN,
        map_of(closed, tmp_path / "closed.mrc"),
        tmp_path / "bent.cif",
        flexible=10,
        progress=lambda done, total: told.append((done, total)),
    )
    start, bent = read_structure(OPEN)[0], read_structure(tmp_path / "bent.cif")[0]
    truth = alpha(closed, closed.position)
    assert apart(alpha(start, found.move(start.position)), truth) > 6.5
    assert apart(alpha(bent, bent.position), truth) < 1.5
    assert found.bend is not None
    np.testing.assert_allclose(found.bend.atoms, bent.position, atol=1e-3)
    assert found.bend.before == pytest.approx(found.correlation, abs=0.01)
    assert found.bend.correlation > 0.95 > found.bend.before + 0.15
    assert found.bend.stretch < 0.05
    step = np.linalg.norm(np.diff(alpha(bent, bent.position), axis=0), axis=1)
    before = np.linalg.norm(np.diff(alpha(start, start.position), axis=0), axis=1)
    assert np.abs(step - before).max() < 0.06
    carbon, nitrogen = (np.flatnonzero(start.atom_name == name) for name in "CN")
    bonds = [
        np.linalg.norm(atoms.position[carbon[:-1]] - atoms.position[nitrogen[1:]], axis=1)
        for atoms in (start, bent)
    ]
    assert np.sqrt(((bonds[1] - bonds[0]) ** 2).mean()) < 0.25
    assert len(Template.read(tmp_path / "bent.cif")) == len(Template.read(OPEN))
    assert (tmp_path / "bent.png").stat().st_size > 10_000
    assert told[-1][0] == told[-1][1]


def bent(
    atoms: Structure, path: Path, *, held_out: Path | None = None, resolution: float = 13.0, modes: int = 8
) -> Bend:
    """The structure bent where it is, without a search, one of its atoms going along."""
    return bend(
        FitMap.read(path),
        atoms,
        others=atoms.position[:1],
        other_residue=np.zeros(1, np.int64),
        modes=modes,
        resolution=resolution,
        held_out=None if held_out is None else FitMap.read(held_out),
    )


def test_what_fits_already_stays_even_in_noise(tmp_path: Path) -> None:
    atoms = placed(read_structure(OPEN)[0])
    found = bent(
        atoms,
        map_of(atoms, tmp_path / "half1.mrc", noise=1.0, seed=1),
        held_out=map_of(atoms, tmp_path / "half2.mrc", noise=1.0, seed=2),
    )
    assert found.moved == 0
    assert found.correlation == found.before
    assert found.lines == ("bending along 8 modes gains nothing: left as the rigid body",)
    np.testing.assert_allclose(found.position, found.atoms[:1], atol=1e-4)


def test_another_half_map_judges_and_without_finer_band_nothing_does(tmp_path: Path) -> None:
    atoms = placed(read_structure(OPEN)[0])
    moving = atoms.residue > 120
    opened = atoms.move(atoms.position + np.where(moving[:, None], [0.0, 0.0, 3.0], 0.0))
    halves = [map_of(atoms, tmp_path / f"half{seed}.mrc", noise=0.5, seed=seed) for seed in (1, 2)]
    found = bent(opened, halves[0], held_out=halves[1], resolution=10.4, modes=3)
    assert found.moved > 1
    assert found.held_out is not None
    assert found.held_out.gain > 3 * found.held_out.error
    assert found.band == pytest.approx((20.8, 10.4 / 1.5))
    coarse = AtomicDensity.of(atoms, resolution=18.0).voxels(24, 6.0)[0].numpy()
    write_map(tmp_path / "coarse.mrc", coarse, 6.0, origin=tuple(CORNER + BOX // 2 * PIXEL_SIZE - 72))
    alone = bent(opened, tmp_path / "coarse.mrc", resolution=18.0, modes=2)
    assert alone.held_out is None
    assert alone.lines[-1].startswith("note: the map holds nothing finer than 12 Å, to which it was fitted")


def test_lines_tell_what_the_held_out_band_says() -> None:
    some = Bend(
        modes=4,
        resolution=8.0,
        atoms=np.zeros((1, 3)),
        position=np.zeros((1, 3)),
        before=0.7,
        correlation=0.9,
        moved=2.0,
        furthest=9.0,
        furthest_residue="A:7",
        stretch=0.01,
        stretched_residue="A:3",
        band=(5.33, 3.6),
        held_out=BandAgreement(first=0.2, second=0.4, between=0.5, independent=1e4),
    )
    assert some.lines == (
        "bent along 4 modes: correlation 0.900 at 8 Å, and 0.700 as a rigid body",
        "residues moved by 2.0 Å from the rigid fit (root mean square), and A:7 most, by 9.0 Å",
        "distances between neighbours in a chain changed by 0.01 Å at most, behind A:3",
        "held out, 5.33 to 3.6 Å: correlation 0.400, and 0.200 as a rigid body (standard error of the gain "
        "0.010): what was not fitted agrees better, too",
    )
    worse = BandAgreement(first=0.4, second=0.2, between=0.5, independent=1e4)
    assert replace(some, held_out=worse).lines[-1].startswith("note: what was not fitted agrees less than")
    even = BandAgreement(first=0.4, second=0.41, between=0.5, independent=1e4)
    assert replace(some, held_out=even).lines[-1].startswith("note: what was not fitted agrees neither more")


def test_what_is_refused(tmp_path: Path) -> None:
    path = map_of(placed(read_structure(OPEN)[0]), tmp_path / "map.mrc")
    with pytest.raises(
        InputError, match=r"map.mrc: found a map to judge the bending, and no bending; wanted"
    ):
        fit(OPEN, path, held_out=path)
    with pytest.raises(InputError, match=r"Found flexible = 700; wanted at least 0 and at most 636"):
        fit(OPEN, path, flexible=700)


def test_what_noise_gives_is_what_fitting_it_gives() -> None:
    """Fit p random directions to a signal's rest, which is noise: the correlation's gain, many times."""
    generator = np.random.default_rng(0)
    count, numbers, correlation = 500, 20, 0.4
    gains = []
    for _ in range(300):
        basis = np.linalg.qr(generator.standard_normal((count, numbers + 1)))[0]
        noise = generator.standard_normal(count)
        noise -= basis[:, 0] * (basis[:, 0] @ noise)
        data = correlation * basis[:, 0] + sqrt(1 - correlation**2) * noise / np.linalg.norm(noise)
        gains.append(np.linalg.norm(basis.T @ data) - correlation)
    limit = gain_of_noise(correlation, numbers, values=float(count))
    assert limit == pytest.approx(np.mean(gains) + 3 * np.std(gains), rel=0.1)


def test_distances_in_chains_are_put_back_and_clashes_go() -> None:
    atoms = read_structure(OPEN)[0]
    start = torch.tensor(alpha(atoms, atoms.position)).float()
    geometry = KeptGeometry.of(start, torch.zeros(len(start), dtype=torch.long))
    assert torch.equal(geometry.restored(start), start)
    generator = torch.Generator().manual_seed(0)
    moved = start + 0.5 * torch.randn(start.shape, generator=generator)
    put_back = geometry.restored(moved)
    assert float(geometry.changes(moved).abs().max()) > 0.8
    assert float(geometry.changes(put_back).abs().max()) < 0.03
    assert float(geometry.strain(put_back)) < 0.05 * float(geometry.strain(moved))
    assert float((put_back - moved).norm(dim=1).max()) < 2.0
    two = torch.tensor([[0.0, 0, 0], [30, 0, 0]])
    lone = KeptGeometry.of(two, torch.tensor([0, 1]))  # no neighbours, so nothing but clashes
    near = torch.tensor([[0.0, 0, 0], [0.5, 0, 0]])
    assert float(lone.strain(near)) == 0
    assert torch.equal(lone.restored(two), two)
