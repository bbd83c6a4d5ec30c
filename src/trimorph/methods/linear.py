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
from math import ceil
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.noise import NoiseModel
from trimorph.core.voxel_grid import VoxelGrid, resample
from trimorph.methods.base import Ingredient, Method, Problem, Stage, Survey
from trimorph.methods.held_out import HeldOut, best_total, held_out, second_moment
from trimorph.methods.linear_settings import LinearSettings as LinearSettings
from trimorph.methods.mode_agreement import align, principal, prior_penalty, shared_power, shells
from trimorph.methods.mode_frame import ModeFrame, coarsest_grid
from trimorph.methods.mode_problem import (
    ingredients,
    mode_counts,
    mode_limits,
    mode_mask,
    mode_unit,
    random_modes,
)
from trimorph.methods.mode_verdict import AGREEMENT, agreement, real_modes, useful_modes, verdict
from trimorph.methods.posterior import Posterior
from trimorph.methods.variance_mask import narrowest_good, shared_variance, variance_masks

IMAGES_SHOWN, MOST_EPOCHS = 20_000, 200
"""What a first fit of the half sets takes by default: images, counted every time they are seen, but at most
so many passes, as with few particles each is a single step."""


class Linear(Method):
    """The linear model; see the module's docstring.

    What :meth:`review` finds is kept in buffers: ``gain`` and ``gain_error`` (k,), the held-out
    log-likelihood an image that each mode adds and its standard error; ``cosine`` (k,), of the principal
    angles between the half sets' modes, and ``level``, what it has to exceed; ``fitted``, ``judged``,
    ``kept`` and ``real``, numbers of modes; ``mask`` (c, c, c), where the density may vary: as the problem
    says, or found.
    """

    Settings: ClassVar[type[LinearSettings]] = LinearSettings
    BATCH_SIZE = 256

    def __init__(self, settings: LinearSettings, problem: Problem) -> None:
        super().__init__(problem)
        mean, mask, half = ingredients(problem)
        self.settings, self.particles = settings, problem.particles
        self.searches = problem.mask is None
        self.epochs = settings.epochs or min(ceil(IMAGES_SHOWN / problem.particles), MOST_EPOCHS)
        self.limits = mode_limits(settings.resolution, problem)
        self.frame = ModeFrame(
            mean,
            NoiseModel(problem.noise.power / problem.window_share),
            disk=self.disk,
            resolution=self.limits[-1],
            contrast=settings.contrast,
        )
        box, (first, count) = self.frame.box, mode_counts(settings.modes, half)
        mask = mode_mask(mask, problem.pixel_size, box=box, pixel_size=self.frame.pixel_size)
        self.register_buffer("unit", mode_unit(self.frame.mean, mask))
        self.register_buffer("mean", mean.clone())
        self.register_buffer("mask", mask)
        self.register_buffer("half_set", half, persistent=False)
        self.modes = nn.Parameter(torch.zeros(count, box, box, box))
        self.halves = nn.Parameter(self._start())
        self.register_buffer("prior", torch.ones(count, int(shells(box).max()) + 1))
        self.register_buffer("searching", torch.tensor(int(self.searches)))
        numbers = {"fitted": first, "judged": 0, "kept": first, "real": 0}
        numbers |= {"tried": 0, "best": 0, "settled": 0}
        for name, number in numbers.items():
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
        self.searching: Tensor
        self.fitted: Tensor
        self.judged: Tensor
        self.tried: Tensor
        self.best: Tensor
        self.settled: Tensor
        self.kept: Tensor
        self.real: Tensor

    @classmethod
    def wants(cls, settings: LinearSettings) -> frozenset[Ingredient]:
        """Mean, half sets, and a mask where the user gives one."""
        return frozenset({"mean", "mask", "half"})

    @classmethod
    def refuse(cls, settings: LinearSettings, problem: Problem) -> None:
        """What is wrong is said at once, as training begins at once."""

    @property
    def latent_dim(self) -> int:
        """Number of modes that are kept."""
        return int(self.kept)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The half sets at one limit after another while that pays, then all particles at the best.

        Before, where no mask is given, the half sets anywhere, to find where the density varies.
        """
        rate, later = self.settings.learning_rate, ceil(self.epochs / 2)
        limits = self.limits[: int(self.tried)] if self.settled else self.limits
        epochs = [self.epochs, *[later] * len(limits)]
        halves = [
            Stage(f"half sets to {limit:.1f} Å", count, limit, {"halves": rate})
            for count, limit in zip(epochs, limits, strict=False)
        ]
        if self.searches:
            halves.insert(0, Stage(f"search to {limits[0]:.1f} Å", later, limits[0], {"halves": rate}))
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
            sets = self._masked(self.halves[:, : int(self.fitted)])
            _, likelihood = self.frame.posterior(sets, batch, which=self.half_set[batch.index])
            return {"likelihood": -likelihood.mean() / pixels}
        _, likelihood = self.frame.posterior(self.densities()[None], batch)
        modes = self._masked(self.modes[: self.latent_dim])
        penalty = self.mask.mean() * prior_penalty(modes, self.prior[: len(modes)])
        return {
            "likelihood": -likelihood.mean() / pixels,
            "prior": penalty / (self.particles * pixels),
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
            if self.searching:
                self._search(limit, survey)
                return [f"density varies most in {100 * float(self.mask.mean()):.1f} % of the box"]
            sets, found = self._judged(limit, survey)
            most = best_total(found.gain)
            better = not self.tried or most > 1.01 * max(best_total(self.gain), 0.0)
            if better:
                self._adopt(sets, found)
            self._widen(found)
            self.tried += 1
            self.settled.fill_(int(not better or int(self.tried) == len(self.limits)))
        said = f"{stage.name}: the modes raise the held-out likelihood by {max(most, 0.0):.3f} an image"
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

    def _start(self, generator: torch.Generator | None = None) -> Float[Tensor, "2 k c c c"]:
        """Small random modes of both half sets, as coarse as the first limit."""
        radius = float(self.disk.limit(resolution=self.limits[0]).radius[-1])
        return 0.1 * random_modes(2, len(self.modes), box=self.frame.box, radius=radius, generator=generator)

    def _judged(self, limit: float, survey: Survey) -> tuple[Float[Tensor, "2 k c c c"], HeldOut]:
        """The half sets' modes, matched, and what each says of the other's images."""
        halves = self._masked(self.halves[:, : int(self.fitted)])
        sets = torch.stack(align(*halves.flatten(2))).unflatten(2, self.mask.shape)
        return sets, held_out(self.frame, sets, 1 - self.half_set, resolution=limit, survey=survey)

    def _search(self, limit: float, survey: Survey) -> None:
        """Settle the mask, and begin anew in it: modes that have learned noise would go on with it."""
        sets, found = self._judged(limit, survey)
        reach = 0.25 * limit / self.frame.pixel_size
        variance = shared_variance(*(sets * found.deviation[:, :, None, None, None]), width=reach)
        masks = [*(self.mask * mask for mask in variance_masks(variance, reach=reach)), self.mask.clone()]
        gains = []
        for mask in masks[:-1]:
            self.mask.copy_(mask)
            gains.append(best_total(self._judged(limit, survey)[1].gain))
        self.mask.copy_(masks[narrowest_good([*gains, best_total(found.gain)])])
        self.halves.copy_(self._start(torch.Generator().manual_seed(0)))
        self.searching.fill_(0)
        self._widen(found)

    def _widen(self, found: HeldOut) -> None:
        """Fit twice as many modes from here on, as far as there is room, where all so far are of use."""
        if useful_modes(found.gain) == int(self.fitted):
            self.fitted.fill_(min(2 * int(self.fitted), len(self.modes)))

    def _adopt(self, sets: Float[Tensor, "2 k c c c"], found: HeldOut) -> None:
        """Take what the half sets gave as the start of the modes of all particles, and as their prior."""
        first, second = sets * found.deviation[:, :, None, None, None]
        fewer = self.settings.modes == "auto"
        tried = max(useful_modes(found.gain), 1) if fewer else len(found.gain)
        agreed = agreement(first[:tried], second[:tried], mask=self.mask, fewer=fewer)
        self.best.copy_(self.tried)
        self.judged.fill_(len(found.gain))
        self.kept.fill_(agreed.kept)
        self.level.fill_(agreed.level)
        self.cosine.zero_()
        self.cosine[: agreed.kept] = agreed.cosine
        for own, of_all in ((self.gain, found.gain), (self.gain_error, found.error)):
            own.zero_()
            own[: len(of_all)] = of_all
        self.real.copy_(self.real_modes.sum())
        power = shared_power(first, second)
        self.prior[: len(power)] = power.clamp_min(1e-4 * float(power.max().clamp_min(1e-12)))
        self.modes[: len(first)] = self._stored(0.5 * (first + second))

    def _order(self, survey: Survey) -> None:
        """Make the modes as long as the latents' spread, orthogonal, and the longest first."""
        modes, limit = self.densities(), self.limits[int(self.best)]
        spread = second_moment(self.frame, modes, resolution=limit, survey=survey)
        longer = torch.linalg.cholesky(spread).T @ modes.flatten(1)
        self.modes[: len(modes)] = self._stored(principal(longer).view_as(modes))

    def _masked(self, values: Float[Tensor, "*k c c c"]) -> Float[Tensor, "*k c c c"]:
        return self.unit * values * self.mask

    def _stored(self, density: Float[Tensor, "k c c c"]) -> Float[Tensor, "k c c c"]:
        """What :meth:`_masked` makes such a density of; densities are zero where the mask is."""
        return density / (self.unit * self.mask.clamp_min(1e-3))
