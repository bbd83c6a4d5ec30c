"""CloudParts: a moving cloud of Gaussians as a few parts, each nearly rigid.

Letters: v latents, m samples of them, d their dimension, g Gaussians, s parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.gaussians import Gaussians
from trimorph.core.rotations import matrix_to_vector, nearest_rotation
from trimorph.methods.structure_method import RigidMotion

SAMPLES = 64
"""Latents whose clouds are looked at when parts are found."""

FAINT = 0.1
"""Amplitude, over the mean size of all, below which a Gaussian stands for nothing that could move."""

FEWEST = 8
"""Gaussians of a part, at least."""

ROUNDS = 8
"""Of fitting parts and giving each Gaussian to the part that moves as it does."""


@dataclass(frozen=True, eq=False)
class CloudParts:
    """Parts of a cloud: ``position`` (g, 3) in Å and ``weight`` (g,) at latent zero, and the part of each.

    ``decode`` gives the cloud at latents, with these Gaussians at the rows ``kept``; ``error`` is the root
    mean square distance in Å of the Gaussians from where the parts take them.
    """

    decode: Callable[[Tensor], Gaussians]
    kept: Int[Tensor, " g"]
    position: Tensor
    weight: Tensor
    member: Int[Tensor, " g"]
    error: float

    @classmethod
    def of(
        cls, decode: Callable[[Tensor], Gaussians], z: Float[Tensor, "n d"], *, tolerance: float, most: int
    ) -> CloudParts:
        """As few parts as move all Gaussians to ``tolerance`` Å at the latents z, but at most ``most``.

        Amplitudes are taken as they are at latent zero.
        """
        some = z[torch.linspace(0, len(z) - 1, min(SAMPLES, len(z))).long()]
        with torch.no_grad():
            neutral, moved = decode(torch.zeros_like(z[:1])), decode(some)
        size = neutral.amplitude[0].abs().double()
        kept = torch.nonzero(size > FAINT * size.mean()).flatten()
        position, weight = neutral.position[0, kept].double(), size[kept]
        member, error = rigid_partition(
            position, moved.position[:, kept].double(), weight, tolerance=tolerance, most=most
        )
        return cls(decode, kept, position.float(), weight.float(), member, error)

    @property
    def count(self) -> int:
        """Number of parts."""
        return int(self.member.max()) + 1

    def shares(self) -> Float[Tensor, "g s"]:
        """1 for the part of each Gaussian, else 0."""
        return torch.nn.functional.one_hot(self.member, self.count).to(self.position)

    @torch.no_grad()
    def segment_motion(self, z: Float[Tensor, "v d"]) -> RigidMotion:
        """The rigid motion of each part that takes its Gaussians nearest to where they are."""
        moved = self.decode(z).position[:, self.kept]
        share = self.shares() * self.weight[:, None]
        turn, centre, shift = rigid_motions(self.position, moved, share)
        return RigidMotion(matrix_to_vector(turn), shift, centre, torch.ones_like(shift[..., 0]))


def rigid_partition(
    position: Float[Tensor, "g 3"],
    moved: Float[Tensor, "m g 3"],
    weight: Float[Tensor, " g"],
    *,
    tolerance: float,
    most: int,
) -> tuple[Int[Tensor, " g"], float]:
    """The part of each point, and the root mean square error in Å of taking parts as rigid.

    There is one part at first. While the error is above the tolerance, the points around the worst one
    become a part, and then all points change places between parts as long as they move better with another.

    >>> place = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)).double() * 10
    >>> right = place[:, 0] > 0
    >>> moved = place + torch.tensor([0.0, 5.0, 0.0]) * right[:, None]
    >>> member, error = rigid_partition(place, moved[None], torch.ones(60).double(), tolerance=0.1, most=4)
    >>> int(member.max()), bool((member == member[right][0]).eq(right).all()), error < 0.1
    (1, True, True)
    """
    count = len(position)
    member = torch.zeros(count, dtype=torch.long)
    errors = _errors(position, moved, weight, member)
    for parts in range(2, most + 1):
        if _rms(errors, member, weight) <= tolerance or count < parts * FEWEST:
            break
        own = errors.gather(0, member[None])[0]
        around = torch.cdist(position, position).argsort(1)[:, : max(count // (2 * parts), FEWEST)]
        worst = int((own * weight)[around].sum(1).argmax())
        tried = member.clone()
        tried[around[worst]] = parts - 1
        tried = _settled(position, moved, weight, tried)
        found = _errors(position, moved, weight, tried)
        if _rms(found, tried, weight) >= _rms(errors, member, weight):
            break
        member, errors = tried, found
    return member, _rms(errors, member, weight)


def rigid_motions(
    position: Float[Tensor, "g 3"], moved: Float[Tensor, "v g 3"], share: Float[Tensor, "g s"]
) -> tuple[Float[Tensor, "v s 3 3"], Float[Tensor, "s 3"], Float[Tensor, "v s 3"]]:
    """Rotations, centres and shifts of these that take the points of each part nearest to where they go.

    Minimises sum share |R (x - c) + c + t - y|^2.  Source: Kabsch, Acta Cryst. A 32 (1976) 922.
    """
    share = share / share.sum(0)
    centre = share.T @ position
    there = torch.einsum("gs,vgi->vsi", share, moved)
    arm = position[:, None] - centre
    spread = torch.einsum("vgi,gsj->vsij", moved, arm * share[..., None])  # the mean of an arm is zero
    return nearest_rotation(spread), centre, there - centre


def _settled(
    position: Float[Tensor, "g 3"],
    moved: Float[Tensor, "m g 3"],
    weight: Float[Tensor, " g"],
    member: Int[Tensor, " g"],
) -> Int[Tensor, " g"]:
    """Points changed between parts until they stay; parts of too few are given up, neighbours are asked."""
    near = torch.cdist(position, position).argsort(1)[:, :FEWEST]
    for _ in range(ROUNDS):
        before = member
        errors = _errors(position, moved, weight, member)
        # with a view to the neighbours, so that parts are whole
        member = (errors + errors[:, near].mean(-1)).argmin(0)
        used, member = member.unique(return_inverse=True)
        few = torch.bincount(member) < FEWEST
        if bool(few.any()):
            errors = errors[used][~few]
            member = errors.argmin(0).unique(return_inverse=True)[1]
        if torch.equal(member, before):
            break
    return member


def _errors(
    position: Float[Tensor, "g 3"],
    moved: Float[Tensor, "m g 3"],
    weight: Float[Tensor, " g"],
    member: Int[Tensor, " g"],
) -> Float[Tensor, "s g"]:
    """Mean square distance in Å^2 of every point from where each part would take it."""
    share = torch.nn.functional.one_hot(member).to(weight) * weight[:, None]
    turn, centre, shift = rigid_motions(position, moved, share)
    found = []
    for part in range(share.shape[1]):
        taken = (position - centre[part]) @ turn[:, part].mT + (centre[part] + shift[:, part])[:, None]
        found.append((taken - moved).square().sum(-1).mean(0))
    return torch.stack(found)


def _rms(errors: Float[Tensor, "s g"], member: Int[Tensor, " g"], weight: Float[Tensor, " g"]) -> float:
    own = errors.gather(0, member[None])[0]
    return float(((own * weight).sum() / weight.sum()).sqrt())
