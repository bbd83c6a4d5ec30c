"""Which latents to make maps of: given ones, those of particles, cluster centres, or points along an axis."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.run.clusters import kmeans
from trimorph.run.components import principal_components
from trimorph.run.run import Run
from trimorph.training.latents import Latents

PERCENTILES = (5.0, 95.0)
"""Where a walk along a principal component begins and ends."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Latents (v, d), the particles that they belong to (v; -1: none), and what to call the choice."""

    z: NDArray[np.float64]
    particle: NDArray[np.int64]
    name: str

    @classmethod
    def free(cls, z: NDArray[np.float64], name: str) -> Chosen:
        """Latents that belong to no particle."""
        return cls(z, np.full(len(z), -1), name)


def choose_latents(
    run: Run,
    epoch: int | None,
    *,
    latent_dim: int,
    z: str | None,
    z_file: Path | None,
    particles: str | None,
    kmeans: int | None,
    pc: int | None,
    points: int,
) -> Chosen:
    """The latents that just one of the choices names; without latent dimensions there is one, and no choice.

    Errors: InputError where none or several are given, or latents have other dimensions; those of the choice.
    """
    given = {"--z": z, "--z-file": z_file, "--particles": particles, "--kmeans": kmeans, "--pc": pc}
    names = [name for name, value in given.items() if value is not None]
    if latent_dim == 0:
        if names:
            raise InputError(
                f"{run.path}: found {names[0]}; this run has latent dimension 0 and so one map only. "
                "Leave the option out."
            )
        return Chosen.free(np.zeros((1, 0)), "mean")
    if len(names) != 1:
        raise InputError(
            f"Found {' and '.join(names) or 'no choice of latents'}; wanted just one of {', '.join(given)}."
        )
    if z is not None:
        return _checked(parse_latents(z), latent_dim, "--z")
    if z_file is not None:
        return _checked(read_latents(z_file), latent_dim, str(z_file))
    latents = run.latents(epoch)
    if particles is not None:
        return of_particles(latents, particles)
    if kmeans is not None:
        return cluster_centres(latents, kmeans)
    return along_component(latents, pc or 0, points)


