"""CloudTarget: a density as a cloud of Gaussians is compared with it, up to a resolution.

Letters: d voxels of a side of the map, n points of a side of the grid on which it is compared, g Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log, pi

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.gaussians import Gaussians

POINTS = 3
"""Points of the grid a period of the finest wave; two would need infinite blur."""

ALIAS = 1e-4
"""Share of a sharp point's wave that the grid may mistake for another within the resolution."""

BLUR = (log(1 / ALIAS) / (2 * pi**2 * POINTS * (POINTS - 2))) ** 0.5
"""Standard deviation of the blur over the resolution, for which points a period show no more than that."""

LAST_BAND = 0.85
"""Where the band begins, relative to the limit, whose correlation says whether a cloud is good there."""


@dataclass(frozen=True, eq=False)
class CloudTarget:
    """A density on the coarsest grid that holds it to a resolution, over the part of the box where it is.

    Map and cloud are both blurred (standard deviation BLUR x resolution) so that neither aliases, compared
    in real space where both are local, and the blur is divided out in the weights of the waves:

    loss = mean over shells of sum |V - G|^2 / sum |V|^2, shells 0 to 1 / resolution.

    An unweighted sum would be that of the lowest few shells, which hold nearly all of a map's power, and the
    details that tell Gaussians apart would not be fitted; it is as the rings' equal say in a Fourier ring
    correlation, but it knows the scale. A shell of less than 1e-6 of the strongest's mean power counts less.
    """

    values: Float[Tensor, "n n n"]
    pixel_size: float
    centre: Float[Tensor, " 3"]
    resolution: float
    spectrum: Complex[Tensor, "n n h"]
    weight: Float[Tensor, "n n h"]
    band: Float[Tensor, "n n h"]

    @classmethod
    def of(
        cls,
        density: Float[Tensor, "d d d"],
        pixel_size: float,
        *,
        resolution: float,
        lower: Float[Tensor, " 3"],
        upper: Float[Tensor, " 3"],
    ) -> CloudTarget:
        """Target for what lies between two corners (x, y, z) in Å."""
        blur = BLUR * resolution
        centre = 0.5 * (lower + upper)
        side = float((upper - lower).max()) + 4 * blur
        step = resolution / POINTS
        points = ceil(side / step)
        values = density
        for axis in range(3):  # the last axis comes out first, so x, y, z in turn
            place = (torch.arange(points) - points // 2) * step + centre[axis].cpu()
            kernel = _blurring(place, len(density), pixel_size, blur).to(density)
            values = torch.movedim(values @ kernel.T, -1, -3)
        spectrum = torch.fft.rfftn(values)
        square, shell, paired = _waves(points, device=density.device)
        limit = points / POINTS
        inside = (square.sqrt() <= limit + 1e-6) * paired
        undone = torch.exp((2 * pi * blur / (points * step)) ** 2 * square)
        shells = int(shell[inside > 0].max()) + 1
        energy, number = (
            torch.zeros(shells, device=density.device).index_add_(0, shell[inside > 0], part[inside > 0])
            for part in (inside * undone * spectrum.abs().square(), inside)
        )
        energy = energy.maximum(1e-6 * (energy / number).max() * number).clamp_min(torch.finfo().tiny)
        weight = inside * undone / (shells * energy[shell.clamp(max=shells - 1)])
        band = inside * undone * (square.sqrt() >= LAST_BAND * limit)
        return cls(values, step, centre, resolution, spectrum, weight, band)

    @property
    def box(self) -> int:
        """Points of a side of the grid."""
        return len(self.values)

    def render(self, cloud: Gaussians) -> Float[Tensor, "n n n"]:
        """The cloud (v = 1), blurred, on the grid."""
        blur = BLUR * self.resolution
        blurred = replace(
            cloud,
            position=cloud.position - self.centre,
            width=(cloud.width**2 + blur**2).sqrt(),
        )
        return blurred.voxels(self.box, self.pixel_size)[0]

    def wave(self, cloud: Gaussians) -> Complex[Tensor, "n n h"]:
        """Transform of the cloud, blurred, on the grid."""
        return torch.fft.rfftn(self.render(cloud))

    @property
    def square_frequency(self) -> Float[Tensor, "n n h"]:
        """Squared frequencies of the waves in 1/Å^2."""
        square, _, _ = _waves(self.box, device=self.values.device)
        return square / (self.box * self.pixel_size) ** 2

    def loss(self, cloud: Gaussians) -> Float[Tensor, ""]:
        """Mean over shells of the relative squared error."""
        wave = self.spectrum - self.wave(cloud)
        return ((wave.real**2 + wave.imag**2) * self.weight).sum()

    def correlation(self, cloud: Gaussians) -> float:
        """Correlation of all waves of the last band, from LAST_BAND / resolution to 1 / resolution.

        A ring of a projection is a great circle of a shell. So this is what the rings of projections in all
        directions give together, without a choice of directions; the mean of their single correlations
        differs only by the rings' unequal power.
        """
        wave = self.wave(cloud)
        cross = ((wave.conj() * self.spectrum).real * self.band).sum()
        norm = (wave.abs().square() * self.band).sum() * (self.spectrum.abs().square() * self.band).sum()
        return float(cross / norm.sqrt().clamp_min(torch.finfo().tiny))

    def residual(self, cloud: Gaussians) -> Float[Tensor, "n n n"]:
        """Map minus cloud up to the resolution, on the grid."""
        undone = torch.exp(2 * (pi * BLUR * self.resolution) ** 2 * self.square_frequency)
        wave = (self.spectrum - self.wave(cloud)) * undone * (self.weight > 0)
        return torch.fft.irfftn(wave, s=self.values.shape)

    def places(self) -> Float[Tensor, "m 3"]:
        """Coordinates (x, y, z) in Å of the grid's points, in the order of its values when flattened."""
        axis = (torch.arange(self.box, device=self.values.device) - self.box // 2) * self.pixel_size
        return torch.cartesian_prod(axis, axis, axis).flip(-1) + self.centre


def _blurring(
    place: Float[Tensor, " n"], box: int, pixel_size: float, blur: float
) -> Float[Tensor, "n {box}"]:
    """Matrix from voxels of an axis to the blurred density at other places, exact for band-limited voxels."""
    voxel = (torch.arange(box, dtype=torch.float64) - box // 2) * pixel_size
    frequency = torch.fft.fftfreq(box, pixel_size, dtype=torch.float64)
    kept = torch.exp(-2 * (pi * blur * frequency) ** 2)
    phase = 2 * pi * (place.double()[:, None] - voxel)[..., None] * frequency
    return (torch.cos(phase) * kept).sum(-1) / box


def _waves(
    box: int, *, device: torch.device
) -> tuple[Float[Tensor, "n n h"], Int[Tensor, "n n h"], Float[Tensor, "n n h"]]:
    """Squared radius, shell and number (1 or 2, with its mate) of each wave that ``rfftn`` gives."""
    axis = torch.fft.fftfreq(box, 1 / box, device=device)
    last = torch.arange(box // 2 + 1, device=device, dtype=axis.dtype)
    square = axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2
    paired = torch.where((last == 0) | (2 * last == box), 1.0, 2.0).expand(box, box, -1)
    return square, square.sqrt().round().long(), paired
