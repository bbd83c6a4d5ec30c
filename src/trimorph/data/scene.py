"""Scene: the states that are imaged, and on what grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.data.ensemble import Ensemble, StructureStates
from trimorph.data.mrc import Map, read_map
from trimorph.data.recipes import RECIPES, RecipeSource, recipe_states
from trimorph.data.scattering import PIXELS_TO_SPARE, AtomicDensity, blur_margin
from trimorph.data.simulation_settings import SimulationSettings
from trimorph.data.structure import read_structure

_MAPS = (".mrc", ".map", ".ccp4", ".rec")
_STRUCTURES = (".pdb", ".ent", ".cif", ".mmcif")

_DEFAULT_BOX, _FILLED = 64, 0.7


@dataclass(frozen=True, eq=False)
class Scene:
    """An ensemble and the grid of its images.

    ``voxels`` says whether maps are sliced (always so for maps), ``resolution`` is that of the atoms in Å,
    None for maps, and ``diameter`` in Å that of the particle.
    """

    ensemble: Ensemble
    box: int
    pixel_size: float
    voxels: bool
    resolution: float | None
    diameter: float
    source: str


def build_scene(source: str | Path | Sequence[str | Path], settings: SimulationSettings) -> Scene:
    """States and grid for a recipe's name, structure files or maps."""
    sources = [source] if isinstance(source, (str, Path)) else list(source)
    if not sources:
        raise InputError("Simulation: found no source; wanted a recipe, structure files or maps.")
    kinds = {_kind(Path(item)) for item in sources}
    if len(kinds) > 1 or ("recipe" in kinds and len(sources) > 1):
        raise InputError(
            f"Simulation: found {', '.join(map(str, sources))}; wanted one recipe, or structure files alone, "
            "or maps alone."
        )
    if kinds == {"map"}:
        return _map_scene([Path(item) for item in sources], settings)
    if kinds == {"recipe"}:
        return _structure_scene(_recipe(str(sources[0]), settings), str(sources[0]), settings)
    states = _frames([Path(item) for item in sources], settings)
    return _structure_scene(states, ", ".join(Path(item).name for item in sources), settings)


def _kind(path: Path) -> str:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() in _MAPS:
        return "map"
    if suffix.lower() in _STRUCTURES:
        return "structure"
    if suffix or (path.exists() and str(path) not in RECIPES):
        raise InputError(
            f"{path}: found the ending {suffix or 'none'}; wanted a structure ({', '.join(_STRUCTURES)}) "
            f"or a map ({', '.join(_MAPS)}), plain or .gz."
        )
    return "recipe"


def _recipe(recipe: str, settings: SimulationSettings) -> StructureStates:
    structure = None
    if settings.structure is not None:
        structure = read_structure(settings.structure)[0]
    source = RecipeSource(structure, settings.moving, settings.axis, settings.subsets)
    return recipe_states(recipe, source, weights=settings.weights or None)


def _frames(paths: list[Path], settings: SimulationSettings) -> StructureStates:
    models = [(path, number, model) for path in paths for number, model in enumerate(read_structure(path))]
    states = StructureStates(
        structures=[model for _, _, model in models],
        names=tuple(f"{path.name} model {number + 1}" for path, number, _ in models),
        weights=np.ones(len(models)),
        coordinate=np.arange(len(models), dtype=float),
        quantity="number of the model",
        origin=np.mean([model.position.mean(0) for _, _, model in models], axis=0),
    )
    return states.weigh(settings.weights) if settings.weights else states


def _structure_scene(states: StructureStates, source: str, settings: SimulationSettings) -> Scene:
    box = settings.box or _DEFAULT_BOX
    pixel_size = settings.pixel_size or _fitting_pixel_size(states.reach, box, settings.resolution)
    resolution = settings.resolution or 2 * pixel_size
    ensemble = states.ensemble(resolution)
    for volume in ensemble.volumes:
        if isinstance(volume, AtomicDensity):
            volume.require_room(box, pixel_size)
    return Scene(
        ensemble=ensemble,
        box=box,
        pixel_size=pixel_size,
        voxels=settings.voxels,
        resolution=resolution,
        diameter=2 * states.reach,
        source=source,
    )


def _fitting_pixel_size(reach: float, box: int, resolution: float | None) -> float:
    """Smallest multiple of 0.25 Å at which atoms within ``reach`` fill the box no more than they may."""
    blur = reach if resolution is None else reach + blur_margin(resolution)
    pixels = 0.5 * box - PIXELS_TO_SPARE - (blur_margin(2.0) if resolution is None else 0.0)
    return float(np.ceil(4 * max(reach / (0.5 * _FILLED * box), blur / max(pixels, 1.0))) / 4)


def _map_scene(paths: list[Path], settings: SimulationSettings) -> Scene:
    if settings.resolution is not None:
        raise InputError(
            f"Simulation: found resolution {settings.resolution:g} Å for maps, which are imaged as they are; "
            "wanted none. Low-pass the maps first, or start from structures."
        )
    maps = [read_map(path) for path in paths]
    first = maps[0]
    for path, other in zip(paths, maps, strict=True):
        if other.values.shape != first.values.shape or abs(other.pixel_size / first.pixel_size - 1) > 1e-3:
            raise InputError(
                f"{path}: found {other.values.shape} voxels of {other.pixel_size:g} Å; wanted "
                f"{first.values.shape} of {first.pixel_size:g} Å as in {paths[0]}. Resample them to one grid."
            )
    side = max(first.values.shape)
    box = settings.box or side
    pixel_size = settings.pixel_size or first.pixel_size * side / box
    number = np.arange(len(maps), dtype=float)
    ensemble = Ensemble(
        volumes=[VoxelGrid(_cube(item), item.pixel_size) for item in maps],
        names=tuple(path.name for path in paths),
        weights=np.asarray(settings.weights or np.ones(len(maps)), float),
        coordinate=number,
        quantity="number of the map",
    )
    return Scene(
        ensemble=ensemble,
        box=box,
        pixel_size=float(pixel_size),
        voxels=True,
        resolution=None,
        diameter=0.8 * box * pixel_size,
        source=", ".join(path.name for path in paths),
    )


def _cube(item: Map) -> torch.Tensor:
    """The map in a cube of its longest side, its centre voxel at the cube's."""
    side = max(item.values.shape)
    cube = np.zeros((side,) * 3, np.float32)
    start = [side // 2 - length // 2 for length in item.values.shape]
    cube[tuple(slice(a, a + n) for a, n in zip(start, item.values.shape, strict=True))] = item.values
    return torch.from_numpy(cube)[None]
