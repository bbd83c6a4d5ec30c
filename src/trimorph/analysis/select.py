"""Select: particles of a run by what it says of them, written as files that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.analysis.conditions import (
    FORM,
    Span,
    in_polygon,
    latent_column,
    nearest,
    read_polygon,
    table_column,
)
from trimorph.analysis.likelihood import misfit
from trimorph.analysis.run_table import table_of
from trimorph.analysis.states import states_of
from trimorph.analysis.write_particles import refuse_existing, refuse_unwritable, write_selection
from trimorph.core.errors import InputError
from trimorph.data.added_columns import with_columns
from trimorph.data.selection import select_particles
from trimorph.data.tables import ParticleTable
from trimorph.run.choose_latents import parse_latents, places_of_states
from trimorph.run.run import Run
from trimorph.training.latents import Latents


@dataclass(frozen=True, eq=False)
class Selection:
    """Which particles of a run were chosen (n,), the files that say so, and what each condition kept."""

    chosen: Bool[ndarray, " n"]
    files: tuple[Path, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Conditions:
    """What particles have to fulfil, all of it, before the choice is inverted and thinned."""

    where: Sequence[str] = ()
    """Spans NAME:LOW:HIGH of latents (z1, pc1, magnitude) or of a column in a table (FILE.csv/COLUMN)."""
    polygon: Path | None = None
    """Corners of a polygon, one a line, in the plane of two ``axes``."""
    axes: str = "pc1,pc2"
    """Plane of the polygon."""
    near: str | None = None
    """A latent, as in 0,1, to which the nearest are taken."""
    nearest: int | None = None
    """How many of them."""
    states: str | None = None
    """How states are found, and their number: kmeans:10, mixture:4, peaks; see :func:`find_states`."""
    clusters: str | None = None
    """Which of them are taken, counted from 1, as in 1,3."""
    best: float | None = None
    """Share of the particles that the model explains best."""
    index: Sequence[Path] = ()
    """Files of row numbers (.txt, .npy, .pkl) or particles (.star, .cs) that all have to hold a particle."""
    union: Sequence[Path] = ()
    """Such files, of which one has to hold a particle."""
    invert: bool = False
    """Take the others."""
    share: float | None = None
    """Share of what is left that is drawn at random."""
    seed: int = 0
    """Of that draw, and of the search for states, which finds those of an analysis with the same seed."""


def select(
    run: Path | str,
    output: Path | str | Sequence[Path | str],
    conditions: Conditions,
    *,
    add_latents: bool = False,
    add_classes: bool = False,
    epoch: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose particles of a run and write them: .star, .cs (with .csg), or row numbers .txt, .npy, .pkl.

    Star and .cs files hold everything that the run's own file says of the particles. ``add_latents`` and
    ``add_classes`` add columns to them: the latents' means, and the numbers of the ``states``, from 1.

    Errors: InputError for a condition that is wrong or that nothing fulfils; FileExistsError, both before
    anything is written.
    """
    opened = Run.open(run)
    outputs = [Path(path) for path in ([output] if isinstance(output, str | Path) else output)]
    refuse_existing(outputs, overwrite=overwrite)
    epoch = opened.last_whole_epoch() if epoch is None else epoch
    latents = opened.latents(epoch)
    table = table_of(opened, len(latents))
    refuse_unwritable(table, outputs)
    if conditions.states is not None and conditions.clusters is None and not add_classes:
        raise InputError("Found --states alone; wanted --clusters with it, or --add-classes.")
    chosen, lines, label = _chosen(opened, latents, table, conditions, epoch, progress)
    if not (lines or add_latents or add_classes):
        raise InputError(
            "Found no condition; wanted one at least, such as --where pc1:0: or --index good.pkl."
        )
    if not chosen.any():
        raise InputError(f"Found no particle that fulfils all conditions ({'; '.join(lines)}); wanted some.")
    added: dict[str, NDArray[Any]] = {}
    if add_latents:
        added |= {f"z{number + 1}": column for number, column in enumerate(latents.mean.T)}
    if add_classes:
        if label is None:
            raise InputError("Found --add-classes without states; wanted --states with it.")
        added["class"] = label + 1
    kept = with_columns(table, added).select(chosen)
    files = [file for path in outputs for file in write_selection(kept, path, overwrite=overwrite)]
    return Selection(chosen, tuple(files), tuple(lines))


