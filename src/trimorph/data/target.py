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
    if box < 16 and 4 * box <= int(boxes.max()):
        raise InputError(
            f"{table.source}: found a target of {box} pixels of {pixel_size:.4g} Å for images of "
            f"{boxes.max()} pixels of {sizes[-1]:.4g} Å; wanted at least 16 pixels. If the stored pixels are "
            "wrongly given, pass their true size with --source-pixel-size."
        )
    coarsest = float(sizes[-1])
    if pixel_size < coarsest * (1 - _SAME):
        raise InputError(
            f"{table.source}: found images of {boxes[-1]} pixels of {coarsest:.4g} Å; box {box} with pixels "
            f"of {pixel_size:.4g} Å would be finer than they are, and wanted is a coarser grid or the same. "
            f"Pass --box {boxes[-1]} or less, or --pixel-size {coarsest:.4g} or more."
        )
    return box, float(pixel_size)


def _many_sizes(table: ParticleTable) -> str:
    """Message: the images differ in pixel size, or in box."""
    groups, first = np.unique(table.group, return_index=True)
    differ = len(np.unique(table.pixel_size)) > 1
    values, what = (table.pixel_size, "pixel sizes") if differ else (table.box, "boxes")
    each = values[first] if len(groups) > 1 else np.unique(values)
    listed = ", ".join(f"{value:.4g}" for value in each[:12]) + (", ..." if len(each) > 12 else "")
    known = table.columns.groups
    number = known[groups[-1]] if groups[-1] < len(known) else int(groups[-1]) + 1
    coarse = float(np.ceil(table.pixel_size.max() * 100) / 100)
    who = f"{len(groups)} optics groups" if len(groups) > 1 else "images"
    return (
        f"{table.source}: {who} with {what} {listed} "
        f"{'Å' if differ else 'pixels'}; one size is needed. Pass --pixel-size {coarse:g} to resample all"
        f"{f', or --optics-group {number}' if len(groups) > 1 else ''}."
    )
