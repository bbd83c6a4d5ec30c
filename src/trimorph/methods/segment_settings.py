"""SegmentsSettings: what the method `segments` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from trimorph.core.checks import check_choice, check_range
from trimorph.core.errors import InputError
from trimorph.methods.latent_settings import LatentSettings

Score = Literal["likelihood", "correlation"]
StructureDecoder = Literal["segments", "modes"]
Residual = Literal["none", "anchors", "coordinates"]


@dataclass(frozen=True)
class SegmentsSettings(LatentSettings):
    """Settings of the method `segments`."""

    decoder: StructureDecoder = "segments"
    """What moves the residues: segments, rigid ones that are learned; modes, the softest normal modes of an
    elastic network of the structure, along which it bends."""
    mode_count: int = 24
    """Normal modes (decoder modes)."""
    segments: int = 12
    """Largest number of segments, shared out over the chains by their lengths, at least one each. Those that
    are not needed die out, and of more than twelve on a chain those beyond six are made where images ask."""
    sharpness: float = 20.0
    """Exponent of the mixture (the paper's tau): the larger, the fewer residues belong to two segments."""
    occupancy: bool = False
    """Let segments be there to a part, for what comes and goes: each has a factor on its density, too."""
    residual: Residual = "none"
    """Small displacements of single residues after the motion: none; anchors, the motions of a few points
    that spread to the residues around them; coordinates, the same by one network of place and latent."""
    residual_give: float = 0.5
    """Standard deviation in Å of these displacements under their prior."""
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
    elastic: float = 0.0
    """Weight of the cost of changed distances between all residues that are near in the structure."""
    elastic_kept: float = 0.99
    """Share of these distances that counts in a step; those that vary most may change, so that hinges open.
    1 counts all."""
    merge: float = 0.5
    """Root mean square distance in Å by which motions in a chain may differ, or a twentieth of their
    size, and still be the same: these are merged at the end of training, and so are those that the images do
    not tell apart. 0 merges none."""
    polish: bool = False
    """After training, bring what the encoder says of an image to where the decoder itself says that it lies,
    by two steps of Gauss and Newton (score likelihood)."""
    segments_beta: float = 1.0
    """Weight of the divergence of the segments' places, widths and weights to their priors."""
    segments_learning_rate: float = 1e-2
    """Learning rate of the segments, in units of a segment's length when all are alike."""
    neutral_learning_rate: float = 5e-3
    """Learning rate of the logarithms of the density's scale and width."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("segments", "mode_count", "width", "layers"):
            check_range(name, getattr(self, name), least=1)
        for name in ("continuity", "clash", "segments_beta", "merge", "elastic"):
            check_range(name, getattr(self, name), least=0)
        for name in (
            "sharpness",
            "resolution",
            "residual_give",
            "elastic_kept",
            "segments_learning_rate",
            "neutral_learning_rate",
        ):
            check_range(name, getattr(self, name), above=0)
        check_range("elastic_kept", self.elastic_kept, most=1)
        check_choice("score", self.score, get_args(Score))
        check_choice("decoder", self.decoder, get_args(StructureDecoder))
        check_choice("residual", self.residual, get_args(Residual))
        guessed = self.latent_dim > 0 and self.encoder not in ("none", "given")
        if self.polish and not (guessed and self.score == "likelihood"):
            raise InputError(
                f"Found polish with the encoder {self.encoder}, {self.latent_dim} components of the latent "
                f"and the score {self.score}; wanted an encoder that guesses latents, and the score "
                "likelihood. Leave --polish out."
            )
        if self.occupancy and self.decoder != "segments":
            raise InputError(
                f"Found occupancy with the decoder {self.decoder}; wanted segments, which may be there to a "
                "part. Leave --occupancy out, or pass --decoder segments."
            )