def write_latents_table(path: Path, maps: list[str], chosen: Chosen) -> None:
    """Write a row a map: its name, the particle that its latent belongs to, if any, and the latent."""
    header = ["map", "particle", *(f"z{i + 1}" for i in range(chosen.z.shape[1]))]
    rows = [
        [file, "" if particle < 0 else str(particle), *(f"{value:.8g}" for value in latent)]
        for file, particle, latent in zip(maps, chosen.particle, chosen.z, strict=True)
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("".join(",".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")


def parse_latents(text: str, *, flag: str = "--z") -> Chosen:
    """Latents as a user types them: components by commas, latents by semicolons.

    >>> parse_latents("0,0; 1,-0.5").z.tolist()
    [[0.0, 0.0], [1.0, -0.5]]
    """
    try:
        rows = [[float(value) for value in row.split(",")] for row in text.split(";") if row.strip()]
    except ValueError as error:
        raise InputError(f'Found {flag} "{text}" ({error}); wanted numbers like "0,0;1,0".') from error
    if not rows or len({len(row) for row in rows}) != 1:
        raise InputError(
            f'Found {flag} "{text}"; wanted latents of one length, components parted by commas and '
            'latents by semicolons, as in "0,0;1,0".'
        )
    if not np.isfinite(rows).all():
        raise InputError(f'Found {flag} "{text}"; wanted finite numbers like "0,0;1,0".')
    return Chosen.free(np.array(rows), "z")


def read_latents(path: Path) -> Chosen:
    """Latents in a file: .npy, or text with one latent a line, parted by blanks or commas.

    A table with a header, as trimorph writes, is read in its columns z1, z2 ...
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: found no file; wanted latents, one a line. Check the path.")
    try:
        if path.suffix == ".npy":
            rows = np.load(path, allow_pickle=False)
        else:
            rows = np.loadtxt(_lines_of_numbers(path.read_text(encoding="utf-8")), ndmin=2)
        z = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: found {str(error).splitlines()[0]}; wanted numbers, one latent a line, of one length."
        ) from error
    if z.ndim != 2 or not np.isfinite(z).all():
        raise InputError(
            f"{path}: found values that are not finite or not a table; wanted one latent a line."
        )
    return Chosen.free(z, path.stem)


def of_particles(latents: Latents, text: str, *, flag: str = "--particles") -> Chosen:
    """Latents of some particles, by their numbers from 0 among those in use."""
    index = np.array(numbers_of_particles(text, len(latents), flag=flag))
    return Chosen(latents.mean[index].astype(np.float64), index, "particles")


def numbers_of_particles(text: str, count: int, *, flag: str) -> list[int]:
    """Numbers of particles, from 0, as a user types them.

    >>> numbers_of_particles("1,5", 6, flag="--particles")
    [1, 5]
    """
    return _numbers(text, range(count), flag=flag, what="particle")


def places_of_states(text: str, count: int, *, flag: str) -> list[int]:
    """Places of states, from 0, by their numbers, which count from 1, as a user types them.

    >>> places_of_states("1,6", 6, flag="--clusters")
    [0, 5]
    """
    return [number - 1 for number in _numbers(text, range(1, count + 1), flag=flag, what="state")]


def cluster_centres(latents: Latents, count: int, *, seed: int = 0) -> Chosen:
    """The particles nearest to the centres of k-means, neighbours next to each other."""
    mean = latents.mean.astype(np.float64)
    _, centre = kmeans(mean, count, seed=seed)
    return Chosen(mean[centre], centre, f"kmeans{count}")


def along_component(latents: Latents, number: int, count: int) -> Chosen:
    """Points along a principal component (from 1) through the mean, from its 5th to its 95th percentile."""
    return Chosen.free(points_along(latents.mean.astype(np.float64), number, count), f"pc{number}")


def points_along(
    mean: NDArray[np.float64], number: int, count: int, *, limits: tuple[float, float] = PERCENTILES
) -> NDArray[np.float64]:
    """Points (count, d) along a principal component (from 1) of latents (n, d), between two percentiles.

    >>> points_along(np.array([[-1.0, 2.0], [0.0, 2.0], [1.0, 2.0]]), 1, 2, limits=(0.0, 100.0)).tolist()
    [[-1.0, 2.0], [1.0, 2.0]]
    """
    if not 1 <= number <= mean.shape[1]:
        raise InputError(f"Found principal component {number}; wanted one from 1 to {mean.shape[1]}.")
    if count < 1:
        raise InputError(f"Found {count} points; wanted at least 1.")
    axis = principal_components(mean)[number - 1]
    centre = mean.mean(0)
    first, last = np.percentile((mean - centre) @ axis, limits)
    points: NDArray[np.float64] = centre + np.linspace(first, last, count)[:, None] * axis
    return points


def _numbers(text: str, known: range, *, flag: str, what: str) -> list[int]:
    try:
        numbers = [int(value) for value in text.split(",")]
    except ValueError as error:
        raise InputError(f'Found {flag} "{text}"; wanted numbers like "1,5".') from error
    wrong = [number for number in numbers if number not in known]
    if wrong:
        raise InputError(
            f"Found {what} {wrong[0]}; wanted numbers from {known[0]} to {known[-1]}, as there are "
            f"{len(known)} {what}s."
        )
    return numbers


def _lines_of_numbers(text: str) -> list[str]:
    r"""Latents a line, parted by blanks: all of a plain table, or the columns z1 ... of one with a header.

    >>> _lines_of_numbers("0,1\n\n2,3\n"), _lines_of_numbers("map,particle,z1,z2\na.mrc,,0,1\n")
    (['0 1', '2 3'], ['0 1'])
    """
    lines = [line for line in text.splitlines() if line.strip()]
    names = lines[0].split(",") if lines else []
    latent = [column for column, name in enumerate(names) if re.fullmatch(r"z[0-9]+", name)]
    if not latent:
        return [line.replace(",", " ") for line in lines]
    rows = [line.split(",") for line in lines[1:]]
    return [" ".join(row[column] for column in latent if column < len(row)) for row in rows]


def _checked(chosen: Chosen, latent_dim: int, source: str) -> Chosen:
    if chosen.z.shape[1] != latent_dim:
        raise InputError(
            f"{source}: found latents of {chosen.z.shape[1]} components; wanted {latent_dim}, the latent "
            "dimension of this run."
        )
    return chosen
