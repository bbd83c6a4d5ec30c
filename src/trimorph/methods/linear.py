"""Method `linear`: mean + a few low-resolution modes of density, with the exact posterior of every image.

V(z) = mean + sum_k z_k V_k with z ~ N(0, diag variance). An image is a slice of V(z) times the CTF, with
Gaussian noise of known power: so z given an image is Gaussian too, in closed form, and the modes maximise the
likelihood with z integrated out. The half sets are fitted apart first: what they agree on says where the
density varies and is the prior of the final modes, and what the modes of one say of the images of the other
tells how many modes are real.

Source: probabilistic principal component analysis (Tipping & Bishop, J. R. Stat. Soc. B 61 (1999) 611) of
densities seen through projections; as variability analysis, Punjani & Fleet, J. Struct. Biol. 213 (2021)
107702.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.checks import check_range
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.held_out import HeldOut, best_total, held_out, second_moment
from trimorph.methods.mode_agreement import align, principal, shared_power, shells
from trimorph.methods.mode_frame import ModeFrame, coarsest_grid
from trimorph.methods.mode_problem import (
    ingredients,
    mode_count,
    mode_limits,
    mode_mask,
    mode_unit,
    random_modes,
)
from trimorph.methods.mode_verdict import AGREEMENT, agreement, real_modes, useful_modes, verdict
from trimorph.methods.posterior import Posterior
from trimorph.methods.variance_mask import shared_variance, variance_masks

IMAGES_SHOWN = 20_000
"""Images, counted every time they are seen, that a first fit of the half sets takes by default."""


@dataclass(frozen=True)
class LinearSettings:
    """Settings of the method `linear`."""

    modes: int | Literal["auto"] = "auto"
    """Number of modes, 1 to 64; auto: as many as raise the likelihood of images that were held out."""
    resolution: float | None = None
    """Finest resolution of the modes in Å; by default it is raised in steps while that likelihood grows."""
    epochs: int | None = None
    """Passes through the particles for the first fit of the half sets, and half as many for each step after
    it. By default, as many as show 20,000 images."""
    learning_rate: float = 0.05
    """Peak learning rate of the modes, in units of the mean map's standard deviation."""
    contrast: float = 0.0
    """Standard deviation of the particles' contrast (amplitude) around 1; 0 takes all as equal."""

    def __post_init__(self) -> None:
        if self.modes != "auto":
            check_range("modes", self.modes, least=1, most=64)
        check_range("epochs", self.epochs, least=1)
        check_range("resolution", self.resolution, above=0)
        check_range("learning_rate", self.learning_rate, above=0)
        check_range("contrast", self.contrast, least=0)


