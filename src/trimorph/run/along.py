"""Particles back-projected along the motion that a run has found, beside the ordinary way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trimorph.data.open import ParticleInput, open_particles
from trimorph.methods.base import Method
from trimorph.methods.poses import at_refined_poses
from trimorph.reconstruction.fsc import ShellCorrelation, shell_correlation
from trimorph.reconstruction.moving import reconstruct_along
from trimorph.reconstruction.options import ReconstructionOptions
from trimorph.reconstruction.posed_images import PosedImages
from trimorph.reconstruction.reconstruct import Reconstruction, reconstruct
from trimorph.reconstruction.write import refuse_existing
from trimorph.run.given_latents import refuse_other_particles
from trimorph.run.parts import RunParts
from trimorph.run.plain_table import write_table
from trimorph.run.run import Run


@dataclass(frozen=True, eq=False)
class Along:
    """A reconstruction along the motion, the ordinary one of the same particles, and both by part.

    Parts are segments of a structure, or of a cloud of Gaussians. The curves of a part are those of the half
    maps in a mask around it, corrected for the mask.
    """

    ordinary: Reconstruction
    along: Reconstruction
    names: tuple[str, ...]
    before: tuple[ShellCorrelation, ...]
    after: tuple[ShellCorrelation, ...]

    def gain(self, segment: int) -> float:
        """By how much the FSC of a segment's half maps rises, averaged over shells to where it ends."""
        before, after = self.before[segment].best, self.after[segment].best
        return float((after - before)[1 : self._last(segment) + 1].mean())

    def rows(self) -> list[dict[str, Any]]:
        """A row a segment, and first one for the whole, as :func:`write_table` takes them."""
        curves = [("all", self.ordinary.curves, self.along.curves)]
        curves += list(zip(self.names, self.before, self.after, strict=True))
        return [
            {
                "part": name,
                **{
                    f"resolution_{way}_{limit:g}": one.resolution(limit)
                    for limit in (0.5, 0.143)
                    for way, one in (("ordinary", before), ("along", after))
                },
                "fsc_gain": self.gain(number - 1) if number else float((after.best - before.best)[1:].mean()),
            }
            for number, (name, before, after) in enumerate(curves)
        ]

    def _last(self, segment: int) -> int:
        """The last shell before both curves have fallen below 0.143."""
        best = np.maximum(self.before[segment].best, self.after[segment].best)
        below = np.flatnonzero(best[1:] < 0.143)
        return max(int(below[0]), 1) if len(below) else len(best) - 1


def reconstruct_run_along(
    run: Run,
    particles: ParticleInput | None = None,
    *,
    epoch: int | None = None,
    scratch: Path | None = None,
    memory: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Along:
    """Back-project particles of a run along the motion of its segments or Gaussians, and the ordinary way.

    ``particles`` are by default the run's own, without a window. They may be named at another box or pixel
    size, but must be the same in the same order. ``options`` are those of :func:`reconstruct`.

    Errors: InputError for a run in which nothing moves in parts, and for other particles.
    """
    moving = RunParts.of(run, epoch)
    images = whole_images(run, run.method(epoch), particles)
    passes = 1 + len(moving) + int(bool((moving.parts.shares().sum(1) < 0.999).any()))
    both = {name: options[name] for name in ("weights", "batch_size", "device", "limit") if name in options}
    ordinary = reconstruct(images, progress=_part(progress, 0, 1, passes), **options)
    along = reconstruct_along(
        images,
        moving.parts,
        torch.as_tensor(run.latents(epoch).mean, dtype=torch.float32),
        ordinary=ordinary,
        scratch=scratch,
        memory=memory,
        progress=_part(progress, 1, passes - 1, passes),
        **both,
    )
    regions = moving.masks(box=images.box, pixel_size=images.pixel_size)
    before, after = (
        tuple(
            shell_correlation(found.half1, found.half2, pixel_size=images.pixel_size, mask=region)
            for region in regions
        )
        for found in (ordinary, along)
    )
    return Along(ordinary, along, moving.names, before, after)


def whole_images(run: Run, method: Method, particles: ParticleInput | None = None) -> PosedImages:
    """The run's particles without a window, at the poses that it has refined if it has.

    Errors: InputError where other particles are named.
    """
    stack = open_particles(particles or replace(run.recipe.data, window=False))
    refuse_other_particles(run, stack.table)
    return PosedImages(stack, partial(at_refined_poses, method))


def reconstruct_file_along(
    particles: ParticleInput,
    output: Path,
    run: Path,
    options: ReconstructionOptions | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Along:
    """Reconstruct the particles of a file along the motion of a ``run`` into the folder ``output``.

    Errors: as of :func:`trimorph.reconstruction.from_file.reconstruct_file`.
    """
    options = options or ReconstructionOptions()
    for folder in (output, output / "ordinary"):
        refuse_existing(folder, overwrite=options.overwrite)
    found = reconstruct_run_along(
        Run.open(run),
        particles,
        memory=options.memory,
        progress=progress,
        **options.of_particles(open_particles(particles)),
    )
    write_along(found, output, **options.of_files)
    return found


def write_along(found: Along, folder: Path, **options: Any) -> None:
    """Write the map along the motion as any reconstruction, the ordinary one beside it, and segments_fsc.csv.

    ``options`` are those of :func:`write_reconstruction`.   Errors: FileExistsError.
    """
    found.along.write(folder, **options)
    found.ordinary.write(folder / "ordinary", **options)
    write_table(folder / "segments_fsc.csv", found.rows(), overwrite=bool(options.get("overwrite")))


def _part(
    progress: Callable[[int, int], None] | None, before: int, share: int, whole: int
) -> Callable[[int, int], None] | None:
    """Progress of a part, which takes ``share`` of ``whole`` passes after some others, as that of all."""
    if progress is None:
        return None

    def tell(done: int, total: int) -> None:
        particles = total // share
        progress(before * particles + done, whole * particles)

    return tell
