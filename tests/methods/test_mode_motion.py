"""Motions along modes: the start, first order, rigid domains, atoms, and what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.made_structure import adenylate_kinase
from trimorph.core.elastic_modes import elastic_modes
from trimorph.core.elastic_network import elastic_edges
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.data.residues import Residues
from trimorph.methods.base import Problem
from trimorph.methods.mode_motion import STEP, ModeMotion

LATENTS = 2


@pytest.fixture(scope="module")
def problem() -> Problem:
    residues = Residues.of(adenylate_kinase())
    points = np.column_stack([residues.position, residues.weight])
    return Problem(
        box=32,
        pixel_size=3.0,
        particles=10,
        radius=40.0,
        noise=NoiseModel(torch.ones(1, 16)),
        points=torch.as_tensor(points, dtype=torch.float32),
    )


def motion_of(problem: Problem, *, moving: Tensor | None = None) -> ModeMotion:
    """Six modes, with a decoder that is not still."""
    assert problem.points is not None
    moving = torch.ones(len(problem.points), dtype=torch.bool) if moving is None else moving
    torch.manual_seed(0)
    made = ModeMotion(problem, LATENTS, moving=moving, modes=6, width=16, layers=1)
    torch.nn.init.normal_(made.network.last.weight)
    return made


def with_amplitudes(motion: ModeMotion, amplitude: Tensor) -> ModeMotion:
    """The same motion, where the latent's first component times ``amplitude`` is the amplitudes."""
    torch.nn.init.zeros_(motion.network.last.weight)
    for parameter in motion.network.parameters():
        torch.nn.init.zeros_(parameter)
    motion.network.first.weight.data[0, 0] = 1.0  # ReLU: for positive latents
    motion.network.last.weight.data[:, 0] = amplitude
    return motion


def test_the_origin_is_the_structure_and_training_begins_there(problem: Problem) -> None:
    assert problem.points is not None
    position = problem.points[:, :3]
    motion = motion_of(problem)
    assert torch.equal(motion(torch.zeros(3, LATENTS), position, sampled=True).shift, torch.zeros(3, 214, 3))
    moved = motion(torch.ones(1, LATENTS), position, sampled=False)
    assert float(moved.shift.detach().abs().max()) > 0.1
    fresh = ModeMotion(problem, LATENTS, moving=torch.ones(214, dtype=torch.bool), modes=6, width=8, layers=1)
    assert not bool(fresh(torch.ones(1, LATENTS), position, sampled=False).shift.any())


def test_small_amplitudes_displace_along_the_modes(problem: Problem) -> None:
    assert problem.points is not None
    position = problem.points[:, :3]
    mode = elastic_modes(position, 6, fall=2.0).vector
    expected = (STEP * mode / mode.norm(dim=-1).amax(1)[:, None, None])[[1, 4]].sum(0)
    motion = with_amplitudes(motion_of(problem), torch.tensor([0.0, 1, 0, 0, 1, 0]))
    shift = motion(torch.tensor([[1e-3, 0.0]]), position, sampled=False).shift[0] / 1e-3
    torch.testing.assert_close(shift, expected, atol=0.02, rtol=0.01)


def test_domains_that_turn_far_stay_rigid(problem: Problem) -> None:
    """The softest mode closes the lid: screws keep distances within 8 Å, straight lines do not."""
    assert problem.points is not None
    position = problem.points[:, :3]
    motion = with_amplitudes(motion_of(problem), torch.tensor([1.0, 0, 0, 0, 0, 0]))
    far = 5.0
    moved = position + motion(torch.tensor([[far, 0.0]]), position, sampled=False).shift[0].detach()
    straight = position + far * STEP * motion.slide[0]
    first, second = elastic_edges(position, 8.0).unbind(1)

    def change(place: Tensor) -> float:
        apart = (place[first] - place[second]).norm(dim=1) - (position[first] - position[second]).norm(dim=1)
        return float(apart.square().mean().sqrt())

    assert float((moved - position).norm(dim=1).max()) > 15
    assert change(moved) < 0.5 * change(straight)


@torch.no_grad()
def test_atoms_turn_with_their_residues(problem: Problem) -> None:
    """Atoms of a residue keep their distances, and bonds between residues their lengths."""
    assert problem.points is not None
    position = problem.points[:, :3]
    atoms = adenylate_kinase()
    place = torch.as_tensor(atoms.position)
    residue = torch.as_tensor(np.cumsum(np.r_[0, np.diff(atoms.residue) != 0]))
    bent = with_amplitudes(motion_of(problem), torch.tensor([1.0, 1, 0, 0, 0, 0]))
    moved = bent(torch.tensor([[2.0, 0.0]]), position, sampled=False).place(place, residue)[0]
    apart = (torch.cdist(place, place) - torch.cdist(moved, moved)).abs()
    assert float(apart[residue[:, None] == residue].max()) < 1e-3
    carbon = (atoms.atom_name == "C").nonzero()[0][:-1]
    nitrogen = (atoms.atom_name == "N").nonzero()[0][1:]
    assert float(apart[carbon, nitrogen].square().mean().sqrt()) < 0.2
    assert float((moved - place).norm(dim=1).max()) > 10


def test_what_is_held_stays(problem: Problem) -> None:
    assert problem.points is not None
    moving = torch.arange(214) >= 100
    motion = motion_of(problem, moving=moving)(torch.ones(2, LATENTS), problem.points[:, :3], sampled=True)
    assert not bool(motion.shift[:, ~moving].any())
    assert bool((motion.quaternion[:, 0, :100] == 1).all())
    assert bool((motion.shift[:, moving].norm(dim=-1) > 0).all())


def test_modes_are_kept_in_checkpoints(problem: Problem) -> None:
    """Signs and order may differ elsewhere: what is loaded decides."""
    assert problem.points is not None
    position = problem.points[:, :3]
    first, second = motion_of(problem), motion_of(replace(problem, points=problem.points.flip(0)))
    second.load_state_dict(first.state_dict())
    z = torch.ones(1, LATENTS)
    assert torch.equal(first(z, position, sampled=False).shift, second(z, position, sampled=False).shift)


def test_gradients_reach_the_network(problem: Problem) -> None:
    assert problem.points is not None
    motion = motion_of(problem)
    motion(torch.randn(4, LATENTS), problem.points[:, :3], sampled=True).shift.square().sum().backward()
    slope = motion.network.last.weight.grad
    assert slope is not None
    assert bool(slope.isfinite().all())
    assert float(slope.norm()) > 0


def test_too_small_a_structure_is_told(problem: Problem) -> None:
    assert problem.points is not None
    small = replace(problem, points=problem.points[:4])
    with pytest.raises(InputError, match="Found 4 points that move for 16 modes"):
        ModeMotion(small, LATENTS, moving=torch.ones(4, dtype=torch.bool), modes=16, width=8, layers=1)
