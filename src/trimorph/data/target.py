"""The grid that images are brought to: box and pixel size."""

from __future__ import annotations

import numpy as np

from trimorph.core.errors import InputError
from trimorph.data.tables import ParticleTable

_SAME = 1e-4
"""Relative difference of two pixel sizes that are called the same."""


def target_grid(
    table: ParticleTable, *, box: int | None = None, pixel_size: float | None = None
) -> tuple[int, float]:
    """Box and exact pixel size (Å) that all images of a table are brought to.

    Nothing given: the images' own. A box alone keeps the field of view, so that pixel size = extent / box. A
    pixel size alone gives the even box nearest to extent / pixel size, of the widest images. Both are taken
    as they are.

    Errors: InputError where the images differ and no pixel size is given, or the target is finer than the
    images.
    """
    sizes, boxes = np.unique(table.pixel_size), np.unique(table.box)
    differ = len(boxes) > 1 or sizes[-1] > sizes[0] * (1 + _SAME)
    if pixel_size is None and differ:
        raise InputError(_many_sizes(table))
    if box is not None and box < 4:
        raise InputError(f"{table.source}: found a box of {box} pixels to resample to; wanted at least 4.")
    if pixel_size is not None and not pixel_size > 0:
        raise InputError(f"{table.source}: found a pixel size of {pixel_size} Å; wanted a positive one.")
    extent = float((table.box * table.pixel_size).max())
    if pixel_size is None:
        if box is None or box == boxes[0]:
            return int(boxes[0]), float(table.pixel_size[0])
        pixel_size = extent / box
    if box is None:
        box = max(4, 2 * round(extent / pixel_size / 2))
    coarsest = float(sizes[-1])
    if pixel_size < coarsest * (1 - _SAME):
        raise InputError(
            f"{table.source}: found images of {boxes[-1]} pixels of {coarsest:.4g} Å; box {box} with pixels "
            f"of {pixel_size:.4g} Å would be finer than they are, and wanted is a coarser grid or the same. "
            f"Pass --box {boxes[-1]} or less, or --pixel-size {coarsest:.4g} or more."
        )
    return box, float(pixel_size)


def _many_sizes(table: ParticleTable) -> str:
    """Message: the optics groups differ in pixel size or box."""
    groups, first = np.unique(table.group, return_index=True)
    names = [table.columns.groups[g] if g < len(table.columns.groups) else g + 1 for g in groups]
    sizes = ", ".join(f"{size:.4g}" for size in table.pixel_size[first])
    boxes = ", ".join(str(box) for box in table.box[first])
    coarse = float(np.ceil(table.pixel_size.max() * 100) / 100)
    many = f"{len(groups)} optics groups with" if len(groups) > 1 else "images with"
    hint = f", or --optics-group {names[-1]}" if len(groups) > 1 else ""
    if len(groups) == 1:
        sizes = ", ".join(f"{size:.4g}" for size in np.unique(table.pixel_size))
        boxes = ", ".join(str(box) for box in np.unique(table.box))
    return (
        f"{table.source}: {many} pixel sizes {sizes} Å and boxes {boxes}; one size is needed. "
        f"Pass --pixel-size {coarse:g} to resample all{hint}."
    )
