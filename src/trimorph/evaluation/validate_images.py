"""SeenImages: all particles of a run in memory, coarse and without a window, as the test sees them.

Letters: n particles, p pixels of the disk, s volumes, c box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from numpy import ndarray
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.gridding import Gridding
from trimorph.core.imaging import transfer
from trimorph.core.noise import NoiseModel
from trimorph.core.shared_slices import SharedSlices
from trimorph.data.open import ParticleInput, open_particles
from trimorph.data.selection import two_halves
from trimorph.data.tables import ParticleTable
from trimorph.methods.poses import at_refined_poses
from trimorph.reconstruction.mean_map import mean_map
from trimorph.run.run import Run

FALL = 6.0
"""Default resolution of the test: the particle's diameter over this, where images tell most of a motion."""

SMALLEST_BOX, AT_ONCE = 32, 1024
"""Voxels a side of the test's densities, at least; images that are worked on at once."""


@dataclass(frozen=True, eq=False)
class SeenImages:
    """Images of n particles on one disk, each at its pose and CTF, with their noise power.

    ``half`` is 0 or 1, ``picture`` the number of the image that a row shows, which copies of a particle in a
    symmetry share, ``radius`` that of the particle in Å. Without a window noise is independent from one
    Fourier pixel to the next. It is a stack of images for reconstruction.
    """

    everything: Batch
    noise: NoiseModel
    table: ParticleTable
    half: Int[ndarray, " n"]
    picture: Int[ndarray, " n"]
    radius: float

    def __len__(self) -> int:
        return len(self.half)

    @property
    def disk(self) -> FourierDisk:
        """The frequencies that the images hold."""
        return self.everything.disk

    @property
    def box(self) -> int:
        """Box in pixels."""
        return self.disk.box

    @property
    def pixel_size(self) -> float:
        """Pixel size in Å."""
        return self.disk.pixel_size

    def batches(
        self, order: Int[ndarray, " m"], batch_size: int, *, limit: FourierDisk | None = None
    ) -> Iterator[Batch]:
        """Batches of some particles, in the order given."""
        disk = limit or self.disk
        for start in range(0, len(order), batch_size):
            yield self.some(torch.from_numpy(order[start : start + batch_size])).limit(disk)

    def some(self, rows: Int[Tensor, " m"]) -> Batch:
        """Some of the particles as one batch."""
        whole = self.everything
        return Batch(
            index=rows,
            image=whole.image[rows],
            rotation=whole.rotation[rows],
            shift=whole.shift[rows],
            ctf=whole.ctf[rows],
            group=whole.group[rows],
            disk=whole.disk,
        )

    def mean(self) -> Float[Tensor, "c c c"]:
        """The back-projected map, on the scale of the images."""
        return torch.as_tensor(mean_map(self).map)

    def drawn(self, volumes: Float[Tensor, "s c c c"], state: Int[ndarray, " n"], *, seed: int) -> SeenImages:
        """Images of volumes instead, one named for each particle: at the same poses, CTFs and noise power."""
        generator = torch.Generator().manual_seed(seed)
        count = int(self.picture.max()) + 1
        slices, images = Slices(self.disk), []
        noise = white_noise(count, self.disk, generator)
        for batch in self.batches(np.arange(len(self)), AT_ONCE):
            rows = batch.index.numpy()
            clean = slices.of(volumes, batch)
            chosen = torch.from_numpy(state[rows])[:, None, None].expand(-1, clean.shape[1], 1)
            power = self.noise.at(batch.disk, batch.group)
            images.append(clean.gather(2, chosen)[..., 0] + power.sqrt() * noise[self.picture[rows]])
        return replace(self, everything=replace(self.everything, image=torch.cat(images)))


class Slices:
    """Central slices of a few densities, times the CTF of each image and moved by its shift.

    ``width`` is that of the interpolation's kernel: 3 is accurate, 2 takes a third of the time.
    """

    def __init__(self, disk: FourierDisk, *, width: int = 3) -> None:
        self._shared = SharedSlices(disk.box, disk.pixel_size, disk, Gridding(width))

    def of(self, values: Float[Tensor, "s c c c"], batch: Batch) -> Complex[Tensor, "b p s"]:
        """What an image of each density would be."""
        shared = self._shared
        found = shared.slices(shared.table(values), shared.taps(batch.rotation, batch.disk))
        seen = transfer(batch.ctf, shift=batch.shift, disk=batch.disk)
        return torch.view_as_complex(found.contiguous()) * seen[..., None]


