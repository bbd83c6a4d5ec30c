"""Ways from a latent to a map on the truth's grid: a run, another program's maps, cryoDRGN's weights."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree

from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map
from trimorph.data.npy import read_npy
from trimorph.data.truth import Truth
from trimorph.evaluation.mover import Decoder
from trimorph.evaluation.true_maps import grid_note, map_files, map_on_grid
from trimorph.run.cryodrgn import load_cryodrgn
from trimorph.run.run import Run

TABLES = ("z_values.txt", "z_values.csv", "z_values.npy", "z.npy", "zfile.txt")
"""Where a folder of maps says at which latents they were made, a row a map."""

_SAME = 1e-4
"""Distance, of the latents' spread, within which a map is taken to be that of a particle itself."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps at latents: ``volume`` gives one, on the truth's grid.

    ``particles`` are those whose own latents have a map, where maps are few and given; None where any latent
    can be decoded. ``note`` says what the maps are.
    """

    volume: Decoder
    particles: Int[ndarray, " m"] | None
    note: str


def of_run(run: Run, epoch: int | None, truth: Truth) -> Maps:
    """The decoder of a run, which draws its maps on any grid."""

    def volume(z: Float[ndarray, " d"]) -> Float[ndarray, "box box box"]:
        return run.volume(z, box=truth.box, pixel_size=truth.pixel_size, epoch=epoch)

    disk, note = run.method(epoch).disk, f"maps decoded by the run after epoch {epoch}"
    if disk.pixel_size > 1.001 * truth.pixel_size:
        note += (
            f" on the truth's grid of {truth.pixel_size:.4g} Å: trained on pixels of {disk.pixel_size:.4g} "
            f"Å, it has nothing finer than {2 * disk.pixel_size:.4g} Å"
        )
    return Maps(volume, None, note)


def of_weights(weights: Path, config: Path, truth: Truth, *, latent_dim: int) -> Maps:
    """The decoder of cryoDRGN's weights.N.pkl and config.yaml, for images of the truth's field of view.

    Errors: InputError for latents of another dimension; those of :func:`trimorph.run.cryodrgn.load_cryodrgn`.
    """
    first = load_cryodrgn(weights, config, pixel_size=1.0)
    if first.latent_dim != latent_dim:
        raise InputError(
            f"{weights}: found a decoder of {first.latent_dim} latent components; wanted {latent_dim}, as "
            "the latents have. Pass the weights of the same run and epoch."
        )
    decoder = load_cryodrgn(weights, config, pixel_size=truth.box * truth.pixel_size / first.box)

    def volume(z: Float[ndarray, " d"]) -> Float[ndarray, "box box box"]:
        with torch.no_grad():
            field = decoder.decode(torch.as_tensor(np.asarray(z, np.float32))[None])
            return field.voxels(truth.box, truth.pixel_size)[0].numpy()

    return Maps(volume, None, f"maps decoded from {weights.name}")


def of_folder(
    folder: Path, z: Float[ndarray, "n d"], truth: Truth, *, ignore_voxel_size: bool = False
) -> Maps:
    """Maps of any program in a folder that says at which latents they were made.

    A particle is given the map whose latent is nearest to its own. Where maps are those of particles, these
    particles are the ones to be asked.
    Errors: InputError where the table of latents is missing or does not belong to maps and latents.
    """
    paths = map_files(folder)
    at = _latents_of_maps(folder, count=len(paths), latent_dim=z.shape[1])
    tree, spread = cKDTree(at), max(float(z.std(0).max()), 1e-300)
    distance = tree.query(z)[0]
    own = np.flatnonzero(distance <= _SAME * spread)
    map_on_grid(paths[0], box=truth.box, pixel_size=truth.pixel_size, as_told=ignore_voxel_size)  # or say so
    box = len(read_map(paths[0]).values)
    grid = grid_note(box, truth.box * truth.pixel_size / box, box=truth.box, onto=truth.pixel_size)

    def volume(latent: Float[ndarray, " d"]) -> Float[ndarray, "box box box"]:
        path = paths[int(tree.query(latent)[1])]
        return map_on_grid(path, box=truth.box, pixel_size=truth.pixel_size, as_told=ignore_voxel_size)

    if len(own) == len(z):
        return Maps(volume, None, f"{len(paths)} maps of {folder}, one at the latent of each particle{grid}")
    if len(own):
        alone = f"which are those of {len(own)} particles, who alone are asked"
        note = f"{len(paths)} maps of {folder}, {alone}{grid}"
        return Maps(volume, own, note)
    share = float(np.median(distance)) / spread
    note = (
        f"{len(paths)} maps of {folder}, none at a particle's own latent: each particle has the map nearest "
        f"to it, {share:.2g} standard deviations away in the median{grid}"
    )
    return Maps(volume, None, note)


def _latents_of_maps(folder: Path, *, count: int, latent_dim: int) -> Float[ndarray, "m d"]:
    found = [folder / name for name in TABLES if (folder / name).is_file()]
    if not found:
        raise InputError(
            f"{folder}: found maps and no {' or '.join(TABLES[:3])}; wanted the latent of each map, a row a "
            "map, as cryoDRGN and trimorph volumes write them. Put such a file beside the maps."
        )
    path = found[0]
    try:
        table = _numbers(path)
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: found {error}; wanted numbers, a row a map.") from error
    table = table.reshape(len(table), -1)
    if table.shape != (count, latent_dim) or not np.isfinite(table).all():
        raise InputError(
            f"{path}: found {table.shape[0]} latents of {table.shape[1]} components; wanted {count}, one a "
            f"map in {folder}, of {latent_dim} components, all finite. Pass the folder of the same run."
        )
    return table


def _numbers(path: Path) -> Float[ndarray, "m d"]:
    if path.suffix == ".npy":
        return np.asarray(read_npy(path, wanted="latents, a row a map"), np.float64)
    if path.suffix == ".txt":
        return np.loadtxt(path, ndmin=2)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    columns = [number for number, name in enumerate(rows[0]) if name[:1] == "z" and name[1:].isdigit()]
    return np.array([[float(row[column]) for column in columns] for row in rows[1:]])
