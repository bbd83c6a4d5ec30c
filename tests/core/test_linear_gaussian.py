"""The posterior of a linear Gaussian model against the dense Gaussian over the data."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from trimorph.core.linear_gaussian import LinearGaussian

IMAGES, DATA, COMPONENTS = 4, 9, 3


@pytest.fixture(scope="module")
def model() -> tuple[Tensor, Tensor]:
    """A design and data of the size that it gives."""
    generator = torch.Generator().manual_seed(0)
    design = torch.randn(IMAGES, DATA, COMPONENTS, generator=generator)
    data = design.sum(-1) + torch.randn(IMAGES, DATA, generator=generator)
    return design, data


def test_mean_and_covariance_are_those_of_conditioning(model: tuple[Tensor, Tensor]) -> None:
    """By the covariance of the data: z | y has mean C^T S^-1 y and covariance 1 - C^T S^-1 C."""
    design, data = model
    found = LinearGaussian.of(design, data)
    dense = torch.eye(DATA) + design @ design.mT
    gain = torch.linalg.solve(dense, design).mT
    torch.testing.assert_close(found.mean, (gain @ data[..., None])[..., 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.covariance, torch.eye(COMPONENTS) - gain @ design, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", range(COMPONENTS + 1))
def test_gains_add_up_to_the_likelihood_of_each_leading_block(
    model: tuple[Tensor, Tensor], count: int
) -> None:
    design, data = model
    some = design[..., :count].double()
    dense = MultivariateNormal(torch.zeros(DATA).double(), torch.eye(DATA) + some @ some.mT)
    nothing = MultivariateNormal(torch.zeros(DATA).double(), torch.eye(DATA).double())
    expected = dense.log_prob(data.double()) - nothing.log_prob(data.double())
    found = LinearGaussian.of(design, data).gain[:, :count].sum(-1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def test_data_that_say_nothing_leave_the_prior() -> None:
    found = LinearGaussian.of(torch.zeros(2, 5, 3), torch.randn(2, 5))
    assert torch.equal(found.mean, torch.zeros(2, 3))
    assert torch.equal(found.covariance, torch.eye(3).expand(2, 3, 3))
    assert torch.equal(found.gain, torch.zeros(2, 3))


@pytest.mark.parametrize("size", [1e3, 1e5, 1e8])
def test_components_that_are_alike_and_strong(size: float) -> None:
    """Two equal columns: only their sum is known, and single precision loses the prior beside them."""
    column = size * torch.nn.functional.normalize(torch.ones(1, 400, 1), dim=1)
    found = LinearGaussian.of(column.expand(1, 400, 2), 3.0 * column[..., 0])
    assert bool(found.mean.isfinite().all() and found.covariance.isfinite().all())
    assert bool(found.gain.isfinite().all())
    assert float(found.mean.sum()) == pytest.approx(3.0, rel=1e-2)


def test_what_is_not_finite_stays_visible() -> None:
    """No exception that hides which images were at fault: the loss is not finite, as the trainer expects."""
    found = LinearGaussian.of(torch.full((1, 5, 2), float("nan")), torch.zeros(1, 5))
    assert not bool(found.gain.isfinite().all())


def test_gradient_is_that_of_finite_differences(model: tuple[Tensor, Tensor]) -> None:
    design, data = (value.double() for value in model)
    assert torch.autograd.gradcheck(
        lambda columns: LinearGaussian.of(columns, data).gain.sum(-1), (design.requires_grad_(),)
    )
