"""FourierDisk: the half-plane pixels of an image inside Nyquist, sorted by radius."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from trimorph.core.errors import InputError

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class FourierDisk:
    """The half-plane frequencies of a box, sorted by radius, so that a resolution limit is a prefix.

    ``box`` is in pixels and ``pixel_size`` in Å. ``count`` is the number of pixels kept; it is all those
    with radius < box / 2 unless the disk was made by :meth:`limit`.

    >>> disk = FourierDisk(box=8, pixel_size=2.0)
    >>> disk.radius[:4].tolist()
    [0.0, 1.0, 1.0, 1.0]
    >>> len(disk), len(disk.limit(resolution=8.0))
    (26, 9)
    """

    box: int
    pixel_size: float
    count: int = -1
    device: torch.device = CPU

    def __post_init__(self) -> None:
        if self.box < 3 or not self.pixel_size > 0:
            raise InputError(
                f"FourierDisk: found box {self.box} and pixel size {self.pixel_size} Å; "
                "wanted a box of at least 3 pixels and a positive pixel size."
            )
        full = len(self._sorted[0])
        if not 1 <= self.count <= full:
            object.__setattr__(self, "count", full)

    def __len__(self) -> int:
        return self.count

    def to(self, device: torch.device | str) -> FourierDisk:
        """Return the same disk with its tensors on another device."""
        if torch.device(device) == self.device:
            return self
        return FourierDisk(self.box, self.pixel_size, self.count, torch.device(device))

    def limit(self, *, resolution: float | None = None, radius: float | None = None) -> FourierDisk:
        """Keep the frequencies up to a resolution in Å, or up to a radius in Fourier pixels.

        At least the origin and its neighbours stay. A limit beyond Nyquist keeps everything.
        """
        if resolution is not None:
            radius = self.box * self.pixel_size / resolution
        if radius is None:
            return self
        return self.first(int(np.searchsorted(self._sorted[0], max(radius, 1.0) + 1e-6, side="right")))

    def first(self, count: int) -> FourierDisk:
        """Keep the first ``count`` pixels, or all where there are fewer."""
        return FourierDisk(self.box, self.pixel_size, min(count, self.count), self.device)

    @property
    def resolution(self) -> float:
        """The finest resolution on the disk in Å."""
        return self.box * self.pixel_size / float(self._sorted[0][self.count - 1])

    @property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii of the whole disk, and the pixels' places in the flattened half plane [ky, kx >= 0]."""
        return _sorted_half_plane(self.box)

    @cached_property
    def place(self) -> Int[Tensor, " n"]:
        """Places of the pixels in the flattened (box, box // 2 + 1) output of ``rfft2``."""
        return torch.as_tensor(self._sorted[1][: self.count], device=self.device)

    @cached_property
    def radius(self) -> Float[Tensor, " n"]:
        """Distance from the origin in Fourier pixels."""
        return torch.as_tensor(self._sorted[0][: self.count], dtype=torch.float32, device=self.device)

    @cached_property
    def shell(self) -> Int[Tensor, " n"]:
        """Number of the ring that a pixel belongs to: its radius rounded."""
        return self.radius.round().long()

    @cached_property
    def index(self) -> Int[Tensor, "n 2"]:
        """Integer frequencies (kx, ky)."""
        width = self.box // 2 + 1
        kx, row = self.place % width, torch.div(self.place, width, rounding_mode="floor")
        ky = torch.where(row < (self.box + 1) // 2, row, row - self.box)
        return torch.stack([kx, ky], dim=-1)

    @cached_property
    def frequency(self) -> Float[Tensor, "n 2"]:
        """Frequencies (kx, ky) in 1/Å."""
        return self.index.to(torch.float32) / (self.box * self.pixel_size)

    def plane(self, rotation: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b n 3"]:
        """Frequencies of central slices in 1/Å, R^T (kx, ky, 0), in single precision even under autocast."""
        with torch.autocast(self.device.type, enabled=False):
            return torch.einsum("bji,nj->bni", rotation[:, :2].float(), self.frequency)

    @cached_property
    def weight(self) -> Float[Tensor, " n"]:
        """Parseval weights: 2 where the mate at -k is left out, 1 on the line kx = 0."""
        return torch.where(self.index[:, 0] == 0, 1.0, 2.0).to(self.device)

    def gather(self, half: Complex[Tensor, "*b h w2"]) -> Complex[Tensor, "*b n"]:
        """Take the disk's pixels out of half planes as ``torch.fft.rfft2`` gives them."""
        return half.flatten(-2)[..., self.place]

    def scatter(self, values: Complex[Tensor, "*b n"]) -> Complex[Tensor, "*b h w2"]:
        """Put the disk's pixels back into half planes; the rest is zero."""
        half = values.new_zeros(*values.shape[:-1], self.box * (self.box // 2 + 1))
        half[..., self.place] = values
        return half.unflatten(-1, (self.box, self.box // 2 + 1))

    def transform(self, image: Float[Tensor, "*b h w"]) -> Complex[Tensor, "*b n"]:
        """Centred, unnormalised Fourier transform of real images, on the disk."""
        if image.shape[-2:] != (self.box, self.box):
            raise InputError(
                f"FourierDisk: found images of {tuple(image.shape[-2:])} pixels; "
                f"wanted ({self.box}, {self.box}). Crop or resample them first."
            )
        return self.gather(torch.fft.rfft2(torch.fft.ifftshift(image, dim=(-2, -1))))

    def inverse(self, values: Complex[Tensor, "*b n"]) -> Float[Tensor, "*b h w"]:
        """Real images whose transform is ``values`` on the disk and zero elsewhere."""
        image = torch.fft.irfft2(self.scatter(values), s=(self.box, self.box))
        return torch.fft.fftshift(image, dim=(-2, -1))

    def ring_mean(self, values: Float[Tensor, "*b n"]) -> Float[Tensor, "*b s"]:
        """Mean over each ring (Parseval-weighted), shells 0 to the last one on the disk."""
        shells = int(self.shell[-1]) + 1
        total = values.new_zeros(*values.shape[:-1], shells)
        total.index_add_(-1, self.shell, values * self.weight.to(values.dtype))
        return total / torch.bincount(self.shell, self.weight, shells).to(values.dtype)


@lru_cache(maxsize=16)
def _sorted_half_plane(box: int) -> tuple[np.ndarray, np.ndarray]:
    ky, kx = np.meshgrid(np.fft.fftfreq(box, 1 / box), np.arange(box // 2 + 1), indexing="ij")
    radius = np.hypot(kx, ky)
    place = np.flatnonzero(radius.ravel() < box / 2)
    order = np.argsort(radius.ravel()[place], kind="stable")
    return radius.ravel()[place][order], place[order]
