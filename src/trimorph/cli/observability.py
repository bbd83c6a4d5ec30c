"""`trimorph observability RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.cli.shown_path import shown

if TYPE_CHECKING:
    from trimorph.run.observability import Observability


def command(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    count: int | None = None,
    epoch: int | None = None,
) -> None:
    """Write how much the view of each particle can say of its latent: a table and a picture.

    Args:
        run: Folder of the run, of any method with latents.
        output: New folder for what is written; analysis/observability in the run by default.
        count: Take so many particles, evenly spread over the data, instead of all.
        epoch: Use the model after this epoch; the latest by default.
    """
    from trimorph.cli.progress import bar
    from trimorph.run.observability import write_observability

    with bar("Particles") as tell:
        found, folder = write_observability(run, output=output, count=count, epoch=epoch, progress=tell)
    show_observability(found)
    print(f"observability.csv and observability.png in {shown(folder)}")


def show_observability(found: Observability) -> None:
    """Print how many views show too little, and what the encoder makes of them."""
    from numpy import median, sqrt

    many, whole = int(found.unobservable.sum()), len(found)
    print(
        f"{many} of {whole} particles ({100 * many / whole:.1f} %) are seen from where the first principal "
        "component of the latents cannot be told: more than half of its variance stays"
    )
    print(
        f"spread of the latents along it {sqrt(found.prior):.3g}; median error {median(found.sd):.3g} from "
        f"the image alone, {median(sqrt(found.prior * (1 - found.share))):.3g} with the prior, "
        f"{median(found.encoder_sd):.3g} as the encoder states it"
    )
