"""`trimorph latents RUN -o FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from trimorph.run.export_latents import write_latents


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    of: Path | None = None,
    half: Literal[1, 2] | None = None,
    epoch: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write the latents of a run as .csv, .npy, or .pkl as cryoDRGN has it (z.N.pkl).

    Args:
        run: Folder of the run.
        output: File to write; its suffix says how.
        of: Other particles (.star or .cs), to be encoded by the run's model.
        half: Encode this half set, of the run's own particles or of the others.
        epoch: Latents after this epoch; the latest by default.
        overwrite: Replace a file that is there.
    """
    print(write_latents(run, output, of=of, half=half, epoch=epoch, overwrite=overwrite))