class Linear(Method):
    """The linear model; see the module's docstring.

    What :meth:`review` finds is kept in buffers: ``gain`` and ``gain_error`` (k,), the held-out
    log-likelihood an image that each mode adds and its standard error; ``cosine`` (k,), of the principal
    angles between the half sets' modes, and ``level``, what it has to exceed; ``kept`` and ``real``, numbers
    of modes; ``mask`` (c, c, c), where the density may vary: as the problem says, or found.
    """

    Settings: ClassVar[type[LinearSettings]] = LinearSettings
    BATCH_SIZE = 256

    def __init__(self, settings: LinearSettings, problem: Problem) -> None:
        super().__init__(problem)
        mean, mask, half = ingredients(problem)
        self.settings, self.particles = settings, problem.particles
        self.mask_is_given = problem.mask is not None
        self.epochs = settings.epochs or ceil(IMAGES_SHOWN / problem.particles)
        self.limits = mode_limits(settings.resolution, problem)
        self.frame = ModeFrame(
            mean,
            NoiseModel(problem.noise.power / problem.window_share),
            disk=self.disk,
            resolution=self.limits[-1],
            contrast=settings.contrast,
        )
        box, count = self.frame.box, mode_count(settings.modes, half)
        mask = mode_mask(mask, problem.pixel_size, box=box, pixel_size=self.frame.pixel_size)
        self.register_buffer("unit", mode_unit(self.frame.mean, mask))
        self.register_buffer("mean", mean.clone())
        self.register_buffer("mask", mask)
        self.register_buffer("half_set", half, persistent=False)
        coarse = self.disk.limit(resolution=self.limits[0]).radius[-1]
        self.halves = nn.Parameter(0.1 * random_modes(2, count, box=box, radius=float(coarse)))
        self.modes = nn.Parameter(torch.zeros(count, box, box, box))
        self.register_buffer("prior", torch.ones(count, int(shells(box).max()) + 1))
        for name, number in {"tried": 0, "best": 0, "settled": 0, "kept": count, "real": 0}.items():
            self.register_buffer(name, torch.tensor(number))
        for name in ("gain", "gain_error", "cosine"):
            self.register_buffer(name, torch.zeros(count))
        self.register_buffer("level", torch.tensor(AGREEMENT))
        self.unit: Tensor
        self.mean: Tensor
        self.mask: Tensor
        self.half_set: Tensor
        self.prior: Tensor
        self.gain: Tensor
        self.gain_error: Tensor
        self.cosine: Tensor
        self.level: Tensor
        self.tried: Tensor
        self.best: Tensor
        self.settled: Tensor
        self.kept: Tensor
        self.real: Tensor

    @classmethod
    def wants(cls, settings: LinearSettings) -> frozenset[Ingredient]:
        """Mean, half sets, and a mask where the user gives one."""
        return frozenset({"mean", "mask", "half"})

    @property
    def latent_dim(self) -> int:
        """Number of modes that are kept."""
        return int(self.kept)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The half sets at one limit after another while that pays, then all particles at the best."""
        rate, later = self.settings.learning_rate, ceil(self.epochs / 2)
        limits = self.limits[: int(self.tried)] if self.settled else self.limits
        epochs = [self.epochs, *[later] * len(limits)]
        halves = [
            Stage(f"half sets to {limit:.1f} Å", count, limit, {"halves": rate})
            for count, limit in zip(epochs, limits, strict=False)
        ]
        limit = limits[int(self.best) if self.settled else -1]
        return (*halves, Stage(f"all to {limit:.1f} Å", later, limit, {"modes": rate}))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Groups: halves (modes of both half sets), modes (those of all particles)."""
        return {"halves": [self.halves], "modes": [self.modes]}

    def encode(self, batch: Batch) -> Posterior:
        """The exact posterior."""
        modes = self.densities()
        batch = batch.limit(batch.disk.limit(resolution=self.limits[int(self.best)]))
        found, _ = self.frame.posterior(modes[None], batch)
        deviation = modes.flatten(1).norm(dim=1)
        own = slice(found.mean.shape[1] - len(modes), None)
        covariance = torch.cholesky_inverse(found.factor.double())[:, own, own]
        factor = torch.linalg.cholesky(covariance).float()
        return Posterior(deviation * found.mean[:, own], deviation[:, None] * factor)

    def decode(self, z: Float[Tensor, "v d"]) -> VoxelGrid:
        """Mean + sum_k z_k V_k / |V_k|, with the norm over the voxels of the modes' grid."""
        modes = self.densities()
        unit = modes / modes.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
        change = resample(
            torch.einsum("vk,kzyx->vzyx", z, unit),
            self.frame.pixel_size,
            box=self.disk.box,
            pixel_size=self.disk.pixel_size,
        )
        return VoxelGrid(self.mean + change, self.disk.pixel_size)

    def densities(self) -> Float[Tensor, "k c c c"]:
        """The modes that are kept, each as long as its latent's standard deviation.

        Before the first review, those of the first half set.
        """
        source = self.modes if self.tried else self.halves[0]
        return self._masked(source)[: self.latent_dim]

    def findings(self) -> tuple[Float[Tensor, "k c c c"], float]:
        """The kept modes on the coarsest grid for their resolution, and that resolution in Å."""
        resolution = self.limits[int(self.best)]
        box, pixel_size = coarsest_grid(self.disk.limit(resolution=resolution))
        modes = resample(self.densities(), self.frame.pixel_size, box=box, pixel_size=pixel_size)
        return modes, resolution

    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        """Negative log-likelihood with z integrated out, and the modes' prior, a pixel of the plane each."""
        pixels = float(batch.disk.weight.sum())
        if "halves" in stage.learning_rate:
            sets = self._masked(self.halves)
            _, likelihood = self.frame.posterior(sets, batch, which=self.half_set[batch.index])
            return {"likelihood": -likelihood.mean() / pixels}
        _, likelihood = self.frame.posterior(self.densities()[None], batch)
        return {
            "likelihood": -likelihood.mean() / pixels,
            "prior": self._penalty() / (self.particles * pixels),
        }

    def begin(self) -> Iterator[str]:
        """Nothing has to be made ready."""
        return iter(())

    def review(self, stage: Stage, survey: Survey) -> list[str]:
        """How many modes are real, and whether a finer limit pays; at the end, the modes in order."""
        limit = self.limits[min(int(self.tried), len(self.limits) - 1)]
        with torch.no_grad():
            if "modes" in stage.learning_rate:
                self._order(survey)
                return [self.verdict]
            sets, found = self._judged(limit, survey)
            if not self.mask_is_given and not self.tried:
                sets, found = self._narrowed(sets, found, limit=limit, survey=survey)
            most = best_total(found.gain)
            better = not self.tried or most > 1.01 * max(best_total(self.gain), 0.0)
            if better:
                self._adopt(sets, found)
            self.tried += 1
            self.settled.fill_(int(not better or int(self.tried) == len(self.limits)))
        said = f"{stage.name}: modes in {100 * float(self.mask.mean()):.1f} % of the box raise the held-out "
        said += f"likelihood by {max(most, 0.0):.3f} an image"
        return [said if better else f"{said}, hardly more than at the coarser limit, which is taken"]

    @property
    def verdict(self) -> str:
        """One line: how many modes are real, and how well the half sets agree on them."""
        kept = self.cosine[: int(self.kept)]
        return verdict(real=int(self.real), cosine=kept, level=float(self.level))

    @property
    def real_modes(self) -> Bool[Tensor, " k"]:
        """Which of the modes that were tried are real."""
        return real_modes(self.gain, self.gain_error, cosine=self.cosine, level=self.level)

    def _judged(self, limit: float, survey: Survey) -> tuple[Float[Tensor, "2 k c c c"], HeldOut]:
        """The half sets' modes, matched, and what each says of the other's images."""
        sets = torch.stack(align(*self._masked(self.halves).flatten(2))).unflatten(2, self.mask.shape)
        return sets, held_out(self.frame, sets, 1 - self.half_set, resolution=limit, survey=survey)

    def _narrowed(
        self, sets: Float[Tensor, "2 k c c c"], found: HeldOut, *, limit: float, survey: Survey
    ) -> tuple[Float[Tensor, "2 k c c c"], HeldOut]:
        """Take the mask, of several around what varies in both half sets, that gives the most likelihood."""
        first, second = sets * found.deviation[:, :, None, None, None]
        reach = 0.25 * limit / self.frame.pixel_size
        whole, tried = self.mask.clone(), [(self.mask.clone(), sets, found)]
        for mask in variance_masks(shared_variance(first, second, width=reach), reach=reach):
            self.mask.copy_(whole * mask)
            tried.append((self.mask.clone(), *self._judged(limit, survey)))
        mask, sets, found = max(tried, key=lambda one: best_total(one[2].gain))
        self.mask.copy_(mask)
        return sets, found

    def _adopt(self, sets: Float[Tensor, "2 k c c c"], found: HeldOut) -> None:
        """Take what the half sets gave as the start of the modes of all particles, and as their prior."""
        first, second = sets * found.deviation[:, :, None, None, None]
        fewer = self.settings.modes == "auto"
        tried = max(useful_modes(found.gain), 1) if fewer else len(found.gain)
        agreed = agreement(first[:tried], second[:tried], mask=self.mask, fewer=fewer)
        self.best.copy_(self.tried)
        self.kept.fill_(agreed.kept)
        self.level.fill_(agreed.level)
        self.cosine.zero_()
        self.cosine[: agreed.kept] = agreed.cosine
        self.gain.copy_(found.gain)
        self.gain_error.copy_(found.error)
        self.real.copy_(self.real_modes.sum())
        power = shared_power(first, second)
        self.prior.copy_(power.clamp_min(1e-4 * float(power.max().clamp_min(1e-12))))
        self.modes.copy_(self._stored(0.5 * (first + second)))

    def _order(self, survey: Survey) -> None:
        """Make the modes as long as the latents' spread, orthogonal, and the longest first."""
        modes, limit = self.densities(), self.limits[int(self.best)]
        spread = second_moment(self.frame, modes, resolution=limit, survey=survey)
        longer = torch.linalg.cholesky(spread).T @ modes.flatten(1)
        self.modes[: len(modes)] = self._stored(principal(longer).view_as(modes))

    def _penalty(self) -> Tensor:
        """Negative log of the prior: Fourier shells with the variance that both half sets share."""
        modes = self._masked(self.modes[: self.latent_dim])
        power = torch.fft.fftn(modes, dim=(1, 2, 3)).abs().square()
        variance = self.prior[: len(modes)][:, shells(len(self.mask), device=power.device)]
        return 0.5 * self.mask.mean() * (power / variance).sum()

    def _masked(self, values: Float[Tensor, "*k c c c"]) -> Float[Tensor, "*k c c c"]:
        return self.unit * values * self.mask

    def _stored(self, density: Float[Tensor, "k c c c"]) -> Float[Tensor, "k c c c"]:
        """What :meth:`_masked` makes such a density of; densities are zero where the mask is."""
        return density / (self.unit * self.mask.clamp_min(1e-3))
