"""Shares of residues in segments: whole, within their lines, and with the divergence that torch gives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from trimorph.methods.segment_lines import share_out
from trimorph.methods.segmentation import Segmentation, stretches

LINE = torch.tensor(30 * [0] + 3 * [-1] + 10 * [1] + 2 * [0] + 4 * [2])
COUNTS = torch.tensor([4, 2, 1])


def disturbed(*, exponent: float = 20.0) -> Segmentation:
    made = Segmentation(LINE, COUNTS, exponent=exponent)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        made.mean += 0.5 * torch.randn(made.mean.shape, generator=generator)
        made.log_spread += 0.5 * torch.randn(made.mean.shape, generator=generator)
    return made


@pytest.mark.parametrize("sampled", [False, True])
def test_shares_of_a_residue_sum_to_one_in_its_own_line(sampled: bool) -> None:
    made = disturbed()
    share = made(sampled=sampled)
    torch.testing.assert_close(share.sum(1), (LINE >= 0).float())
    for line, count in enumerate(COUNTS.tolist()):
        assert not bool(share[line == LINE, count:].any())
    assert bool((share >= 0).all())


def test_without_data_segments_are_equally_long() -> None:
    share = Segmentation(torch.zeros(40, dtype=torch.long), torch.tensor([4]), exponent=20.0)(sampled=False)
    assert torch.equal(share.argmax(1), torch.arange(40) // 10)


def test_shares_are_the_annealed_mixture() -> None:
    """By normal densities, with their own scale in front: eq. 6 of the paper."""
    made = disturbed(exponent=3.0).double()
    shift, width, logit = made.mean[:, 0]
    length = 32 / 4
    centre = length * (torch.arange(4) + 0.5 + shift)
    scale = length * (torch.nn.functional.elu(width) + 1)
    place = torch.arange(32).double() + 0.5
    density = torch.stack([Normal(m, s).log_prob(place).exp() for m, s in zip(centre, scale, strict=True)], 1)
    expected = (density * torch.softmax(logit, 0)) ** 3
    expected = expected / expected.sum(1, keepdim=True)
    torch.testing.assert_close(made(sampled=False)[LINE == 0], expected)


def test_divergence_is_that_of_torch() -> None:
    made = disturbed()
    each = kl_divergence(Normal(made.mean, made.log_spread.exp()), Normal(0.0, 1.0))
    expected = (each * made.valid).sum()
    torch.testing.assert_close(made.divergence(), expected)
    assert float(expected) > 0
    with torch.no_grad():
        made.mean.zero_()
        made.log_spread.zero_()
    assert float(made.divergence()) == 0.0


def test_residues_get_the_mean_of_their_own_segments() -> None:
    made = disturbed(exponent=1.0)
    share = made(sampled=False)
    values = torch.randn(3, 5, made.count, generator=torch.Generator().manual_seed(1)).mT
    padded = made.padded(values)
    found = made.spread(share, padded)
    expected = torch.stack(
        [padded[:, :, row] @ weight for row, weight in zip(made.row, share, strict=True)], -1
    )
    torch.testing.assert_close(found, expected)


def test_centroids_and_occupancies() -> None:
    made = disturbed(exponent=1.0)
    share = made(sampled=False)
    position = torch.randn(len(LINE), 3, generator=torch.Generator().manual_seed(1))
    occupancy, centre = made.collect(share, position)
    assert float(occupancy.sum()) == pytest.approx(int((LINE >= 0).sum()), rel=1e-5)
    own = share[LINE == 1]
    expected = (own[:, :, None] * position[LINE == 1][:, None]).sum(0) / own.sum(0)[:, None]
    torch.testing.assert_close(centre[1, :2], expected[:2], rtol=1e-4, atol=1e-4)


def test_one_segment_a_line_leaves_nothing_to_learn() -> None:
    made = Segmentation(LINE, torch.ones(3, dtype=torch.long), exponent=20.0)
    assert list(made.parameters()) == []
    assert torch.equal(made(sampled=True)[:, 0], (LINE >= 0).float())


def test_gradients_are_those_of_finite_differences() -> None:
    made = disturbed(exponent=2.0).double()

    def shares(mean: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(made, {"mean": mean}, kwargs={"sampled": False})
        return found

    assert torch.autograd.gradcheck(shares, made.mean.detach().requires_grad_())


def test_many_chains_cost_their_residues_times_the_segments_of_one() -> None:
    """14,000 residues in 50 chains: a table of 14,000 x 4, not of 14,000 x 200."""
    line = torch.arange(14_000) // 280
    made = Segmentation(line, share_out(torch.bincount(line), 200), exponent=20.0)
    assert made.count == 200
    assert made(sampled=False).shape == (14_000, 4)


def test_what_is_merged_counts_for_its_owner() -> None:
    made = disturbed(exponent=1.0)
    share = made(sampled=False)
    assert torch.equal(made.merged(share), share)
    made.merge(torch.tensor([0, 0, 2, 2, 5, 5, 6]))
    assert made.owners.tolist() == [0, 0, 2, 2, 5, 5, 6]
    found = made.merged(share)
    first, second = share[LINE == 0], share[LINE == 1]
    torch.testing.assert_close(found[LINE == 0][:, [0, 2]], first[:, [0, 2]] + first[:, [1, 3]])
    torch.testing.assert_close(found[LINE == 1][:, 1], second.sum(1))
    assert not bool(found[LINE == 0][:, [1, 3]].any())
    assert torch.equal(found[LINE == 2], share[LINE == 2])


def test_owners_are_saved_and_older_states_have_none() -> None:
    made, other = disturbed(), disturbed()
    made.merge(torch.tensor([0, 0, 2, 2, 4, 5, 6]))
    state = made.state_dict()
    other.load_state_dict(state)
    assert torch.equal(other.owners, made.owners)
    del state["owner"], state["used"]
    fresh = disturbed()
    fresh.load_state_dict(state)
    assert fresh.owners.tolist() == list(range(7))
    assert torch.equal(fresh.used, fresh.valid)


def test_few_segments_are_as_long_and_stretches_are_tiled_as_told() -> None:
    """A chain of 120 residues with 5 segments and one of 60 with 2, whose few are all that they have."""
    made = Segmentation(torch.arange(180) // 120, torch.tensor([5, 2]), exponent=20.0)
    made.use(2, beyond=4)
    assert made.used.sum(1).tolist() == [2, 2]
    best = made(sampled=False).argmax(1)
    assert stretches(best) == [0, 60, 120, 150]
    assert float(made.divergence()) == pytest.approx(12 * (0.005 - 0.5 + math.log(10)), rel=1e-5)
    with torch.no_grad():
        made.mean[0, 0] += 0.2  # by 12 residues
    assert stretches(made(sampled=False).argmax(1)) == [0, 72, 120, 150]
    made.tile(0, [0, 7, 31, 100])
    assert made.used.sum(1).tolist() == [4, 2]
    assert stretches(made(sampled=False).argmax(1)) == [0, 7, 31, 100, 120, 150]
    made.tile(0, [0])
    assert stretches(made(sampled=False).argmax(1)) == [0, 150]  # the first of either line


def test_segments_laid_anew_are_the_same_parameters() -> None:
    made = disturbed()
    before = dict(made.named_parameters())
    made.lay(LINE, torch.tensor([2, 1, 1]))
    assert all(value is before[name] for name, value in made.named_parameters())
    assert made.count == 4
    assert made.mean.shape == (3, 3, 2)
    assert stretches(made(sampled=False)[LINE == 0].argmax(1)) == [0, 16]
