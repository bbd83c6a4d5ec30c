"""Particles back-projected along the motion that a run has found, beside the ordinary way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.open import ParticleInput, open_images, open_particles, open_table
from trimorph.data.selection import half_sets
from trimorph.methods.base import Method
from trimorph.methods.poses import at_refined_poses
from trimorph.methods.structure_method import StructureMethod
from trimorph.reconstruction.from_file import mask_on_grid
from trimorph.reconstruction.fsc import ShellCorrelation, shell_correlation
from trimorph.reconstruction.moving import reconstruct_along
from trimorph.reconstruction.posed_images import PosedImages
from trimorph.reconstruction.reconstruct import Reconstruction, reconstruct
from trimorph.reconstruction.segment_regions import around
from trimorph.reconstruction.weights import read_weights
from trimorph.reconstruction.write import refuse_existing
from trimorph.run.given_latents import refuse_other_particles
from trimorph.run.plain_table import write_table
from trimorph.run.run import Run
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_names import NamedSegments, residue_names

REACH = 1.5
"""Pixels around a segment's residues in which density is looked at, 6 Å at least; over as many it fades."""


@dataclass(frozen=True, eq=False)
class Along:
    """A reconstruction along the motion, the ordinary one of the same particles, and both by segment.

    The curves of a segment are those of the half maps in a mask around its residues, corrected for it.
    """

    ordinary: Reconstruction
    along: Reconstruction
    segments: NamedSegments
    before: tuple[ShellCorrelation, ...]
    after: tuple[ShellCorrelation, ...]

    def gain(self, segment: int) -> float:
        """By how much the FSC of a segment's half maps rises, averaged over shells to where it ends."""
        before, after = self.before[segment].best, self.after[segment].best
        return float((after - before)[1 : self._last(segment) + 1].mean())

    def rows(self) -> list[dict[str, Any]]:
        """A row a segment, and first one for the whole, as :func:`write_table` takes them."""
        curves = [("all", self.ordinary.curves, self.along.curves)]
        curves += list(zip(self.segments.names, self.before, self.after, strict=True))
        return [
            {
                "residues": name,
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
    weights: NDArray[np.floating] | None = None,
    mask: Float[ndarray, "d d d"] | None = None,
    scratch: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Along:
    """Back-project particles of a run that moves a structure along its motion, and the ordinary way.

    ``particles`` are by default the run's own, without a window. They may be named at another box or pixel
    size, but must be the same in the same order. ``options`` are those of :func:`reconstruct`.

    Errors: InputError for a run that moves no structure, or has no segments, and for other particles.
    """
    structure = MovingStructure.of(run, epoch)
    method = structure.method
    named = NamedSegments.of(method.segments(), residue_names(structure.residues))
    if not len(named):
        raise InputError(
            f"{run.path}: found a structure that moves in no rigid segments; wanted some, along whose motion "
            "particles can be back-projected."
        )
    latents = run.latents(epoch)
    images = whole_images(run, method, particles)
    passes = 1 + len(named) + int(bool((method.shares().sum(1) < 0.999).any()))
    both: dict[str, Any] = {
        name: options[name] for name in ("batch_size", "device", "limit") if name in options
    }
    ordinary = reconstruct(
        images, weights=weights, mask=mask, progress=_part(progress, 0, 1, passes), **options
    )
    along = reconstruct_along(
        images,
        method,
        torch.as_tensor(latents.mean, dtype=torch.float32),
        ordinary=ordinary,
        weights=weights,
        scratch=scratch,
        progress=_part(progress, 1, passes - 1, passes),
        **both,
    )
    regions = segment_masks(method, box=images.box, pixel_size=images.pixel_size)
    before, after = (
        tuple(
            shell_correlation(found.half1, found.half2, pixel_size=images.pixel_size, mask=region)
            for region in regions
        )
        for found in (ordinary, along)
    )
    return Along(ordinary, along, named, before, after)


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
    *,
    weights: str | None = None,
    mask: Path | None = None,
    resolution: float | None = None,
    b_factor: float = 0.0,
    low_pass: float | None = None,
    batch_size: int = 256,
    seed: int = 0,
    random_halves: bool = False,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Along:
    """Reconstruct the particles of a file along the motion of a ``run`` into the folder ``output``.

    Arguments are those of :func:`trimorph.reconstruction.from_file.reconstruct_file`.
    """
    for folder in (output, output / "ordinary"):
        refuse_existing(folder, overwrite=overwrite)
    table = open_table(particles)
    stack = open_images(table, particles)
    found = reconstruct_run_along(
        Run.open(run),
        particles,
        weights=None if weights is None else read_weights(weights, table),
        mask=None if mask is None else mask_on_grid(mask, box=stack.box, pixel_size=stack.pixel_size),
        half=half_sets(replace(table, half=None), seed=seed) if random_halves else None,
        limit=resolution,
        batch_size=batch_size,
        seed=seed,
        device=device,
        progress=progress,
    )
    write_along(found, output, b_factor=b_factor, low_pass=low_pass, overwrite=overwrite)
    return found


def write_along(found: Along, folder: Path, **options: Any) -> None:
    """Write the map along the motion as any reconstruction, the ordinary one beside it, and segments_fsc.csv.

    ``options`` are those of :func:`write_reconstruction`.   Errors: FileExistsError.
    """
    found.along.write(folder, **options)
    found.ordinary.write(folder / "ordinary", **options)
    write_table(folder / "segments_fsc.csv", found.rows(), overwrite=bool(options.get("overwrite")))


def segment_masks(method: StructureMethod, *, box: int, pixel_size: float) -> list[Float[ndarray, "d d d"]]:
    """A soft mask around the neutral residues of each segment."""
    place, reach = method.position.detach().double().numpy(), max(6.0, REACH * pixel_size)
    return [
        around(place[list(segment.residues)], box=box, pixel_size=pixel_size, reach=reach, edge=reach)
        for segment in method.segments()
    ]


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
