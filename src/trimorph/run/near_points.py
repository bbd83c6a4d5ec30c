"""NearPoints: around which latents maps are wanted, of a run or of a file of latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trimorph.core.errors import InputError
from trimorph.run.choose_latents import (
    Chosen,
    along_component,
    cluster_centres,
    of_particles,
    parse_latents,
    read_latents,
)
from trimorph.run.embedding import Embedding, read_embedding
from trimorph.training.latents import Latents


@dataclass(frozen=True)
class NearPoints:
    """What a user says of maps around latents; just one of the options --near... says around which."""

    latents: Path | None = None
    """Run on these particles, or a file of latents (.npz, .npy, cryoDRGN's z.pkl) with a row a particle."""
    epoch: int | None = None
    """Use the latents of the run after this epoch; the latest by default."""
    near: str | None = None
    """Around latents as numbers: components parted by commas, latents by semicolons ("0,0;1,0")."""
    near_file: Path | None = None
    """Around the latents in a file, one a line (.txt, .csv, .npy)."""
    near_particles: str | None = None
    """Around the latents of some particles, by their numbers from 0 ("1,5")."""
    near_kmeans: int | None = None
    """Around the particles nearest to the centres of so many clusters."""
    near_pc: int | None = None
    """Along a principal component, from 1, from the 5th to the 95th percentile."""

    near_points: int = 5
    """Number of latents along the component."""
    least: int | None = None
    """Particles that are back-projected around a latent at least; by default 100, but not less than lie as
    near as latents are known, and one in fifty where --latents does not say how well they are."""

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the options that are given and say around which latents."""
        names = ("near", "near_file", "near_particles", "near_kmeans", "near_pc")
        return tuple(f"--{name.replace('_', '-')}" for name in names if getattr(self, name) is not None)

    def embedding(self) -> Embedding:
        """The latents of all particles.   Errors: those of :func:`read_embedding`; InputError for none."""
        if self.latents is None:
            raise InputError(
                f"Found {' and '.join(self.given)} without latents; wanted to know where each particle lies. "
                "Pass --latents with a run, or with a file of latents (.npz, .npy, .pkl)."
            )
        return read_embedding(self.latents, epoch=self.epoch)

    def choose(self, embedding: Embedding) -> Chosen:
        """The latents around which particles are wanted.

        Errors: InputError where not just one option is given, or latents have other dimensions.
        """
        if len(self.given) != 1:
            raise InputError(
                f"Found {' and '.join(self.given) or 'no latent to reconstruct around'}; wanted just one of "
                '--near "0,0;1,0", --near-file, --near-particles, --near-kmeans and --near-pc.'
            )
        chosen = self._chosen(embedding)
        dim = embedding.mean.shape[1]
        if chosen.z.shape[1] != dim:
            raise InputError(
                f"{self.given[0]}: found latents of {chosen.z.shape[1]} components; wanted {dim}, as "
                f"{embedding.source} has."
            )
        return chosen

    def _chosen(self, embedding: Embedding) -> Chosen:
        if self.near is not None:
            return parse_latents(self.near, flag="--near")
        if self.near_file is not None:
            return read_latents(self.near_file)
        count, dim = embedding.mean.shape
        latents = Latents(np.arange(count), embedding.mean, np.zeros((count, dim, dim)))
        if self.near_particles is not None:
            return of_particles(latents, self.near_particles, flag="--near-particles")
        if self.near_kmeans is not None:
            return cluster_centres(latents, self.near_kmeans)
        return along_component(latents, self.near_pc or 0, self.near_points)
