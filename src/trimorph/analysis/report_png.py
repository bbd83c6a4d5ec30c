"""Small PNG pictures of arrays, without a canvas: greys, and colours of a change."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

LOST, GAINED = np.array([179.0, 43.0, 43.0]), np.array([33.0, 102.0, 172.0])
"""Colours of density that a state has less and more of."""


def png(pixels: UInt8[ndarray, "h w"] | UInt8[ndarray, "h w 3"]) -> bytes:
    r"""Grey or RGB pixels, the first row on top, as a PNG.

    >>> png(np.zeros((2, 3), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each row as what it differs from the one above: that packs better
    filtered[:, 1:] = rows - above
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 7)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def lighter(data: bytes) -> bytes:
    """A PNG on white with sixteen steps of each colour, about half as large; the same where that is no gain.

    Steps are multiples of 17, so that black and white stay what they are.
    """
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(data), format="png")
    if pixels.ndim == 2:
        return data
    opaque = pixels[..., 3:] if pixels.shape[2] == 4 else np.ones_like(pixels[..., :1])
    colour = pixels[..., :3] * opaque + (1 - opaque)
    found = png((17 * np.round(15 * colour)).astype(np.uint8))
    return found if len(found) < len(data) else data


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG.

    >>> size_of(png(np.zeros((2, 3), np.uint8)))
    (3, 2)
    """
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


def grey(view: Float[ndarray, "h w"], *, low: float, high: float) -> UInt8[ndarray, "h w"]:
    """A view of a density, y upwards: black up to ``low``, white from ``high`` on."""
    share = np.clip((view[::-1] - low) / max(high - low, 1e-30), 0.0, 1.0)
    return np.round(255 * share).astype(np.uint8)


def change(view: Float[ndarray, "h w"], *, most: float) -> UInt8[ndarray, "h w 3"]:
    """A view of a change, y upwards: white for none, to blue for ``most``, to red for as much less."""
    share = np.clip(view[::-1] / max(most, 1e-30), -1.0, 1.0)[..., None]
    end = np.where(share > 0, GAINED, LOST)
    return np.round(255 + np.abs(share) * (end - 255)).astype(np.uint8)
