"""`trimorph quick PARTICLES`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from trimorph.cli.shown_path import shown
from trimorph.data.open import ParticleInput


def command(
    particles: Annotated[ParticleInput, tyro.conf.arg(name=""), tyro.conf.PositionalRequiredArgs],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    modes: int | Literal["auto"] = "auto",
    resolution: float | None = None,
    mask: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 0,
    seed: int = 0,
) -> None:
    """The first minute with a data set: mean map, modes of motion, latents, and a picture of them.

    It is `trimorph train linear` with its defaults, then `trimorph modes`, then quick.png.

    trimorph quick particles.star

    trimorph quick particles.star -o first --box 64

    Args:
        particles: Which particles, and at what size.
        output: New folder for the run; by default NAME_quick, after the particles' file.
        modes: Number of modes, 1 to 64; auto: as many as raise the likelihood of images that were held out.
        resolution: Finest resolution of the modes in Å; by default it is raised while that likelihood grows.
        mask: Soft mask (MRC, 0 to 1, the images' box in Å) of where modes may vary; by default it is found.
        device: Where to compute: auto, cpu or cuda.
        threads: CPU threads; 0 takes as many as torch chooses.
        seed: Seed of all that is drawn.
    """
    from trimorph.cli.modes import show_modes
    from trimorph.cli.training_display import TrainingDisplay
    from trimorph.run.quick import quick, quick_folder
    from trimorph.training.interrupt import Interrupted

    try:
        with TrainingDisplay() as display:
            made = quick(
                particles,
                output,
                modes=modes,
                resolution=resolution,
                mask=mask,
                device=device,
                threads=threads,
                seed=seed,
                observer=display,
            )
    except Interrupted as interrupted:
        print(f"\nstopped; saved {interrupted.checkpoint}", file=sys.stderr)
        print(
            f"go on with the same command, or: trimorph resume {quick_folder(particles, output)}",
            file=sys.stderr,
        )
        raise
    print()
    show_modes(made.modes, made.chart)
    if not made.modes.real.any():
        print("No change of density was found that helps to explain held-out images: the maps show noise.")
    folder = shown(made.run.path)
    source = particles.particles
    lines = {
        f"{folder / made.figure.name}": "the picture of it: look at this first",
        f"{shown(made.folder)}": "maps along the modes, for ChimeraX modes.cxc, and tables",
        f"trimorph volumes {folder} --kmeans 20": "maps at cluster centres of the latents",
        f"trimorph latents {folder} -o latents.csv": "the latents",
        f"trimorph train field {source} -o run": "a model that is not bound to straight lines",
    }
    width = max(map(len, lines))
    print()
    for name, text in lines.items():
        print(f"{name:<{width}}   {text}")
