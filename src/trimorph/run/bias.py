"""The bias check: does a density that never saw the structure move with it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trimorph.core.errors import InputError
from trimorph.run.along import Along, reconstruct_run_along, whole_images, write_along
from trimorph.run.bias_compare import Compared
from trimorph.run.bias_density import density_recipe, trained
from trimorph.run.bias_ends import Ends
from trimorph.run.bias_figure import draw_bias
from trimorph.run.bias_files import write_compared
from trimorph.run.bias_perturbed import Perturbed, compare_perturbed, perturbed_recipe
from trimorph.run.bias_verdict import SegmentVerdict
from trimorph.run.choose_latents import along_component
from trimorph.run.new_folder import new_folder, refuse_folder_in_use
from trimorph.run.plain_table import write_lines, write_table
from trimorph.run.provenance import check_unchanged
from trimorph.run.run import Run
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_names import NamedSegments, residue_names
from trimorph.training.observer import Observer

PIXELS = 3.0
"""Finest resolution of the comparison, in pixels of the run."""


@dataclass(frozen=True, eq=False)
class BiasReport:
    """What :func:`check_bias` found, and the folder where it is.

    ``verdicts`` has one for each segment, ``along`` the back-projections without and along the motion, and
    ``perturbed`` what a second run found that started elsewhere, if there is one. ``resolution`` in Å is that
    of the comparison, and ``lines`` say all of it in words.
    """

    folder: Path
    verdicts: tuple[SegmentVerdict, ...]
    along: Along
    compared: Compared
    perturbed: Perturbed | None
    lines: tuple[str, ...]

    @property
    def resolution(self) -> float:
        """Resolution in Å to which densities were compared."""
        return self.compared.resolution


def check_bias(
    run: Path | str,
    *,
    output: Path | None = None,
    component: int = 1,
    resolution: float | None = None,
    epochs: int | None = None,
    perturbed: float | None = None,
    seed: int = 0,
    epoch: int | None = None,
    observer: Observer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BiasReport:
    """Ask the particles of a run, without its structure, whether the structure's motion is theirs.

    Along a principal ``component`` of the latents, a field that was trained for ``epochs`` on the latents
    alone is compared with the moved structure, to a ``resolution`` in Å (by default that of the particles);
    so are the particles at both ends, back-projected; and all are back-projected along the motion.
    ``perturbed`` in Å asks for a second run of the same recipe from a structure that is that far off. All is
    written to the new folder ``output``, analysis/bias in the run by default; runs go to the folder of that
    name with _runs behind it, and are taken up where they were stopped. ``observer`` follows training,
    ``progress`` the back-projection along the motion.

    docs/bias.md says what it means, and what it cannot tell.
    Errors: InputError for a run that moves no structure in segments; FileExistsError for a folder in use.
    """
    opened = Run.open(run)
    z = along_component(opened.latents(epoch), component, 3).z
    density, other = train_for_check(
        run, output=output, epochs=epochs, perturbed=perturbed, seed=seed, epoch=epoch, observer=observer
    )
    target = _target(opened, output)
    structure = MovingStructure.of(opened, epoch)
    named = NamedSegments.of(structure.method.segments(), residue_names(structure.residues))
    with new_folder(target, holds="bias check") as folder:
        along = reconstruct_run_along(opened, epoch=epoch, scratch=folder, progress=progress)
        write_along(along, folder / "maps")
        finest = resolution or _resolution(along, structure)
        compared = Compared.of(opened, density, z, resolution=finest, epoch=epoch)
        ends = Ends.of(
            whole_images(opened, structure.method),
            structure.method,
            opened.latents(epoch).mean.astype(np.float64),
            component=component,
            ordinary=along.ordinary,
            mask=compared.mask,
        )
        verdicts = tuple(
            compared.verdict(name, segment.residues, ends)
            for name, segment in zip(named.names, named.segments, strict=True)
        )
        again = None if other is None else compare_perturbed(opened, other, epoch=epoch)
        lines = _lines(verdicts, along, again, component=component, resolution=finest)
        write_compared(folder, structure, compared, verdicts, named, z)
        if again is not None:
            write_table(folder / "perturbed.csv", again.rows(residue_names(structure.residues)))
        write_lines(folder / "bias.txt", lines)
        draw_bias(folder / "bias.png", compared, verdicts, along, named, structure.residues)
    return BiasReport(target, verdicts, along, compared, again, lines)


def train_for_check(
    run: Path | str,
    *,
    output: Path | None = None,
    epochs: int | None = None,
    perturbed: float | None = None,
    seed: int = 0,
    epoch: int | None = None,
    observer: Observer | None = None,
) -> tuple[Run, Run | None]:
    """Train what :func:`check_bias` needs: the density on the latents, and the run that starts elsewhere.

    Errors: those of :func:`check_bias`.
    """
    opened = Run.open(run)
    target = _target(opened, output)
    refuse_folder_in_use(target, holds="bias check")
    if not MovingStructure.of(opened, epoch).method.segments():
        raise InputError(f"{opened.path}: found a structure without rigid segments; wanted some that move.")
    check_unchanged(opened.path / "provenance.json")
    work = target.with_name(target.name + "_runs")
    density = trained(density_recipe(opened, epochs=epochs, epoch=epoch), work / "density", observer=observer)
    if perturbed is None:
        return density, None
    name = f"perturbed_{perturbed:g}_{seed}"
    recipe = perturbed_recipe(opened, work / f"{name}.cif", rmsd=perturbed, seed=seed)
    return density, trained(recipe, work / name, observer=observer)


def _target(run: Run, output: Path | None) -> Path:
    return (output or run.path / "analysis" / "bias").absolute()


def _resolution(along: Along, structure: MovingStructure) -> float:
    """Where the half maps along the motion fall below 0.5, within what grid and particle allow."""
    size = float(np.ptp(structure.backbone.position, axis=0).max())
    least = PIXELS * structure.method.disk.pixel_size
    return float(np.clip(along.along.curves.resolution(0.5), least, max(size / 3, least)))


def _lines(
    verdicts: tuple[SegmentVerdict, ...],
    along: Along,
    perturbed: Perturbed | None,
    *,
    component: int,
    resolution: float,
) -> tuple[str, ...]:
    """All that was found, in words."""
    lines = [f"along principal component {component}, at {resolution:.1f} Å:"]
    lines += [verdict.line for verdict in verdicts]
    if all(verdict.unseen is None for verdict in verdicts):
        lines.append(
            "the encoder has seen all that was compared: noise that it picked would be followed, too"
        )
    before, after = (found.curves.resolution(0.5) for found in (along.ordinary, along.along))
    lines.append(
        f"back-projected along the motion: FSC 0.5 of the half maps at {after:.1f} Å, {before:.1f} Å without"
    )
    for number, verdict in enumerate(verdicts):
        gain = along.gain(number)
        way = "sharper" if gain > 0 else "no sharper"
        lines.append(f"{verdict.name}: {way} along the motion, FSC {gain:+.3f} on average")
    if perturbed is not None:
        lines += perturbed.lines
    return tuple(lines)