def white_noise(count: int, disk: FourierDisk, generator: torch.Generator) -> Complex[Tensor, "n p"]:
    """Transforms of real white noise with E|F|^2 = 1 at every pixel.

    Pixels on the line kx = 0 come with their mates, whose values are conjugate; that at the origin is real.

    >>> noise = white_noise(4000, FourierDisk(8, 1.0), torch.Generator().manual_seed(0))
    >>> bool(((noise.abs() ** 2).mean(0) - 1).abs().max() < 0.1), bool(noise[:, 0].imag.any())
    (True, False)
    """
    values = torch.view_as_complex(torch.randn(count, len(disk), 2, generator=generator)) * 0.5**0.5
    line = torch.nonzero(disk.index[:, 0] == 0).flatten()
    place = {int(ky): int(at) for at, ky in zip(line, disk.index[line, 1], strict=True)}
    for ky, at in place.items():
        if ky < 0 and -ky in place:
            values[:, at] = values[:, place[-ky]].conj()
    values[:, 0] = values[:, 0].real * 2**0.5
    return values


def see_images(
    run: Run,
    *,
    resolution: float | None = None,
    epoch: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SeenImages:
    """Read the images of a run's particles, at the poses that it has refined, to a resolution in Å.

    Errors: InputError for too few particles, or a resolution that the images do not have.
    """
    problem, method = run.problem(epoch), run.method(epoch)
    extent = problem.box * problem.pixel_size
    resolution = resolution or max(2 * problem.radius / FALL, 2.5 * problem.pixel_size)
    if not 2 * problem.pixel_size <= resolution <= problem.radius:
        raise InputError(
            f"{run.path}: found a resolution of {resolution:g} Å for the test; wanted one from "
            f"{2 * problem.pixel_size:.3g} Å, two pixels of the run, to {problem.radius:.0f} Å, the "
            "particle's radius. Leave --resolution out to have it chosen."
        )
    box = min(max(SMALLEST_BOX, 2 * (ceil(extent / resolution) + 2)), problem.box)
    stack = open_particles(_coarse(run.recipe.data, box=box, pixel_size=extent / box))
    half = two_halves(stack.table, seed=seed) - 1
    if len(half) != problem.particles:
        raise InputError(
            f"{run.path}: found {len(half)} particles; wanted the {problem.particles} that the run was "
            "trained on. Undo the change of the selection."
        )
    _require_enough(run, half)
    disk, parts = stack.disk.limit(resolution=resolution), []
    for batch in stack.batches(np.arange(len(stack)), AT_ONCE, limit=disk):
        parts.append(at_refined_poses(method, batch))
        if progress is not None:
            progress(int(batch.index[-1]) + 1, len(stack))
    return SeenImages(
        everything=_joined(parts),
        noise=stack.noise,
        table=stack.table,
        half=half,
        picture=np.unique(stack.table.row, return_inverse=True)[1].ravel(),
        radius=problem.radius,
    )


FEWEST = 100
"""Particles that a half set needs."""


def _require_enough(run: Run, half: Int[ndarray, " n"]) -> None:
    sizes = np.bincount(half, minlength=2)
    if sizes.min() < FEWEST:
        raise InputError(
            f"{run.path}: found half sets of {sizes[0]} and {sizes[1]} particles; wanted {FEWEST} or more in "
            "each, as one has to explain the other. Use more particles."
        )


def _coarse(data: ParticleInput, *, box: int, pixel_size: float) -> ParticleInput:
    """The same particles on a smaller grid of the same extent, without a window."""
    size = None if data.pixel_size is None else pixel_size
    return replace(data, box=box, pixel_size=size, window=False)


def _joined(parts: list[Batch]) -> Batch:
    """Batches one behind the other."""
    first = parts[0]
    fields = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("index", "image", "rotation", "shift", "group")
    }
    names = first.ctf.__dataclass_fields__
    ctf = type(first.ctf)(**{name: torch.cat([getattr(part.ctf, name) for part in parts]) for name in names})
    return Batch(**fields, ctf=ctf, disk=first.disk)
