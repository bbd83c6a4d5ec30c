"""LinearSettings: what a user may set of the method `linear`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trimorph.core.checks import check_range


@dataclass(frozen=True)
class LinearSettings:
    """Settings of the method `linear`."""

    modes: int | Literal["auto"] = "auto"
    """Number of modes, 1 to 64; auto: as many as raise the likelihood of images that were held out."""
    resolution: float | None = None
    """Finest resolution of the modes in Å; by default it is raised in steps while that likelihood grows."""
    epochs: int | None = None
    """Passes through the particles for the first fit of the half sets, and half as many for each step after
    it. By default, as many as show 20,000 images, but at most 200."""
    learning_rate: float = 0.05
    """Peak learning rate of the modes, in units of the mean map's standard deviation."""
    contrast: float = 0.0
    """Standard deviation of the particles' contrast (amplitude) around 1; 0 takes all as equal."""

    def __post_init__(self) -> None:
        if self.modes != "auto":
            check_range("modes", self.modes, least=1, most=64)
        check_range("epochs", self.epochs, least=1)
        check_range("resolution", self.resolution, above=0)
        check_range("learning_rate", self.learning_rate, above=0)
        check_range("contrast", self.contrast, least=0)
