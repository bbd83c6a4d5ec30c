"""Write a path: its points as tables, maps or structures on the way, a picture, and a movie.

Letters: n particles, d latent components, m points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from trimorph.analysis.movie import ffmpeg, write_movie
from trimorph.analysis.paths import LatentPath
from trimorph.analysis.paths_crowd import Crowd, crowd
from trimorph.analysis.paths_figure import draw_path
from trimorph.analysis.paths_movie import movie_frames
from trimorph.analysis.paths_plane import PathPlane
from trimorph.analysis.paths_route import Route, find_path
from trimorph.analysis.paths_views import PathViews
from trimorph.analysis.run_table import table_of
from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.methods.require_structure import moves_structure
from trimorph.run.choose_latents import Chosen
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.run.new_folder import new_folder, refuse_folder_in_use
from trimorph.run.plain_table import write_lines, write_table
from trimorph.run.structures_series import write_structure_series
from trimorph.run.volumes import MapSettings, write_series

SECONDS, SLOWEST, FASTEST = 3.0, 4.0, 12.0
"""How long a movie takes one way, and frames a second at least and at most."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PathReport:
    """A path, how many particles are near its points, the folder with all that was written, and what to say.

    ``maps`` are the maps on the way in order, none for latents of a file.
    """

    path: LatentPath
    crowd: Crowd
    folder: Path
    maps: tuple[Path, ...]
    movies: tuple[Path, ...]
    lines: tuple[str, ...]


def write_path(
    source: Path | str | Embedding,
    route: Route,
    *,
    output: Path | str | None = None,
    epoch: int | None = None,
    volumes: bool = True,
    maps: MapSettings | None = None,
    progress: Tell | None = None,
) -> PathReport:
    """Find a path through the latents of a run or a file, and write it with all that lies on the way.

    ``output`` is by default analysis/path_NAME in the run, or path_NAME here for latents of a file, which
    have no maps. ``volumes`` says whether maps, or structures, and a movie are made of those of a run, and
    ``maps`` how. docs/paths.md says what is written.

    Errors: InputError for a route that leads nowhere; FileExistsError for a folder in use; those of reading.
    """
    if maps is not None and not volumes:
        raise InputError("Found settings of maps with --no-volumes; wanted one of both.")
    embedding = source if isinstance(source, Embedding) else read_embedding(source, epoch=epoch)
    if embedding.run is None and maps is not None:
        raise InputError(
            f"{embedding.source}: found settings of maps for latents of a file, which have no model; wanted "
            "the folder of a run. Leave them out, or make maps with the program that the latents are of."
        )
    path, lines = find_path(embedding.mean, route)
    rows, missing = _rows(embedding)
    home = Path() if embedding.run is None else embedding.run.path / "analysis"
    target = Path(output or home / f"path_{path.name}").absolute()
    refuse_folder_in_use(target, holds="path")
    near = crowd(embedding.mean, path.z)
    with new_folder(target, holds="path") as folder:
        _write_tables(folder, path, near, rows)
        names, said = _write_maps(folder, embedding, path, maps, progress) if volumes else ([], ())
        views = PathViews.of([folder / name for name in names]) if names else None
        plane = PathPlane.of(embedding.mean, path)
        draw_path(folder / "path.png", path, plane=plane, crowd=near, views=views)
        movies = [] if views is None else _write_movies(folder, path, plane, near, views, progress)
    files = tuple(target / name for name in names)
    verdict = near.verdict[:1].upper() + near.verdict[1:]
    return PathReport(
        path, near, target, files, tuple(target / name for name in movies), (*lines, verdict, *missing, *said)
    )


def _rows(embedding: Embedding) -> tuple[Int[ndarray, " n"] | None, tuple[str, ...]]:
    """The row of each particle in the file of particles, or of latents, from 0, as selections count them.

    None, and a line that says so, where the file is gone.  Errors: InputError for one that has changed.
    """
    if embedding.run is None:
        return np.arange(len(embedding)), ()
    try:
        return table_of(embedding.run, len(embedding)).row, ()
    except FileNotFoundError as error:
        return None, (
            f"no particles.txt, and no rows in z_path.csv, as the file of particles is gone: {error}",
        )


def _write_tables(folder: Path, path: LatentPath, near: Crowd, rows: Int[ndarray, " n"] | None) -> None:
    """Write z_path.csv, z_path.txt with the latents alone, and particles.txt where all points are of some.

    That holds ``rows``, as `trimorph select --index` reads them.
    """
    anchors = set(path.anchor.tolist())
    own = None if rows is None else np.where(path.particle < 0, -1, rows[path.particle])
    table = [
        {
            "point": number + 1,
            "particle": "" if path.particle[number] < 0 else int(path.particle[number]),
            **({} if own is None else {"row": "" if own[number] < 0 else int(own[number])}),
            "anchor": "yes" if number in anchors else "",
            "length": float(path.along[number]),
            "near": int(near.near[number]),
            "nearest": float(near.nearest[number]),
            **{f"z{component + 1}": float(value) for component, value in enumerate(path.z[number])},
        }
        for number in range(len(path))
    ]
    write_table(folder / "z_path.csv", table)
    with atomic_path(folder / "z_path.txt") as temporary:
        np.savetxt(temporary, path.z, fmt="%.9g")
    if own is not None and (own >= 0).all():
        write_lines(folder / "particles.txt", (f"{row}" for row in own.tolist()))


def _write_maps(
    folder: Path, embedding: Embedding, path: LatentPath, maps: MapSettings | None, progress: Tell | None
) -> tuple[list[str], Sequence[str]]:
    """Write structures or maps at the points, if there is a model; names of maps, and what is to be said."""
    run = embedding.run
    if run is None:
        return [], ()
    chosen = Chosen(path.z, path.particle, path.name)
    structures = moves_structure(run.method(embedding.epoch))
    if structures and maps is not None:
        raise InputError(
            f"{run.path}: found settings of maps for a run that moves a structure, whose maps go with the "
            "structure; wanted none. Leave them out, or write maps alone: trimorph volumes --z-file."
        )
    inside = folder / ("structures" if structures else "volumes")
    inside.mkdir()
    if structures:
        names, said = write_structure_series(inside, run, chosen, epoch=embedding.epoch, progress=progress)
        script = "structures.cxc"
    else:
        names = write_series(
            inside, run, chosen, maps=maps or MapSettings(), epoch=embedding.epoch, progress=progress
        )
        script, said = "volumes.cxc", ()
    return [f"{inside.name}/{name}" for name in names], (*said, f"open {inside.name}/{script} in ChimeraX")


def _write_movies(
    folder: Path,
    path: LatentPath,
    plane: PathPlane,
    near: Crowd,
    views: PathViews,
    progress: Tell | None,
) -> list[str]:
    """Write movie.gif, and movie.mp4 where there is ffmpeg; their names."""
    frames = movie_frames(path, plane, near, views, progress=progress)
    # a loop's last point is its first
    shown = frames[:-1] if path.closed else frames
    per_second = float(np.clip(len(shown) / SECONDS, SLOWEST, FASTEST))
    names = ["movie.gif", *(["movie.mp4"] if ffmpeg() else [])]
    for name in names:
        write_movie(folder / name, shown, per_second=per_second, back=not path.closed)
    return names
