"""AnalysisSettings: what `trimorph analyze` does."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from trimorph.core.errors import InputError


@dataclass(frozen=True)
class AnalysisSettings:
    """What an analysis finds, makes and draws."""

    states: str = "kmeans"
    """How states are found, and how many, as kmeans:20: kmeans (10 unless told), mixture (Gaussians) or peaks
    (of density); the last two find a number themselves."""
    name: str | None = None
    """Name of the new folder in analysis/ of the run; by default what comes of the states, as kmeans10."""
    components: int = 2
    """Principal components along which maps (or structures) are made, 5th to 95th percentile."""
    points: int = 10
    """Maps along each."""
    colours: tuple[str, ...] = ()
    """Columns by which latents are coloured beside the usual ones: of particles.csv, or of the particle file
    by its own name, such as rlnAutopickFigureOfMerit."""
    umap: bool = False
    """Draw latents in a plane of UMAP, too; needs umap-learn."""
    own: bool = True
    """Back-project the particles' own map of each state beside the model's: every image is looked at."""
    misfit: bool = True
    """Tell how well the model explains each particle, so that junk is found: every image is looked at."""
    parquet: bool = False
    """Write particles.parquet beside particles.csv."""
    epoch: int | None = None
    """Use model and latents after this epoch; by default the last that left both, also during training."""
    device: str = "cpu"
    """Where own maps are made: cpu or cuda."""
    seed: int = 0
    """Of the search for states, and of UMAP."""

    def __post_init__(self) -> None:
        for name, value, least in (("components", self.components, 0), ("points", self.points, 1)):
            if value < least:
                raise InputError(f"Found --{name} {value}; wanted {least} or more.")
        if self.name is not None and (not self.name or "/" in self.name or self.name in (".", "..")):
            raise InputError(f'Found --name "{self.name}"; wanted the name of a folder in analysis/.')

    def changed(self) -> dict[str, Any]:
        """Settings that are not the defaults.

        >>> AnalysisSettings(states="peaks").changed()
        {'states': 'peaks'}
        """
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        return {item.name: told[item.name] for item in fields(self) if told[item.name] != item.default}