def _chosen(
    run: Run,
    latents: Latents,
    table: ParticleTable,
    conditions: Conditions,
    epoch: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Bool[ndarray, " n"], list[str], NDArray[np.int64] | None]:
    """The particles, a line for each condition, and their clusters where there are any."""
    mean, count = latents.mean.astype(np.float64), len(latents)
    masks: list[tuple[str, NDArray[np.bool_]]] = []
    for text in conditions.where:
        span = Span.parse(text)
        masks.append((text, span.holds(_column(mean, span.name))))
    if conditions.polygon is not None:
        plane = np.stack([_column(mean, name.strip()) for name in _two(conditions.axes)], axis=1)
        masks.append((f"in {conditions.polygon}", in_polygon(plane, read_polygon(conditions.polygon))))
    if (conditions.near is None) != (conditions.nearest is None):
        raise InputError("Found one of --near and --nearest; wanted both, a latent and a number.")
    if conditions.near is not None and conditions.nearest is not None:
        point = parse_latents(conditions.near, flag="--near").z
        if len(point) != 1:
            raise InputError(f'Found --near "{conditions.near}"; wanted one latent.')
        masks.append((f"nearest to {conditions.near}", nearest(mean, point[0], conditions.nearest)))
    label = (
        None if conditions.states is None else states_of(mean, conditions.states, seed=conditions.seed).label
    )
    if conditions.clusters is not None:
        if label is None:
            raise InputError("Found --clusters alone; wanted --states with it, such as kmeans:4.")
        wanted = places_of_states(conditions.clusters, int(label.max()) + 1, flag="--clusters")
        masks.append((f"clusters {conditions.clusters}", np.isin(label, wanted)))
    if conditions.best is not None:
        share = _share("--best", conditions.best)
        order = np.argsort(misfit(run, latents, epoch=epoch, progress=progress), kind="stable")
        best = np.zeros(count, bool)
        best[order[: max(round(share * count), 1)]] = True
        masks.append((f"explained best ({share:g})", best))
    masks += [(f"in {path}", _in_file(table, path)) for path in conditions.index]
    if conditions.union:
        files = [_in_file(table, path) for path in conditions.union]
        masks.append((f"in one of {', '.join(map(str, conditions.union))}", np.any(files, axis=0)))
    chosen = np.ones(count, bool)
    lines = []
    for text, mask in masks:
        chosen &= mask
        lines.append(f"{text}   {int(mask.sum())} particles, {int(chosen.sum())} so far")
    if conditions.invert:
        chosen = ~chosen
        lines.append(f"the others   {int(chosen.sum())}")
    if conditions.share is not None:
        share = _share("--share", conditions.share)
        rows = np.flatnonzero(chosen)
        drawn = np.random.default_rng(conditions.seed).permutation(rows)[: round(share * len(rows))]
        chosen = np.isin(np.arange(count), drawn)
        lines.append(f"drawn at random ({share:g})   {int(chosen.sum())}")
    return chosen, lines, label


def _column(mean: Float[ndarray, "n d"], name: str) -> Float[ndarray, " n"]:
    found = latent_column(mean, name)
    if found is not None:
        return found
    file, slash, column = name.rpartition("/")
    if not slash or not file.endswith(".csv"):
        raise InputError(f'Found the condition on "{name}"; wanted {FORM}.')
    return table_column(Path(file), column, count=len(mean))


def _in_file(table: ParticleTable, path: Path) -> NDArray[np.bool_]:
    """Which particles a file of row numbers or of particles holds."""
    star = path.suffix.lower() in (".star", ".cs")
    kept = select_particles(table, subset=path if star else None, index=None if star else path)
    return np.isin(table.row, kept.row)


def _two(axes: str) -> list[str]:
    names = axes.split(",")
    if len(names) != 2:
        raise InputError(f'Found --axes "{axes}"; wanted two names, such as pc1,pc2.')
    return names


def _share(flag: str, value: float) -> float:
    if not 0 < value <= 1:
        raise InputError(f"Found {flag} {value:g}; wanted a share above 0 and up to 1.")
    return value
