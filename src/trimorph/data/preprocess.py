"""From a raw image to its transform: normalise by the background, window, transform, centre.

b images of ``box`` pixels of the source become n pixels of the target's disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, pi

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.imaging import shift_phase


@dataclass(frozen=True, eq=False)
class Preparation:
    """How images of one source grid are brought to a target disk.

    ``box`` and ``pixel_size`` (Å) are the source's, ``radius`` (Å) is the particle's. The window is 1 up to
    ``inner`` and 0 beyond ``outer`` (Å); with the outer radius infinite there is none.

    Background and window lie around the particle's own centre, which is at minus its shift (Å; x, y), rounded
    to a whole pixel.
    """

    box: int
    pixel_size: float
    disk: FourierDisk
    radius: float
    inner: float = inf
    outer: float = inf

    def __call__(
        self, image: Float[Tensor, "b h w"], shift: Float[Tensor, "b 2"]
    ) -> tuple[Complex[Tensor, "b n"], Float[Tensor, " b"]]:
        """Transforms of normalised and windowed images, and the deviations of their backgrounds."""
        centred, deviation = self._centred(image, shift)
        if self.outer < inf:
            centred *= self.windows(shift)
        return self.transform(centred, shift).mul_(1 / deviation[:, None]), deviation

    def normalise(
        self, image: Float[Tensor, "b h w"], shift: Float[Tensor, "b 2"]
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Subtract the mean and divide by the standard deviation of what lies outside the particle.

        Returns the deviations too: see :func:`unusable`.
        """
        centred, deviation = self._centred(image, shift)
        return centred / deviation[:, None, None], deviation

    def windows(self, shift: Float[Tensor, "b 2"]) -> Float[Tensor, "b h w"]:
        """Soft windows: 1 inside, a cosine edge, 0 outside."""
        return self._place_around(self._soft, shift)

    def transform(self, image: Float[Tensor, "b h w"], shift: Float[Tensor, "b 2"]) -> Complex[Tensor, "b n"]:
        """Transform on the target disk, content moved by +shift (Å), pixel values kept.

        F_target = F_source (source pixel / target pixel)^2: a pixel of the target is an average.
        """
        if self.cropping:
            if self.disk.box == self.box:
                half = torch.fft.rfft2(image)
            else:
                half = torch.fft.fft(torch.fft.rfft(image)[..., : self.disk.box // 2 + 1], dim=-2)
            values = half.flatten(1).index_select(1, self._place).mul_(self._centre)
        else:
            along_x, along_y = self._waves
            rows = torch.view_as_complex((image @ along_x).unflatten(-1, (-1, 2)))
            values = (along_y @ rows).flatten(1).index_select(1, self.disk.place)
        return values.mul_(shift_phase(shift, self.disk)) if bool(shift.any()) else values

    @property
    def cropping(self) -> bool:
        """Whether source and target share one field of view, so that their frequencies coincide."""
        source, target = self.box * self.pixel_size, self.disk.box * self.disk.pixel_size
        return abs(source - target) < 1e-6 * source

    @property
    def gain(self) -> float:
        """Factor from the source's transform to the target's."""
        return (self.pixel_size / self.disk.pixel_size) ** 2

    def centre(self, shift: Float[Tensor, "b 2"]) -> Float[Tensor, "b 2"]:
        """The particles' centres (x, y): the nearest whole pixel of the image."""
        return (self.box // 2 - shift / self.pixel_size).round().clamp(0, self.box)

    def _centred(
        self, image: Float[Tensor, "b h w"], shift: Float[Tensor, "b 2"]
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Images less the mean of their background, and its standard deviation."""
        outside = self._place_around(self._outside, shift)
        count = outside.flatten(1).sum(1)
        mean = torch.linalg.vecdot(image.flatten(1), outside.flatten(1)) / count
        centred = image - mean[:, None, None]
        outside *= centred
        return centred, torch.linalg.vector_norm(outside, dim=(1, 2)) / count.sqrt()

    def _place_around(
        self, table: Float[Tensor, "m m"], shift: Float[Tensor, "b 2"]
    ) -> Float[Tensor, "b h w"]:
        """Cut images out of a table twice the box, so that its centre comes to lie on the particles'."""
        cut = torch.empty(len(shift), self.box, self.box)
        corners = (self.box - self.centre(shift)).long().tolist()
        target, source = cut.numpy(), table.numpy()  # copied by numpy: a call takes it half the time
        for place, (x, y) in enumerate(corners):
            target[place] = source[y : y + self.box, x : x + self.box]
        return cut

    @cached_property
    def _distance(self) -> Float[Tensor, "m m"]:
        """Distance in Å from the centre of a table twice the box."""
        axis = (torch.arange(2 * self.box, dtype=torch.float32) - self.box) * self.pixel_size
        return torch.hypot(axis[:, None], axis)

    @cached_property
    def _outside(self) -> Float[Tensor, "m m"]:
        return (self._distance > self.radius).float()

    @cached_property
    def _soft(self) -> Float[Tensor, "m m"]:
        ramp = (self._distance - self.inner) / (self.outer - self.inner)
        return 0.5 + 0.5 * torch.cos(pi * ramp.clamp(0, 1))

    @cached_property
    def _place(self) -> Tensor:
        """Places of the disk's pixels in the source's half plane, cut to the disk's width."""
        kx, ky = self.disk.index.unbind(-1)
        return (ky % self.box) * (self.disk.box // 2 + 1) + kx

    @cached_property
    def _centre(self) -> Complex[Tensor, " n"]:
        """Phases that move the origin from the first pixel to the centre, times the gain."""
        angle = 2 * pi * (self.box // 2) / self.box * self.disk.index.double().sum(-1)
        return (torch.polar(torch.ones_like(angle), angle) * self.gain).to(torch.complex64)

    @cached_property
    def _waves(self) -> tuple[Float[Tensor, "h c"], Complex[Tensor, "d h"]]:
        """exp(-2 pi i k x): along x with real and imaginary parts side by side, along y with the gain."""
        box, extent = self.disk.box, self.disk.box * self.disk.pixel_size
        x = (torch.arange(self.box, dtype=torch.float64) - self.box // 2) * self.pixel_size
        kx = torch.arange(box // 2 + 1, dtype=torch.float64) / extent
        ky = torch.fft.fftfreq(box, 1 / box, dtype=torch.float64) / extent
        along_x = torch.exp(-2j * pi * x[:, None] * kx)
        along_y = torch.exp(-2j * pi * ky[:, None] * x) * self.gain
        return torch.view_as_real(along_x).flatten(1).float(), along_y.to(torch.complex64)


def unusable(deviation: Float[Tensor, " b"], image: Float[Tensor, "b h w"]) -> Bool[Tensor, " b"]:
    """Images whose background is constant to rounding, or which hold values that are not finite."""
    return ~(deviation.isfinite() & (deviation > 1e-6 * image[:, 0, 0].abs()))
