"""SegmentsSettings: what the method `segments` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from trimorph.core.checks import check_choice, check_range
from trimorph.methods.latent_settings import LatentSettings

Score = Literal["likelihood", "correlation"]


@dataclass(frozen=True)
class SegmentsSettings(LatentSettings):
    """Settings of the method `segments`."""

    segments: int = 12
    """Largest number of segments, shared out over the chains by their lengths, at least one each. Those that
    are not needed die out."""
    sharpness: float = 20.0
    """Exponent of the mixture (the paper's tau): the larger, the fewer residues belong to two segments."""
    occupancy: bool = False
    """Let segments be there to a part, for what comes and goes: each has a factor on its density, too."""
    resolution: float | None = None
    """Finest resolution in Å that model and images are compared to; Nyquist by default."""
    score: Score = "likelihood"
    """How images are compared: likelihood, under Gaussian noise of the measured power; correlation, as in the
    paper, which does not see the density's scale, weighed so that an image says as much as under it."""
    width: int = 256
    """Units in a hidden layer of the decoder."""
    layers: int = 2
    """Residual layers of the decoder."""
    continuity: float = 1.0
    """Weight of the cost of changed distances between residues that follow each other in a chain."""
    clash: float = 1.0
    """Weight of the cost of residues that come closer than 4 Å to each other."""
    merge: float = 0.5
    """Root mean square distance in Å up to which the motions of neighbours are the same: these are merged at
    the end of training. 0 merges none."""
    segments_beta: float = 1.0
    """Weight of the divergence of the segments' places, widths and weights to their priors."""
    segments_learning_rate: float = 1e-2
    """Learning rate of the segments, in units of a segment's length when all are alike."""
    neutral_learning_rate: float = 5e-3
    """Learning rate of the logarithms of the density's scale and width."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("segments", "width", "layers"):
            check_range(name, getattr(self, name), least=1)
        for name in ("continuity", "clash", "segments_beta", "merge"):
            check_range(name, getattr(self, name), least=0)
        for name in ("sharpness", "resolution", "segments_learning_rate", "neutral_learning_rate"):
            check_range(name, getattr(self, name), above=0)
        check_choice("score", self.score, get_args(Score))
