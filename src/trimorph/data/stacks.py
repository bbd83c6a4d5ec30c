"""Where image stacks lie, and what their headers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.mrc import open_stack


@dataclass(frozen=True, eq=False)
class Stacks:
    """Stack files with the number of their images and their box; -1 where the file is not at hand."""

    paths: tuple[Path, ...]
    images: NDArray[np.int64]
    box: NDArray[np.int64]


def find_stacks(
    names: Sequence[str], *, source: Path, stack_path: Path | None = None, need_images: bool = True
) -> Stacks:
    """Find stacks by the names that a metadata file gives them, and read their headers.

    A relative name is looked for in the metadata file's folder, in the folders above it (a RELION or
    cryoSPARC project), and in the working directory. ``stack_path`` overrides this: a file stands for the one
    stack that is named; in a folder, names are looked for with their own folders and without. Where
    ``need_images`` is false, a stack may be missing.

    Errors: FileNotFoundError listing where a stack was looked for; InputError where one file is to stand for
    several stacks, or a stack's images are not square.
    """
    if stack_path is not None and not stack_path.exists():
        raise FileNotFoundError(f"{stack_path}: no such stack file or folder. Correct the path to the stack.")
    if stack_path is not None and stack_path.is_file():
        if len(names) > 1:
            raise InputError(
                f"{source}: names {len(names)} stacks ({names[0]}, {names[1]}, ...), and {stack_path} is one "
                "file; wanted a folder that holds them all. Pass the folder as the stack path."
            )
        paths = [stack_path.resolve() for _ in names]
    else:
        paths = [_find(name, source=source, folder=stack_path, needed=need_images) for name in names]
    shapes = np.array([_shape(path) if path.is_file() else (-1, -1) for path in paths], dtype=np.int64)
    shapes = shapes.reshape(-1, 2)
    return Stacks(paths=tuple(paths), images=shapes[:, 0], box=shapes[:, 1])


def check_images(
    stacks: Stacks,
    *,
    stack: NDArray[np.int64],
    slice_: NDArray[np.int64],
    source: Path,
    stated_box: NDArray[np.int64] | None = None,
    resampled: bool = False,
    box: int | None = None,
) -> NDArray[np.int64]:
    """Box of each row's image, after a check that the image exists and has the box that is stated.

    ``stated_box`` is what the metadata says, one a row; it may differ from the stack only where the stack is
    said to be ``resampled``. ``box`` is the user's word, needed where neither file says it.

    Errors: InputError with file and row.
    """
    images, found = stacks.images[stack], stacks.box[stack]
    beyond = np.flatnonzero((images >= 0) & (slice_ >= images))
    if beyond.size:
        row = int(beyond[0])
        raise InputError(
            f"{source}: row {row + 1}: asks for image {slice_[row] + 1} of {stacks.paths[stack[row]]}, which "
            f"has {images[row]} images. Was another stack meant, or is this one cut short? Pass the right "
            "stack path."
        )
    if stated_box is not None and not resampled:
        differ = np.flatnonzero((found >= 0) & (found != stated_box))
        if differ.size:
            row = int(differ[0])
            raise InputError(
                f"{source}: row {row + 1}: states images of {stated_box[row]} pixels, but those in "
                f"{stacks.paths[stack[row]]} have {found[row]}. If the stack was binned or cropped, pass its "
                "pixel size (--source-pixel-size); else pass the right stack path."
            )
    known = found if stated_box is None else np.where(found >= 0, found, stated_box)
    if box is not None:
        differ = np.flatnonzero((known >= 0) & (known != box))
        if differ.size:
            row = int(differ[0])
            raise InputError(
                f"{source}: row {row + 1}: found images of {known[row]} pixels; box {box} was given. Leave "
                "it out: it is only needed where no file says it."
            )
        known = np.full_like(known, box)
    if (known < 1).any():
        row = int(np.flatnonzero(known < 1)[0])
        raise InputError(
            f"{source}: row {row + 1}: neither the file nor a stack at hand says how many pixels the images "
            "have; wanted the box. Pass the stack path, or the box."
        )
    return known


def _find(name: str, *, source: Path, folder: Path | None, needed: bool) -> Path:
    base = source.absolute().parent
    if folder is not None:
        candidates = [folder / name.lstrip("/"), folder / Path(name).name]
    elif Path(name).is_absolute():
        candidates = [Path(name)]
    else:
        above = [base, *base.parents]
        candidates = [place / name for place in (*above, Path.cwd())]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    if not needed:
        return candidates[0].absolute()
    places = list(dict.fromkeys(str(candidate.absolute()) for candidate in candidates))
    shown = ", ".join(places[:6]) + (f" and {len(places) - 6} folders above" if len(places) > 6 else "")
    raise FileNotFoundError(
        f"{source}: names the stack {name}, which was not found. Looked for {shown}. Pass the stack file, or "
        "the folder that holds the stacks, as the stack path (--stack)."
    )


def _shape(path: Path) -> tuple[int, int]:
    """Number of images and box of a stack."""
    images, height, width = open_stack(path).shape
    if height != width:
        raise InputError(
            f"{path}: found images of {width} x {height} pixels; wanted square ones. Crop or pad them first."
        )
    return images, width
