"""Movies: pictures one after the other, as a GIF, or as an MP4 where ffmpeg is installed.

Letters: f frames, h and w pixels.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path

KINDS = (".gif", ".mp4")
"""Endings of movies that can be written."""

COLOURS = 256
"""Colours of a GIF, all frames together: one set for all, so that what stands still does not flicker."""


NEARLY_WHITE = 245
"""Greys from which on a GIF is white, as most of a picture is, which a common set of colours makes grey."""


def write_movie(
    path: Path | str,
    frames: Sequence[UInt8[ndarray, "h w 3"]],
    *,
    per_second: float = 8.0,
    back: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write frames as a movie, a GIF that goes on for ever or an MP4; with ``back`` they run to and fro.

    Errors: InputError for no frames, other endings, and for an MP4 without ffmpeg; FileExistsError.
    """
    path = Path(path)
    if path.suffix not in KINDS:
        raise InputError(f'{path}: found the ending "{path.suffix}"; wanted {" or ".join(KINDS)}.')
    if not frames:
        raise InputError(f"{path}: found no frames; wanted one at least.")
    turned = [*frames, *frames[-2:0:-1]] if back else list(frames)
    with atomic_path(path, overwrite) as temporary:
        if path.suffix == ".gif":
            _write_gif(temporary, turned, per_second)
        else:
            _write_mp4(temporary, turned, per_second)
    return path


def ffmpeg() -> str | None:
    """The path of ffmpeg, or None where it is not installed."""
    return shutil.which("ffmpeg")


def _write_gif(path: Path, frames: Sequence[UInt8[ndarray, "h w 3"]], per_second: float) -> None:
    from PIL import Image

    several = np.concatenate([frames[number] for number in np.linspace(0, len(frames) - 1, 8).astype(int)])
    colours = Image.fromarray(several).quantize(COLOURS, dither=Image.Dither.NONE)
    table = np.array(colours.getpalette(), np.uint8).reshape(-1, 3)
    table[(table >= NEARLY_WHITE).all(1)] = 255
    colours.putpalette(table.ravel().tolist())
    pictures = [
        Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames
    ]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / per_second),
        loop=0,
        optimize=False,
    )


def _write_mp4(path: Path, frames: Sequence[UInt8[ndarray, "h w 3"]], per_second: float) -> None:
    program = ffmpeg()
    if program is None:
        raise InputError(f"{path}: found no ffmpeg; wanted it for an MP4. Install it, or write a .gif.")
    height, width = (size - size % 2 for size in frames[0].shape[:2])
    command = [
        program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
        "-r", f"{per_second:g}", "-i", "-", "-an", "-vcodec", "libx264", "-pix_fmt", "yuv420p", "-crf", "16",
        str(path),
    ]  # fmt: skip
    data = b"".join(np.ascontiguousarray(frame[:height, :width]).tobytes() for frame in frames)
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(
            f"{path}: found that ffmpeg failed ({said[-1] if said else done.returncode}); wanted one with "
            "libx264. Write a .gif."
        )
