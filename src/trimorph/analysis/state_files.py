"""Files of the states: the model's maps or structures, and beside each the map of the particles' own.

Letters: k states, d latent components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.analysis.analysis import StateFiles, Traversal
from trimorph.analysis.states import States
from trimorph.core.errors import InputError
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.data.mrc import write_map
from trimorph.methods.require_structure import moves_structure
from trimorph.reconstruction.write import write_csv
from trimorph.run.choose_latents import Chosen, points_along
from trimorph.run.embedding import Embedding
from trimorph.run.near import NearState, reconstruct_near
from trimorph.run.run import Run
from trimorph.run.structures import write_structures
from trimorph.run.structures_files import state_maps
from trimorph.run.structures_model import MovingStructure
from trimorph.run.volumes import MapSettings, write_series

FOLDER = Path("states")
"""Where the files of the states lie."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Model:
    """The model whose states are drawn: its run and epoch, and the atoms that it moves, if it does."""

    run: Run
    epoch: int
    structure: MovingStructure | None

    @classmethod
    def of(cls, run: Run, epoch: int) -> tuple[Model, tuple[str, ...]]:
        """The model, and a line where its atoms cannot be had."""
        if not moves_structure(run.method(epoch)):
            return cls(run, epoch, None), ()
        try:
            return cls(run, epoch, MovingStructure.of(run, epoch)), ()
        except (InputError, OSError) as error:
            return cls(run, epoch, None), (f"maps alone, as the structure cannot be had: {error}",)

    @property
    def pixel_size(self) -> float:
        """Voxel size in Å."""
        return self.run.method(self.epoch).disk.pixel_size

    @property
    def origin(self) -> tuple[float, float, float]:
        """Where voxel (0, 0, 0) lies in Å: in the frame of the atoms, if there are any."""
        if self.structure is None:
            return (0.0, 0.0, 0.0)
        disk = self.run.method(self.epoch).disk
        return self.structure.corner(disk.box, disk.pixel_size)


def write_states(
    folder: Path,
    model: Model,
    states: States,
    *,
    near: tuple[NearState, ...] = (),
    progress: Progress | None = None,
) -> tuple[StateFiles, ...]:
    """Write states/state_01.mrc ..., .cif for a model of atoms, and the particles' own maps where there are.

    Own maps are own_01.mrc with half maps own_01_half1.mrc and own_01_half2.mrc and their curves
    own_01_fsc.csv. Files are numbered as the states, from 1, and all maps lie on each other.
    """
    (folder / FOLDER).mkdir()
    particles = states.number()
    found = []
    for number, z in enumerate(states.z, start=1):
        name = FOLDER / f"state_{number:02d}.mrc"
        density = model.run.volume(z, epoch=model.epoch)
        write_map(folder / name, density, model.pixel_size, origin=model.origin)
        state = StateFiles(
            number=number,
            particles=int(particles[number - 1]),
            share=float(particles[number - 1] / len(states.label)),
            map=name,
            structure=_write_atoms(folder, name.with_suffix(".cif"), model.structure, z),
        )
        found.append(_with_own(folder, state, near[number - 1], density, model.origin) if near else state)
        if progress is not None:
            progress(number, states.count)
    return tuple(found)


def own_maps(
    embedding: Embedding, states: States, *, device: str = "cpu", progress: Progress | None = None
) -> tuple[NearState, ...]:
    """Maps of the particles themselves around the centre of each state."""
    return reconstruct_near(embedding, states.z, device=device, progress=progress)


def write_traversals(
    folder: Path,
    model: Model,
    mean: Float[ndarray, "n d"],
    *,
    components: int,
    points: int,
    progress: Progress | None = None,
) -> tuple[Traversal, ...]:
    """Write maps, or structures, along the first principal components, from the 5th to the 95th percentile.

    Each has its folder pc1 ..., as `trimorph volumes --pc 1`, or `trimorph structures --pc 1`, writes it.
    """
    found = []
    for number in range(1, components + 1):
        z, name = points_along(mean, number, points), f"pc{number}"
        structure = None
        if model.structure is None:
            (folder / name).mkdir()
            names = write_series(
                folder / name, model.run, Chosen.free(z, name), maps=MapSettings(), epoch=model.epoch,
                progress=progress,
            )  # fmt: skip
        else:
            write_structures(
                model.run.path, output=folder / name, pc=number, points=points, epoch=model.epoch,
                progress=progress,
            )  # fmt: skip
            names = state_maps(points)
            structure = Path(name) / "ensemble.cif"
        found.append(Traversal(name, z, tuple(Path(name) / file for file in names), structure))
    return tuple(found)


def _with_own(
    folder: Path,
    state: StateFiles,
    near: NearState,
    density: Float[ndarray, "b b b"],
    origin: tuple[float, float, float],
) -> StateFiles:
    """The state with the particles' own map, which is written, its half maps and their curves."""
    found, name = near.reconstruction, f"own_{state.number:02d}"
    paths = [FOLDER / f"{name}{ending}.mrc" for ending in ("", "_half1", "_half2")]
    for path, values in zip(paths, (found.map, found.half1, found.half2), strict=True):
        write_map(folder / path, values, found.pixel_size, origin=origin)
    curves = FOLDER / f"{name}_fsc.csv"
    write_csv(folder / curves, found.curves)
    last = found.curves.box * found.pixel_size / found.resolution
    alike = density.shape == found.map.shape
    return replace(
        state,
        own=paths[0],
        half1=paths[1],
        half2=paths[2],
        curves=curves,
        resolution=found.resolution,
        effective=near.effective,
        agreement=mean_agreement(density, found.map, last=last) if alike else None,
    )


def mean_agreement(first: Float[ndarray, "b b b"], second: Float[ndarray, "b b b"], *, last: float) -> float:
    """FSC of two maps averaged over shells 1 to ``last``.

    >>> density = torch.randn(8, 8, 8, generator=torch.Generator().manual_seed(0)).numpy()
    >>> mean_agreement(density, -density, last=3.0)
    -1.0
    """
    curve = fourier_shell_correlation(torch.from_numpy(first).double(), torch.from_numpy(second).double())
    return float(curve[1 : max(int(last), 1) + 1].mean())


def _write_atoms(
    folder: Path, name: Path, structure: MovingStructure | None, z: Float[ndarray, " d"]
) -> Path | None:
    if structure is None:
        return None
    atoms, occupancy = structure.move_atoms(z[None]), structure.occupancy(z[None])
    structure.template.write(folder / name, list(atoms), occupancies=list(occupancy))
    return name
