"""ValidationSettings: what a validation does, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from trimorph.core.checks import check_range
from trimorph.core.errors import InputError

FEWEST = 8
"""Values of z where nothing differs, at least: both half sets, all modes and redrawn data sets together."""


@dataclass(frozen=True)
class ValidationSettings:
    """What :func:`validate` does, and how often."""

    retrain: bool = True
    """Train the run's own recipe on each half set, and test what these models decode. It takes about as long
    as the run did; models that are there from an earlier validation are used again."""
    seeds: int = 1
    """Models that are trained of each half set, with seeds of their own. Two or more tell how much of what
    half sets disagree on is due to training; it takes as many times as long."""
    nulls: int = 8
    """Data sets in which nothing differs that are redrawn and tested."""
    power: bool = True
    """Find the smallest shift of a region that would have been seen."""
    region: str | None = None
    """Region that is shifted: a mask (MRC, the images' box in Å), or x,y,z,radius in Å from the map's first
    voxel. By default where the particles differ most."""
    moved: float = 0.5
    """Share of the particles in which it is shifted."""
    modes: int = 6
    """Modes of each half set that are tested."""
    shuffles: int = 1999
    """Shuffles of the latents within bins of views."""
    level: float = 0.01
    """Probability of a false alarm among all modes."""
    resolution: float | None = None
    """Resolution of the test in Å; a sixth of the particle's diameter by default."""
    seed: int = 0
    """Of all that is drawn."""

    def __post_init__(self) -> None:
        check_range("nulls", self.nulls, least=1)
        check_range("seeds", self.seeds, least=1)
        check_range("modes", self.modes, least=1, most=20)
        check_range("moved", self.moved, above=0, most=0.99)
        check_range("level", self.level, above=0, most=0.5)
        if self.seeds > 1 and not self.retrain:
            raise InputError(
                f"Found {self.seeds} seeds and no training of half sets; wanted one of them. Leave --seeds "
                "or --no-retrain out."
            )
        if self.region is not None and not self.power:
            raise InputError(
                f'Found the region "{self.region}" and no power to find; wanted one of them. Leave --region '
                "or --no-power out."
            )
        values = 2 * self.nulls * self.modes
        if values < FEWEST:
            raise InputError(
                f"Found {self.nulls} redrawn data sets for {self.modes} modes, which give {values} values "
                f"where nothing differs; wanted {FEWEST} or more to compare with. Pass more --nulls."
            )
        fewest = ceil(2 * self.modes / self.level)
        if self.shuffles < fewest:
            raise InputError(
                f"Found {self.shuffles} shuffles for {self.modes} modes at a level of {self.level:g}; wanted "
                f"{fewest} or more, as no p is below 1 / (shuffles + 1), which is corrected for the number "
                "of modes."
            )
