"""The exact posterior of a linear Gaussian model: data = design z + noise, with z and noise standard normal.

Letters: b images, m data an image, k components of z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 1e-6
"""What is added to the precision, relative to its largest entry: more than single precision loses there."""


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """Posterior of z given b images: its precision is L L^T = 1 + design^T design.

    ``factor`` is L, ``innovation`` is L^-1 design^T data.
    """

    factor: Float[Tensor, "b k k"]
    innovation: Float[Tensor, "b k"]

    @classmethod
    def of(cls, design: Float[Tensor, "b m k"], data: Float[Tensor, "b m"]) -> LinearGaussian:
        """Condition z on the data.

        >>> posterior = LinearGaussian.of(torch.ones(1, 3, 1), torch.full((1, 3), 4.0))
        >>> round(float(posterior.mean), 3), round(float(posterior.covariance), 3)
        (3.0, 0.25)
        """
        precision = design.mT @ design
        prior = 1.0 + RIDGE * precision.diagonal(dim1=-2, dim2=-1).amax(-1)
        unit = torch.eye(design.shape[-1], dtype=design.dtype, device=design.device)
        factor, _ = torch.linalg.cholesky_ex(precision + prior[:, None, None] * unit)
        projection = (design.mT @ data[..., None])[..., 0]
        innovation = torch.linalg.solve_triangular(factor, projection[..., None], upper=False)[..., 0]
        return cls(factor, innovation)

    @cached_property
    def mean(self) -> Float[Tensor, "b k"]:
        """Posterior mean."""
        return torch.linalg.solve_triangular(self.factor.mT, self.innovation[..., None], upper=True)[..., 0]

    @property
    def covariance(self) -> Float[Tensor, "b k k"]:
        """Posterior covariance."""
        return torch.cholesky_inverse(self.factor.double()).to(self.factor.dtype)

    @property
    def gain(self) -> Float[Tensor, "b k"]:
        """What each component adds to the log-likelihood of an image, given the components before it.

        log N(data; 0, 1 + design design^T) = -|data|^2 / 2 + sum_k gain_k + constant, and the sum up to k is
        that of the model with the first k components: a leading block of L is the factor of the leading
        block.
        """
        return 0.5 * self.innovation**2 - self.factor.diagonal(dim1=-2, dim2=-1).log()
