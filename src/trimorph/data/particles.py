"""ParticleStack: images of a table in batches, for training and reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy.typing import NDArray
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.data.cache import (
    HalfPlaneCache,
    Precision,
    available_memory,
    cache_bytes,
    cache_in_file,
    cache_in_memory,
    open_cache,
    pack,
)
from trimorph.data.prefetch import map_ahead
from trimorph.data.preparer import ImagePreparer, Wanted
from trimorph.data.tables import ParticleTable, spread_ctf

Rows = int | slice | Sequence[Any] | NDArray[Any] | Tensor
"""Which images: a number, a range, a list or array of numbers, or one boolean an image."""
_FLAT = CTF(defocus_u=0.0, defocus_v=0.0, spherical_aberration=0.0, amplitude_contrast=1.0)
"""A transfer of 1 at every frequency."""
_BLOCK_PIXELS = 2**21
"""Pixels that one thread reads and prepares at a time."""


class ParticleStack:
    """Images of a table as batches of transforms: read when asked for, or prepared once for all.

    An image is multiplied by its sign (and by -1 with ``invert``), normalised to mean 0 and standard
    deviation 1 outside the particle, faded out by a soft window, transformed, cropped or resampled to ``box``
    pixels of ``pixel_size`` Å (see :func:`trimorph.data.target.target_grid`), and moved so that its particle
    is centred. Values of pixels are kept: cropped from D pixels to d, a transform becomes (d / D)^2 as large.

    ``diameter`` (Å) of the particle is 0.85 of the image's side by default. The window is 1 inside 0.85 of
    the side, or inside the diameter where that is more, and 0 beyond 0.99 of it. ``ignore_ctf`` takes the CTF
    as 1, for ideal projections. ``seed`` draws the images that the noise is measured on.

    Errors: InputError, naming file and row, where stacks and table disagree, where images differ in size and
    no target is given; when they are read, where an image cannot be normalised, or poses or CTF are missing.
    """

    def __init__(
        self,
        table: ParticleTable,
        *,
        box: int | None = None,
        pixel_size: float | None = None,
        diameter: float | None = None,
        window: bool = True,
        invert: bool = False,
        ignore_ctf: bool = False,
        seed: int = 0,
    ) -> None:
        self.table = table
        images, self._image = _images(table)
        self._preparer = ImagePreparer(images, Wanted(box, pixel_size, diameter, window, invert, seed))
        self._ctf = spread_ctf(_FLAT, len(table)) if ignore_ctf else table.ctf
        self._cache: HalfPlaneCache | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def disk(self) -> FourierDisk:
        """The frequencies that batches hold."""
        return self._preparer.disk

    @property
    def box(self) -> int:
        """Box of the batches' images in pixels."""
        return self.disk.box

    @property
    def pixel_size(self) -> float:
        """Pixel size of the batches' images in Å."""
        return self.disk.pixel_size

    @property
    def radius(self) -> float:
        """Radius of the particle in Å: noise is measured outside."""
        return self._preparer.radius

    @property
    def noise(self) -> NoiseModel:
        """Power of the noise in the batches, so after the window: |F|^2 / power of noise alone has mean 1.

        The window makes neighbouring frequencies depend on each other: a likelihood whitened by this power
        counts 1 / ``window_share`` as many pixels as it should. Before the window, the power was
        power / ``window_share``.
        """
        return self._preparer.noise

    @property
    def window_share(self) -> float:
        """Share of the noise power that the window lets through; 1 without a window."""
        return self._preparer.window_share

    def images(self, indices: Rows) -> list[Float[Tensor, "h w"]]:
        """Images at their stored size, normalised, neither windowed nor centred."""
        return self._preparer.images(self._image[self._rows(indices)])

    def transforms(self, indices: Rows, *, limit: FourierDisk | None = None) -> Complex[Tensor, "b n"]:
        """Transforms alone, which need neither poses nor CTF."""
        rows = self._image[self._rows(indices)]
        count = len(limit or self.disk)
        if self._cache is not None:
            return self._cache.read(torch.from_numpy(rows), count)
        return self._preparer.transforms(rows)[:, :count]

    def __getitem__(self, indices: Rows) -> Batch:
        return self._batch(self._rows(indices), self.disk)

    def batches(self, order: Rows, batch_size: int, *, limit: FourierDisk | None = None) -> Generator[Batch]:
        """Batches of the particles in ``order``, read ahead by a thread, or two where a disk is at work.

        ``limit`` is a prefix of the disk, and no more is read. The last batch may be smaller.
        """
        rows = self._rows(order)
        disk = limit or self.disk
        if (disk.box, disk.pixel_size) != (self.box, self.pixel_size):
            raise InputError(
                f"ParticleStack: found a disk of box {disk.box} and {disk.pixel_size} Å as the limit; wanted "
                f"a part of the images' own, {self.box} and {self.pixel_size} Å."
            )
        parts = (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
        readers = 1 if self._cache is None else self._cache.readers
        yield from map_ahead(lambda part: self._batch(part, disk), parts, workers=readers)

    @property
    def prepared(self) -> bool:
        """Whether :meth:`prepare` has filled the cache."""
        return self._cache is not None

    def prepare(
        self,
        folder: Path | None = None,
        *,
        ram_limit: int | None = None,
        precision: Precision = "float16",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Prepare all images once: in memory within ``ram_limit`` bytes, else in a file in ``folder``.

        The limit is half of the free memory by default. A file is named after all that it depends on, and one
        that is there already is used. ``progress`` is told (images done, images in all).

        Errors: OSError where the disk is full; InputError where neither memory nor a folder is at hand.
        """
        limit = available_memory() // 2 if ram_limit is None else ram_limit
        images = len(self._preparer.table)
        shape: dict[str, Any] = {
            "images": images,
            "pixels": len(self.disk),
            "scale": self._preparer.noise_amplitude,
            "precision": precision,
        }
        packing = partial(pack, scale=shape["scale"], precision=precision)
        blocks = self._blocks(packing, progress)
        needed = cache_bytes(images, len(self.disk), precision)
        if needed <= limit:
            self._cache = cache_in_memory(blocks, **shape)
            return
        if folder is None:
            raise InputError(
                f"{self.table.source}: found {limit / 1e9:.2f} GB of memory to use; wanted "
                f"{needed / 1e9:.2f} GB for the prepared images, or a folder for them. Pass a folder, or a "
                "smaller box (--box)."
            )
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder) / f"prepared-{self._preparer.fingerprint()[:16]}.{precision}"
        if path.exists():
            self._cache = open_cache(path, **shape)
        else:
            self._cache = cache_in_file(path, blocks, **shape)

    def _blocks(
        self,
        packing: Callable[[Complex[Tensor, "b n"]], Float[Tensor, "b n 2"]],
        progress: Callable[[int, int], None] | None,
    ) -> Generator[Float[Tensor, "b n 2"]]:
        """All transforms in order, packed; as many threads as torch has work on a block each."""
        threads = torch.get_num_threads()
        block = max(1, _BLOCK_PIXELS // int(self.table.box.max()) ** 2)
        images = len(self._preparer.table)
        rows = np.split(np.arange(images), range(block, images, block))
        done = 0
        torch.set_num_threads(1)  # what new threads start with
        try:
            work = map_ahead(
                lambda some: packing(self._preparer.transforms(some)),
                rows,
                workers=threads,
                depth=2 * threads,
            )
            for values in work:
                yield values
                done += len(values)
                if progress is not None:
                    progress(done, images)
        finally:
            torch.set_num_threads(threads)

    def _batch(self, rows: NDArray[np.int64], disk: FourierDisk) -> Batch:
        rotation, ctf, shift, group = self._known
        index = torch.from_numpy(rows)
        image = self.transforms(rows, limit=disk)
        return Batch(
            index=index,
            image=image,
            rotation=rotation[index],
            shift=shift[index],
            ctf=ctf[index],
            group=group[index],
            disk=disk,
        )

    @cached_property
    def _known(self) -> tuple[Tensor, CTF, Tensor, Tensor]:
        """What is known of every image, as tensors."""
        table, source = self.table, self.table.source
        if table.rotation is None:
            raise InputError(
                f"{source}: found no poses; wanted rotations (and shifts) of all particles. Use the file of "
                "a refinement, or pass cryoDRGN's --poses."
            )
        if self._ctf is None:
            raise InputError(
                f"{source}: found no CTF parameters; wanted defocus, voltage and the like. Use a file that "
                "has them, pass cryoDRGN's --ctf, or, for ideal projections, --ignore-ctf."
            )
        return (
            torch.tensor(table.rotation, dtype=torch.float32),
            self._ctf.to("cpu"),
            torch.zeros(len(table), 2),
            torch.as_tensor(self._preparer.group[self._image]),
        )

    def _rows(self, indices: Rows) -> NDArray[np.int64]:
        chosen: NDArray[np.int64] = np.atleast_1d(
            np.arange(len(self))[indices if isinstance(indices, slice) else np.asarray(indices)]
        )
        return chosen


def _images(table: ParticleTable) -> tuple[ParticleTable, NDArray[np.int64]]:
    """The rows whose images differ, and which of them each row shows: copies of a particle share one."""
    if table.copy is None:
        return table, np.arange(len(table))
    _, first, image = np.unique(table.row, return_index=True, return_inverse=True)
    return table.select(first), image.ravel()
