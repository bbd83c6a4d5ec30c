"""What a method that moves a structure says of its residues: the same as what it decodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from methods.made_images import PIXEL_SIZE
from methods.made_structure import BOX, adenylate_kinase, with_structure
from trimorph.core.noise import NoiseModel
from trimorph.core.rotations import vector_to_matrix
from trimorph.data.residues import Residues
from trimorph.methods.base import Problem
from trimorph.methods.segments import Segments, SegmentsSettings
from trimorph.methods.structure_method import ResidueMotion

Z = torch.tensor([[0.0], [1.0], [-2.0]])
ATOMS = adenylate_kinase()
RESIDUES = Residues.of(ATOMS)
BOUNDARY = 130


def told(*, part: bool = False, atoms: bool = False) -> Problem:
    """The structure, without a map; a part that turns, one that does not, and ten residues that stay."""
    noise = NoiseModel(torch.ones(1, BOX // 2 + 1))
    problem = with_structure(
        Problem(BOX, PIXEL_SIZE, 10, 0.4 * BOX * PIXEL_SIZE, noise, torch.zeros(BOX, BOX, BOX)), RESIDUES
    )
    if part:
        number = (torch.arange(214) >= BOUNDARY).long()
        number[:10] = -1
        problem = replace(problem, part=number)
    if atoms:
        beads = RESIDUES.beads("atoms")
        problem = replace(
            problem,
            beads=torch.as_tensor(np.column_stack([beads.position, beads.weight]), dtype=torch.float32),
            bead_point=torch.as_tensor(beads.residue),
        )
    return problem


def made(*, part: bool = False, atoms: bool = False, **settings: Any) -> Segments:
    """A model of the structure that moves and whose segments differ, by chance but always the same."""
    problem = told(part=part, atoms=atoms)
    small: dict[str, Any] = {"latent_dim": 1, "encoder": "pixels", "segments": 5, "width": 16, "layers": 1}
    torch.manual_seed(0)
    method = Segments(SegmentsSettings(**small | settings), problem).eval()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return method


def test_beads_that_are_atoms_follow_their_residues() -> None:
    """The same network moves the same residues, whatever scatters."""
    by_residue, by_atom = made(), made(atoms=True)
    residue = torch.as_tensor(RESIDUES.atoms.residue)
    with torch.no_grad():
        motion, decoded = by_residue.residue_motion(Z), by_atom.decode(Z)
        assert torch.equal(by_atom.residue_motion(Z).shift, motion.shift)
        expected = motion.place(torch.as_tensor(ATOMS.position, dtype=torch.float32), residue)
    assert torch.equal(decoded.position, expected)
    assert decoded.amplitude.shape == decoded.width.shape == (3, len(ATOMS))
    assert torch.equal(by_atom.position, by_residue.position)


@pytest.mark.parametrize("part", [False, True])
def test_residues_go_where_they_are_decoded(part: bool) -> None:
    method = made(part=part)
    with torch.no_grad():
        motion, decoded = method.residue_motion(Z), method.decode(Z).position
        assert torch.equal(motion.place(method.position), decoded)
        assert torch.equal(motion.place(method.position, torch.arange(214)), decoded)
        assert float((decoded[1] - method.position).norm(dim=1).max()) > 1.0
    assert torch.equal(motion.place(method.position)[0], method.position)
    assert torch.equal(motion.occupancy, torch.ones(3, 214))


def test_atoms_of_a_rigid_segment_keep_all_distances() -> None:
    method = made(part=True)
    chosen = ATOMS.residue > BOUNDARY
    atoms = torch.as_tensor(ATOMS.position[chosen])
    residue = torch.as_tensor(ATOMS.residue[chosen] - 1)
    with torch.no_grad():
        moved = method.residue_motion(Z[1:]).place(atoms, residue)
    assert float((moved - atoms).norm(dim=-1).mean(1).min()) > 0.3
    for placed in moved:
        torch.testing.assert_close(torch.pdist(placed), torch.pdist(atoms), rtol=0, atol=1e-9)


def test_atoms_of_fixed_residues_stay() -> None:
    method = made(part=True)
    atoms = torch.as_tensor(ATOMS.position[ATOMS.residue <= 10])
    with torch.no_grad():
        moved = method.residue_motion(Z).place(atoms, torch.zeros(len(atoms), dtype=torch.long))
    assert torch.equal(moved, atoms.expand(3, -1, -1))


def test_segments_move_as_their_residues_do() -> None:
    method = made(part=True)
    first, second = method.segments()
    assert (first.first, first.last, second.residues[0]) == (1, BOUNDARY - 10, BOUNDARY)
    assert (first.spread, second.spread) == ((0.0, 0.0), (0.0, 0.0))
    with torch.no_grad():
        rigid, decoded = method.segment_motion(Z), method.decode(Z).position
    for number, segment in enumerate((first, second)):
        rows = list(segment.residues)
        arm = method.position[rows] - rigid.centre[number]
        matrix = vector_to_matrix(rigid.turn[:, number])
        expected = arm @ matrix.mT + rigid.centre[number] + rigid.shift[:, number, None]
        torch.testing.assert_close(decoded[:, rows], expected, rtol=0, atol=1e-4)
    shares = method.shares()
    assert torch.equal(shares.sum(1), (torch.arange(214) >= 10).float())


def test_without_latents_nothing_moves() -> None:
    method = made(latent_dim=0)
    motion = method.residue_motion(torch.zeros(2, 0))
    assert torch.equal(motion.place(method.position), method.decode(torch.zeros(2, 0)).position)
    assert method.segments() == ()
    assert method.segment_motion(torch.zeros(2, 0)).turn.shape == (2, 0, 3)
    assert method.shares().shape == (214, 0)


def test_what_does_not_move_is_placed_where_it_is() -> None:
    points = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ResidueMotion.none(2, points).place(points), points.expand(2, -1, -1))
