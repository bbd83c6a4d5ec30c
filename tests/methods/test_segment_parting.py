"""What moves on its own is parted off where images say so, and nothing else is."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.made_images import MadeImages
from methods.made_structure import adenylate_kinase, hinge_images, with_structure
from methods.test_structure_method import made
from trimorph.core.rotations import vector_to_matrix
from trimorph.data.residues import Residues
from trimorph.methods.segment_blocks import ARM, Blocks
from trimorph.methods.segment_merge import worth
from trimorph.methods.segment_parting import Answer, Parts, part_segments, parts_of_line
from trimorph.methods.segment_report import living
from trimorph.methods.segments import Segments, SegmentsSettings
from trimorph.training.own_particles import OwnParticles
from trimorph.training.processes import Processes

ANGLES = torch.linspace(-0.1, 0.1, 5)
COUNT, PARTICLES = 300, 10_000


def few(images: MadeImages, state: Tensor, mean: Tensor) -> Segments:
    """Of fourteen segments six are used, all still; z is the angle."""
    problem = with_structure(images.problem(mean), Residues.of(adenylate_kinase()))
    problem = replace(problem, latents=ANGLES[state][:, None])
    small: dict[str, Any] = {"latent_dim": 1, "encoder": "given", "segments": 14, "width": 16, "layers": 1}
    torch.manual_seed(0)
    method = Segments(SegmentsSettings(**small), problem).eval()
    list(method.begin())
    return method


def ask(method: Segments, images: MadeImages) -> list[str]:
    assert method.rigid is not None
    survey = OwnParticles(images, images.disk, Processes(torch.device("cpu")), batch_size=100)
    return part_segments(
        method, method.rigid, survey, resolution=None, position=method.position, misfit=method._misfit,
        particles=PARTICLES,
    )  # fmt: skip


@pytest.mark.parametrize("noise_level", [1.0, 2.0])
@pytest.mark.parametrize("angles", [ANGLES, 0 * ANGLES], ids=["turned", "still"])
def test_a_hinge_within_a_segment_parts_it_and_nothing_else_is_parted(
    angles: Tensor, noise_level: float
) -> None:
    """Pieces meet at residues 107 and 143, and what turns begins at 130; cuts between are at 123 or 127."""
    images, state, mean = hinge_images(angles, count=COUNT, noise_level=noise_level)
    method = few(images, state, mean)
    before = method.segments()
    assert len(before) == 6
    (line,) = ask(method, images)
    after = method.segments()
    if not bool(angles.any()):
        assert "images ask for none more" in line
        assert after == before
        return
    told = re.fullmatch(
        r"segments of chain or part 1, of which 14 may be left: images ask for "
        r"(?:108-(?:123|127)|(?:124|128)-143) of 108-143 for (\d+) nats; not for .* nats",
        line,
    )
    assert told is not None
    assert float(told[1]) > worth(1, PARTICLES)
    assert len(after) == 7
    with torch.no_grad():
        assert torch.equal(method.decode(torch.ones(1, 1)).position[0], method.position)


def test_pulls_at_a_run_are_found_among_noise() -> None:
    """Blocks 4 to 6 of 12 are pulled at with the latent, and all against it, so that the whole is at rest."""
    generator = torch.Generator().manual_seed(0)
    follow, noise = torch.randn(4000, 1, generator=generator), torch.randn(4000, 12, 6, generator=generator)
    direction = torch.randn(6, generator=generator)

    def answer(strength: float) -> Answer:
        pull = noise - 0.25 * strength * follow[:, :, None] * direction
        pull[:, 4:7] += strength * follow[:, :, None] * direction
        halves = [(pull * follow[:, :, None])[half::2].double() for half in (0, 1)]
        return Answer(
            torch.stack([half.sum(0) for half in halves]),
            torch.stack([torch.einsum("vkq,vlp->kqlp", half, half) for half in halves]),
        )

    blocks = Blocks(
        torch.arange(48) // 4, torch.zeros(12, 3), 12 * (0,), 12 * (7,), tuple(range(0, 48, 4)),
        tuple(range(3, 48, 4)),
    )  # fmt: skip

    def parts(strength: float, *, enough: float, most: int = 25) -> Parts:
        return parts_of_line(answer(strength), blocks, 0, share=0.4, enough=enough, most=most)

    found = parts(0.2, enough=worth(1, PARTICLES))
    assert [one.run for one in found.asked] == [(4, 5, 6)]
    assert [block for block in range(12) if found.part[block] != 7] == [4, 5, 6]
    assert blocks.labels(found.part) == 16 * [7] + 12 * [8] + 20 * [7]
    assert re.match(r"images ask for 17-28 of 1-48 for \d+ nats", found.told(blocks))
    full = parts(0.2, enough=0.0, most=2)  # three stretches would come of it
    assert not full.asked
    assert full.refused == found.asked[0]
    noise = parts(0.0, enough=0.0)
    assert not noise.asked
    assert noise.wanted == pytest.approx(2 * math.log(2 * 63 / 0.01) / 0.4)
    assert re.match(r"images ask for none more; not for [\d, -]+, -?\d+ of 47 nats", noise.told(blocks))


def test_further_screws_turn_blocks_about_their_centroids_as_they_are_moved() -> None:
    method = made(segments=3)
    assert method.rigid is not None
    blocks = Blocks.of_segments(method.rigid, living(method.rigid.segmentation), [0], method.position)
    assert blocks.labels(dict(enumerate(blocks.owner))) == [
        one.number for one in living(method.rigid.segmentation) for _ in one.residues
    ]
    motion = method.residue_motion(torch.tensor([[1.0]]))
    turn, slide = torch.tensor([0.3, -0.2, 0.4]), torch.zeros(3)
    screw = torch.zeros(1, len(blocks), 6)
    screw[0, 5] = torch.cat([ARM * turn, slide])
    rows = (blocks.of == 5).nonzero()[:, 0]
    with torch.no_grad():
        found = blocks.displaced(motion, method.position, None, screw)[0]
    assert not bool(found[blocks.of != 5].any())
    arm = method.position[rows] - method.position[rows].mean(0)
    turned = arm @ vector_to_matrix(turn).mT
    here, there = (motion.place(method.position)[0, rows] + offset for offset in (0, found[rows]))
    torch.testing.assert_close(torch.pdist(here), torch.pdist(arm), rtol=0, atol=0.2)  # a blend, nearly rigid
    start = replace(
        motion, quaternion=torch.tensor([1.0, 0, 0, 0])[None, :, None].expand_as(motion.quaternion)
    )
    with torch.no_grad():
        alone = blocks.displaced(start, method.position, None, screw)[0, rows]
    torch.testing.assert_close(alone, turned - arm, rtol=0, atol=1e-4)
    torch.testing.assert_close(found[rows].norm(dim=1), alone.norm(dim=1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.pdist(there - here), torch.pdist(alone), rtol=0.05, atol=0.05)


def test_a_screw_about_the_line_is_one_about_each_block() -> None:
    method = made(segments=3)
    assert method.rigid is not None
    blocks = Blocks.of_segments(method.rigid, living(method.rigid.segmentation), [0], method.position)
    screw = 1e-2 * torch.randn(6, generator=torch.Generator().manual_seed(0))
    own = (blocks.about(0) @ screw)[None]
    still = method.residue_motion(torch.zeros(1, 1))
    with torch.no_grad():
        found = blocks.displaced(still, method.position, None, own)[0]
    arm = (method.position - blocks.centre.mean(0)) / ARM
    expected = torch.linalg.cross(screw[:3].expand_as(arm), arm) + screw[3:]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
