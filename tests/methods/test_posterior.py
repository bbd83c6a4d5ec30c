"""Posterior against torch.distributions and the moments of its draws."""

from __future__ import annotations

import torch
from torch.distributions import MultivariateNormal, kl_divergence

from trimorph.methods.posterior import Posterior


def _full(count: int = 6, dim: int = 3) -> Posterior:
    generator = torch.Generator().manual_seed(0)
    factor = torch.randn(count, dim, dim, generator=generator).tril(-1)
    diagonal = 0.3 + torch.rand(count, dim, generator=generator)
    return Posterior(torch.randn(count, dim, generator=generator), factor + torch.diag_embed(diagonal))


def test_divergence_equals_that_of_torch() -> None:
    posterior = _full()
    prior = MultivariateNormal(torch.zeros(3), torch.eye(3))
    expected = kl_divergence(MultivariateNormal(posterior.mean, scale_tril=posterior.factor), prior)
    torch.testing.assert_close(posterior.divergence().sum(1), expected)


def test_divergence_of_the_prior_is_zero() -> None:
    posterior = Posterior.diagonal(torch.zeros(4, 5), torch.zeros(4, 5))
    torch.testing.assert_close(posterior.divergence().sum(1), torch.zeros(4))


def test_diagonal_has_the_variances_it_was_given() -> None:
    log_variance = torch.tensor([[0.0, 1.0], [-2.0, 3.0]])
    posterior = Posterior.diagonal(torch.zeros(2, 2), log_variance)
    torch.testing.assert_close(posterior.covariance, torch.diag_embed(log_variance.exp()))


def test_moments_of_the_draws() -> None:
    torch.manual_seed(0)
    one = _full(count=1)
    many = Posterior(one.mean.expand(200_000, -1), one.factor.expand(200_000, -1, -1))
    drawn = many.sample()
    assert float((drawn.mean(0) - one.mean[0]).abs().max()) < 0.02
    assert float((torch.cov(drawn.T) - one.covariance[0]).abs().max()) < 0.05


def test_draw_is_differentiable_in_mean_and_factor() -> None:
    torch.manual_seed(0)
    mean, factor = torch.zeros(2, 3, requires_grad=True), torch.eye(3).repeat(2, 1, 1).requires_grad_()
    drawn = Posterior(mean, factor).sample()
    drawn.sum().backward()
    assert mean.grad is not None
    assert factor.grad is not None
    torch.testing.assert_close(mean.grad, torch.ones(2, 3))
    # z = mean + L e: dz_i / dL_ij = e_j, and here z itself is e
    torch.testing.assert_close(factor.grad, drawn.detach()[:, None].expand(-1, 3, -1))


def test_point_is_drawn_as_it_is() -> None:
    mean = torch.randn(4, 2)
    posterior = Posterior.point(mean)
    assert torch.equal(posterior.sample(), mean)
    assert torch.equal(posterior.covariance, torch.zeros(4, 2, 2))


def test_latent_of_no_dimension() -> None:
    posterior = Posterior.point(torch.zeros(4, 0))
    assert posterior.sample().shape == (4, 0)
    assert posterior.divergence().sum(1).tolist() == [0.0] * 4
