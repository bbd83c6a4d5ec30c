"""What a run says of its mean map: the FSC of its half maps."""

from __future__ import annotations

from math import isinf
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.reconstruction.mean_map import MeanMap
from trimorph.reconstruction.write import write_csv
from trimorph.training.observer import Observer

FILE = "mean_fsc.csv"
"""Name of the file in the run's folder."""


def report_mean(mean: MeanMap, folder: Path, log: Observer) -> None:
    """Write the FSC curves of the mean map, and say where they end."""
    write_csv(folder / FILE, mean.curves, overwrite=True)
    resolution, finest = mean.curves.resolution(), 2 * mean.curves.pixel_size
    if isinf(resolution):
        log.say(
            "mean map: its half maps agree nowhere (FSC below 0.143). Check poses, CTF, and that protein is "
            "bright"
        )
        return
    limit = ", as far as the pixel size allows" if resolution < 1.02 * finest else ""
    log.say(f"mean map: half maps agree to {resolution:.3g} Å (FSC 0.143){limit}")


def read_mean_fsc(folder: Path) -> tuple[Float[ndarray, " s"], Float[ndarray, " s"]] | None:
    """Frequencies in 1/Å and the FSC that is quoted, or None where the run has written none."""
    path = folder / FILE
    if not path.is_file():
        return None
    columns = np.genfromtxt(path, delimiter=",", names=True)
    names = columns.dtype.names or ()
    return columns["frequency"], columns["corrected" if "corrected" in names else "unmasked"]
