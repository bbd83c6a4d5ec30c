"""What moves residues beside their segments: small displacements, normal modes, and what these cost."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from methods.test_structure_method import Z, made, told
from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.errors import InputError
from trimorph.core.rotations import random_rotations
from trimorph.methods.segments import Segments, SegmentsSettings
from trimorph.methods.structure_method import ResidueMotion


def empty_images(method: Segments, count: int) -> Batch:
    """Images of nothing."""
    disk = method.disk
    return Batch(
        index=torch.arange(count),
        image=torch.zeros(count, len(disk), dtype=torch.complex64),
        rotation=random_rotations(count, generator=torch.Generator().manual_seed(0)).float(),
        shift=torch.zeros(count, 2),
        ctf=CTF(defocus_u=torch.full((count,), 1e4), defocus_v=torch.full((count,), 1e4)).to("cpu"),
        group=torch.zeros(count, dtype=torch.long),
        disk=disk,
    )


def terms_of(method: Segments) -> dict[str, torch.Tensor]:
    """Terms of the loss of empty images."""
    batch = empty_images(method, 4)
    torch.manual_seed(0)
    found: dict[str, torch.Tensor] = method(batch, method.stages[-1], 0.5)
    return found


@pytest.mark.parametrize("kind", ["anchors", "coordinates"])
def test_single_residues_move_on_top_of_their_segments(kind: str) -> None:
    method, plain = made(part=True, residual=kind), made(part=True)
    assert method.rigid is not None
    with torch.no_grad():
        rigid = method.rigid(Z, method.position, sampled=False)
        found = method.residue_motion(Z)
        assert torch.equal(found.place(method.position)[0], method.position)
        assert torch.equal(found.place(method.position), method.decode(Z).position)
    small = (found.shift - rigid.shift).norm(dim=-1)
    assert torch.equal(found.quaternion, rigid.quaternion)
    assert float(small[1, 10:].min()) > 0.01
    assert float(small[1, 10:].std()) > 0.01  # not one shift of all
    assert torch.equal(small[:, :10], torch.zeros(3, 10))  # in no part
    assert not [name for name in plain.state_dict() if name.startswith("residual")]
    ids = [id(parameter) for group in method.parameter_groups().values() for parameter in group]
    assert sorted(ids) == sorted(id(parameter) for parameter in method.parameters())


def test_single_residues_cost_what_their_prior_says() -> None:
    method = made(residual="anchors", residual_give=0.2).train()
    z = Z[1:]
    with torch.no_grad():
        motion, small = method._motion(z, sampled=False)
        assert small is not None
        costs = method.priors(
            motion.place(method.position),
            trace=method.position[None],
            occupancy=motion.occupancy,
            segments=5,
            residual=small,
        )
    expected = 0.5 * (small / 0.2).square().sum((1, 2)).mean()
    torch.testing.assert_close(costs["residual"], expected)
    assert "residual" in terms_of(method)


def test_modes_move_a_structure_without_segments() -> None:
    method = made(decoder="modes", mode_count=4)
    with torch.no_grad():
        moved = method.decode(Z).position
        motion = method.residue_motion(Z)
    assert torch.equal(moved[0], method.position)
    assert float((moved[1] - method.position).norm(dim=1).max()) > 0.1
    torch.testing.assert_close(motion.place(method.position), moved)
    assert method.segments() == ()
    assert method.segment_motion(Z).shift.shape == (3, 0, 3)
    assert method.shares().shape == (214, 0)
    assert set(terms_of(method)) == {"likelihood", "continuity", "clash", "divergence"}
    assert list(method.parameter_groups()) == ["network", "neutral"]


def test_the_elastic_network_is_a_term_of_its_own() -> None:
    method = made(elastic=2.0, elastic_kept=1.0)
    assert float(terms_of(method)["elastic"].detach()) > 0
    still = ResidueMotion.none(2, method.position).place(method.position)
    costs = method.priors(
        still, trace=method.position[None], occupancy=torch.ones(2, 214), segments=5, residual=None
    )
    assert float(costs["elastic"]) == 0.0
    twice = made(elastic=4.0, elastic_kept=1.0)
    torch.testing.assert_close(terms_of(twice)["elastic"], 2 * terms_of(method)["elastic"])
    assert "elastic" not in terms_of(made())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoder": "modes", "occupancy": True}, "found occupancy with the decoder modes; wanted segments"),
        ({"elastic_kept": 1.5}, "elastic_kept"),
        ({"mode_count": 0}, "mode_count"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"(?i){message}"):
        SegmentsSettings(**settings)


def test_ranges_have_no_use_with_modes() -> None:
    with pytest.raises(InputError, match="Found --ranges with --decoder modes; wanted the decoder segments"):
        Segments.refuse(SegmentsSettings(decoder="modes"), told(part=True))
