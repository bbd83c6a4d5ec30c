"""Junk: particles that the model explains so badly that they stand out from all others."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

DEVIATIONS = 5.0
"""Robust standard deviations beyond the median from which a particle stands out: 1 of 3 million by chance."""


def junk_limit(misfit: Float[ndarray, " n"]) -> float:
    """Misfit beyond which particles stand out: median + 5 x 1.4826 x median absolute deviation.

    >>> junk_limit(np.array([1.0, 1.1, 0.9, 1.0, 4.0])) < 4
    True
    """
    middle = float(np.median(misfit))
    spread = 1.4826 * float(np.median(np.abs(misfit - middle)))
    return middle + DEVIATIONS * max(spread, 1e-6 * abs(middle))


def junk_line(misfit: Float[ndarray, " n"], *, run: Path, table: Path) -> tuple[str, ...]:
    """How many stand out, and the command that leaves them out; nothing where none does."""
    limit = junk_limit(misfit)
    beyond = int((misfit > limit).sum())
    if not beyond:
        return ()
    near = [
        os.path.relpath(one) if Path(one).is_relative_to(Path.cwd()) else str(one) for one in (run, table)
    ]
    command = ["trimorph", "select", near[0], "-o", "kept.star", "--where", f"{near[1]}/misfit::{limit:.4g}"]
    return (
        f"{beyond} of {len(misfit)} particles stand out as badly explained (misfit above {limit:.4g}, median "
        f"{float(np.median(misfit)):.4g}). Look at them before you believe a state that holds many, or leave "
        f"them out: {shlex.join(command)}",
    )
