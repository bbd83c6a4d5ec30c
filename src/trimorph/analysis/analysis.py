"""Analysis: what `trimorph analyze` found of a run, and the files that show it.

All paths are relative to ``folder``.  Letters: n particles, d latent components, v places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from trimorph.analysis.components import Components
from trimorph.analysis.states import States
from trimorph.run.embedding import Embedding


@dataclass(frozen=True)
class StateFiles:
    """One state: how many particles, what the model makes of its centre, and the particles' own map.

    ``number`` counts from 1. ``map`` is the model's density at the centre, ``structure`` its atoms (None for
    a model without); ``own``, ``half1`` and ``half2`` are maps of the particles themselves around the centre
    (None where they were not asked for), ``resolution`` (Å) that of the half maps at 0.143, ``effective`` the
    number of particles with equal weights that would have as little noise. ``agreement`` is the FSC of
    ``map`` and ``own`` averaged over the shells up to ``resolution``. ``curves`` is the table (.csv) of the
    half maps' FSC, as :func:`trimorph.reconstruction.write.write_csv` writes it.
    """

    number: int
    particles: int
    share: float
    map: Path
    structure: Path | None = None
    own: Path | None = None
    half1: Path | None = None
    half2: Path | None = None
    resolution: float | None = None
    effective: float | None = None
    agreement: float | None = None
    curves: Path | None = None


@dataclass(frozen=True, eq=False)
class Traversal:
    """Maps, or structures, of the model at latents ``z`` along an axis or a path, in order."""

    name: str
    z: Float[ndarray, "v d"]
    maps: tuple[Path, ...]
    structure: Path | None = None


@dataclass(frozen=True)
class Figure:
    """A picture (PNG), its title, and a sentence that says what is to be seen."""

    path: Path
    title: str
    caption: str


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found of a run, and where it lies.

    ``columns`` has a value of each particle by name (z1 ..., pc1 ..., umap1, umap2 if asked for, state,
    magnitude, misfit if asked for, and what the particle file says: defocus, micrograph, half, view_rot,
    view_tilt ...): the columns of particles.csv, in its order. ``states`` are described by ``state_files``,
    one each. ``settings`` are the arguments of the call, by name, and ``lines`` what is to be said to the
    user. ``seconds`` is how long each part took.
    """

    folder: Path
    embedding: Embedding
    states: States
    components: Components
    columns: dict[str, NDArray[Any]]
    state_files: tuple[StateFiles, ...]
    traversals: tuple[Traversal, ...]
    figures: tuple[Figure, ...]
    lines: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
