"""ObjectFrameEncoder: what an image says of a few modes of density, mapped to its latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.core.volume import AbstractVolume
from trimorph.methods.base import Problem
from trimorph.methods.chart_start import expected_coordinates, fit_start
from trimorph.methods.decoded_modes import decoded_modes
from trimorph.methods.latent_chart import latent_chart
from trimorph.methods.mode_frame import ModeFrame
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.posterior import Posterior

EXAMPLES, SHOWN = 5000, 200
"""Particles, at most, that a network is taught by, and whose decoded densities new modes are made of."""

BEST_SEEN = 0.1
"""Share of the examples whose views tell most."""


class ObjectFrameEncoder(nn.Module):
    """The exact posterior of the linear modes at the image's pose and CTF, then a small network.

    A network that sees pixels has to learn what a pose and a CTF do to them; here both are undone by the
    model itself, and the posterior's covariance tells what a view cannot know. The network's input are the
    posterior's mean (k) and the lower half of its covariance (k (k + 1) / 2). Modes are fixed but for
    :meth:`refresh`, which makes ``most`` of them where fewer were known; poses that are refined change the
    input, without a gradient.
    """

    def __init__(self, problem: Problem, latent_dim: int, *, width: int, layers: int, most: int = 0) -> None:
        super().__init__()
        if problem.mean is None or problem.modes is None or problem.modes_resolution is None:
            raise InputError(
                "ObjectFrameEncoder: found a problem without mean or modes; wanted both, as method linear "
                "makes them. Choose another encoder, or add to the problem what Method.wants names."
            )
        room = problem.modes.new_zeros(max(most - len(problem.modes), 0), *problem.modes.shape[1:])
        self.register_buffer("modes", torch.cat([problem.modes, room]))
        self.modes: Tensor
        self.register_buffer("started", torch.tensor(False))
        self.started: Tensor
        self.frame = ModeFrame(
            problem.mean,
            NoiseModel(problem.noise.power / problem.window_share),
            disk=FourierDisk(problem.box, problem.pixel_size),
            resolution=problem.modes_resolution,
        )
        self.latent_dim = latent_dim
        self.examples = None
        if problem.mode_latents is not None:
            self.examples = with_room(problem.mode_latents, len(problem.modes), room=len(room))
        self.resolution, self.particles = problem.modes_resolution, problem.particles
        count = len(self.modes)
        self.network = ResidualMLP(
            count + count * (count + 1) // 2, 2 * latent_dim, width=width, layers=layers
        )

    def forward(self, batch: Batch, noise: NoiseModel) -> Posterior:
        """Posterior with independent components."""
        mean, log_variance = self._said(batch).chunk(2, dim=-1)
        return Posterior.diagonal(mean, log_variance)

    @torch.no_grad()
    def features(self, batch: Batch) -> Float[Tensor, "b f"]:
        """Posterior mean and packed covariance of the modes, in units of their prior."""
        found, _ = self.frame.posterior(self.modes[None], batch)
        return packed(found.mean, found.covariance)

    def begin(self) -> Iterator[str]:
        """Start from the chart of what the modes say of some particles, if the problem tells it.

        Components beyond those of the chart start at the prior.
        """
        if self.examples is None:
            return
        mean, covariance = unpacked(self.examples.cpu(), len(self.modes))
        length = self.modes.cpu().flatten(1).norm(dim=1)
        chart = latent_chart(
            (length * mean).numpy(),
            (length[:, None] * length * covariance).numpy(),
            most=self.latent_dim,
        )
        used = chart.coordinate.shape[1]
        if not used:
            yield "latents: no coordinate of the modes explains them, so they start anywhere"
            return
        expected, variance = expected_coordinates(chart, mean, covariance)
        rest = mean.new_zeros(len(mean), self.latent_dim - used)
        target = Posterior.diagonal(torch.cat([expected, rest], 1), torch.cat([variance.log(), rest], 1))
        fit_start(self.network, self.examples, target)
        self.started.fill_(True)
        share = 100 * (1 - chart.unexplained)
        yield (
            f"latents: {used} of {self.latent_dim} start along the modes' own coordinates, with which "
            f"neighbours predict {share:.0f} % of what the modes vary"
        )

    @torch.no_grad()
    def place_of(self, volume: AbstractVolume) -> Float[Tensor, " d"]:
        """What would be said of a density, if it were seen without noise in the best of the examples' views.

        Its modes x are those of least squares. With the covariance S of the posterior in such a view, whose
        prior is one, the posterior's mean would be (1 - S) x.
        """
        assert self.examples is not None  # as the encoder has started from them
        basis, box = self.modes.flatten(1), self.modes.shape[-1]
        change = volume.voxels(box, self.frame.pixel_size)[0] - self.frame.mean
        mode = torch.linalg.lstsq((basis @ basis.mT).double(), (basis @ change.flatten()).double()).solution
        _, covariance = unpacked(self.examples.double(), len(self.modes))
        told = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
        seen = covariance[told <= told.quantile(BEST_SEEN)].mean(0)
        one = torch.eye(len(seen)).to(seen)
        features = packed(((one - seen) @ mode)[None], seen[None]).float()
        place: Tensor = self.network(features[None])[0, 0].float()[: self.latent_dim]
        return place

    @torch.no_grad()
    def refresh(
        self,
        batches: Callable[[], Iterator[Batch]],
        decode: Callable[[Tensor], AbstractVolume],
        total: Callable[[Tensor], Tensor],
    ) -> bool:
        """Take the modes of what ``decode`` gives, and teach the network to say the same of the images.

        ``batches`` are a process's images, and ``total`` sums over processes, so that all learn from the same
        particles. Where what is decoded does not differ, nothing is done; whether something was is returned.
        """
        some = torch.randperm(self.particles, generator=torch.Generator().manual_seed(0))[:EXAMPLES]

        def of_some(told: Callable[[Batch], Tensor]) -> Float[Tensor, "m f"]:
            row = torch.full((self.particles,), -1)
            row[some] = torch.arange(len(some))
            table: Tensor | None = None
            for batch in batches():
                values, place = told(batch), row[batch.index.cpu()].to(batch.index.device)
                table = values.new_zeros(len(some), values.shape[1]) if table is None else table
                table[place[place >= 0]] = values[place >= 0]
            assert table is not None  # as there are images
            return total(table)

        said = of_some(self._said)
        mean, log_variance = said.chunk(2, dim=-1)
        average, modes = decoded_modes(decode, mean[:SHOWN], self.modes, pixel_size=self.frame.pixel_size)
        if float(modes.norm()) < 1e-3 * float(self.modes.norm()):
            return False
        self.frame.mean.copy_(average)
        self.modes.copy_(modes)
        fit_start(self.network, of_some(self.features), Posterior.diagonal(mean, log_variance))
        return True

    def _said(self, batch: Batch) -> Float[Tensor, "b d2"]:
        """Mean and logarithm of the variance of each component."""
        found: Tensor = self.network(self.features(batch)[None])[0].float()
        return found


def packed(mean: Float[Tensor, "n k"], covariance: Float[Tensor, "n k k"]) -> Float[Tensor, "n f"]:
    """Mean (k), and the lower half of the covariance row by row (k (k + 1) / 2), side by side."""
    row, column = torch.tril_indices(*covariance.shape[1:])
    return torch.cat([mean, covariance[:, row, column]], dim=1)


def with_room(features: Float[Tensor, "n f"], count: int, *, room: int) -> Float[Tensor, "n e"]:
    """What would be said of ``count`` modes and of ``room`` further ones that are zero."""
    mean, covariance = unpacked(features, count)
    one = torch.eye(count + room).to(covariance).repeat(len(covariance), 1, 1)
    one[:, :count, :count] = covariance
    return packed(torch.nn.functional.pad(mean, (0, room)), one)


def unpacked(
    features: Float[Tensor, "n f"], count: int
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k k"]]:
    """Mean and covariance of ``count`` modes: the inverse of :func:`packed`.

    >>> mean, covariance = torch.tensor([[1.0, 2.0]]), torch.tensor([[[3.0, 4.0], [4.0, 5.0]]])
    >>> bool((unpacked(packed(mean, covariance), 2)[1] == covariance).all())
    True
    """
    row, column = torch.tril_indices(count, count)
    covariance = features.new_zeros(len(features), count, count)
    covariance[:, row, column] = features[:, count:]
    covariance[:, column, row] = features[:, count:]
    return features[:, :count], covariance
