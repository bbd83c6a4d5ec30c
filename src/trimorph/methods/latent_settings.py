"""LatentSettings: what every method that learns its latents can be told of encoder, prior, plan and poses."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from trimorph.core.checks import check_choice, check_range
from trimorph.core.errors import InputError
from trimorph.methods.base import Stage

Encoder = Literal["object", "gradient", "pixels", "none", "given"]

IN_OBJECT_FRAME: tuple[Encoder, ...] = ("object", "gradient")
"""Encoders that need not learn what poses and CTFs do, so that their latents follow a motion at once."""

BETA_PEAK: dict[Encoder, float] = {"object": 1.0, "gradient": 4.0, "pixels": 2.0}
"""Default peak of the divergence's weight, for the encoders that it helps."""


@dataclass(frozen=True)
class LatentSettings:
    """Settings that methods with learned latents share; a method's own are added by a subclass."""

    latent_dim: int = 8
    """Number of latent components; 0 reconstructs one map."""
    epochs: int = 20
    """Passes through the particles."""
    learning_rate: float = 1e-3
    """Peak learning rate of encoder and decoder."""
    encoder: Encoder = "object"
    """What gives the latents: object, a network that sees the posterior of the linear modes; gradient, one
    that sees how the image would move and grow the parts of the mean map; pixels, one that sees the image;
    none, a table with one latent a particle; given, the latents of another run or program (--latents-from),
    which stay as they are."""
    encoder_width: int = 256
    """Units in a hidden layer of the encoder."""
    encoder_layers: int = 3
    """Residual layers of the encoder."""
    refresh_modes: bool = False
    """After each stage of training, let the encoder see the modes of the densities that the decoder has
    learned by then, in place of the linear ones (encoder object)."""
    encoder_resolution: float | None = None
    """Finest resolution in Å that the encoder sees. By default all with pixels, and the particle's diameter
    over 8 with gradient."""
    latent_learning_rate: float = 5e-2
    """Learning rate of the table of latents (encoder none)."""
    beta: float | None = None
    """Weight of the divergence to the latents' prior; 1 / latent_dim by default."""
    beta_peak: float | None = None
    """Weight of the divergence that training passes through on its way to beta: few directions of the latent
    are used at first, and others only as they are needed. By default 4 for the encoder gradient, 2 for
    pixels, 1 for object, else beta."""
    beta_warm_up: float = 0.8
    """Fraction of training over which the weight rises from zero to its peak and falls to beta."""
    unfold: bool = True
    """Begin with latents that a motion lies along: the coordinates along which the linear modes say that
    particles differ, and held there for a fifth of training (encoder object); or the first component alone
    for as long (gradient), which cuts a circle open."""
    coarse_to_fine: bool = True
    """Raise the resolution limit in four stages instead of training on all frequencies at once."""
    refine_poses: bool = False
    """Learn a correction to each particle's pose."""
    pose_learning_rate: float = 0.2
    """Learning rate of the poses, in units of the prior's standard deviation."""
    pose_start: int = 5
    """Epochs before poses begin to move."""
    pose_angle_deg: float = 2.0
    """Prior standard deviation of the rotation corrections in degrees."""
    pose_distance: float = 2.0
    """Prior standard deviation of the shift corrections in Å."""

    def __post_init__(self) -> None:
        for name in ("latent_dim", "beta", "beta_peak", "pose_start"):
            check_range(name, getattr(self, name), least=0)
        for name in ("epochs", "encoder_width", "encoder_layers"):
            check_range(name, getattr(self, name), least=1)
        for name in ("learning_rate", "latent_learning_rate", "pose_learning_rate"):
            check_range(name, getattr(self, name), above=0)
        for name in ("encoder_resolution", "pose_angle_deg", "pose_distance"):
            check_range(name, getattr(self, name), above=0)
        check_range("beta_warm_up", self.beta_warm_up, least=0, most=1)
        check_choice("encoder", self.encoder, get_args(Encoder))
        if self.refresh_modes and self.encoder != "object":
            raise InputError(
                f"Found refresh_modes with the encoder {self.encoder}; wanted the encoder object, which "
                "alone sees modes. Leave --refresh-modes out, or pass --encoder object."
            )
        if self.encoder_resolution is not None and self.encoder not in ("gradient", "pixels"):
            raise InputError(
                f"Found encoder_resolution = {self.encoder_resolution} with the encoder {self.encoder}; "
                "wanted the encoder gradient or pixels, which alone see to a resolution. Leave "
                "--encoder-resolution out, or pass --encoder gradient or --encoder pixels."
            )
        if self.refine_poses and self.pose_start >= self.epochs:
            raise InputError(
                f"Found pose_start = {self.pose_start} with epochs = {self.epochs}; wanted poses that begin "
                "to move before training ends. Pass a smaller --pose-start or more --epochs."
            )

    def beta_at(self, progress: float) -> float:
        """Weight of the divergence when this share of training is done: up to the peak, then down to beta.

        >>> [LatentSettings(latent_dim=4).beta_at(share) for share in (0.0, 0.4, 0.8, 1.0)]
        [0.0, 1.0, 0.25, 0.25]
        """
        end = 1 / max(self.latent_dim, 1) if self.beta is None else self.beta
        peak = self.beta_peak
        if peak is None:
            peak = max(BETA_PEAK.get(self.encoder, end), end)
        done = min(1.0, progress / self.beta_warm_up) if self.beta_warm_up else 1.0
        return 2 * done * peak if done < 0.5 else end + 2 * (1 - done) * (peak - end)

    def stages(self, *, diameter: float, nyquist: float, seen: float | None = None) -> tuple[Stage, ...]:
        """The plan: resolution limits that rise from a fraction of the diameter to Nyquist, or Nyquist alone.

        At the diameter over 4.5, for 20 % of the epochs, a motion hardly bends its path through the
        densities, so a latent unfolds along it without coiling; a network that has yet to learn what poses do
        to pixels sees too little there, and begins at the diameter over 9. No limit is coarser than ``seen``,
        what the encoder has to see. Groups are network, latents (a table) and poses; where the start of pose
        refinement falls inside a stage, that stage is cut in two. Lengths are in Å.

        >>> plan = LatentSettings(epochs=10).stages(diameter=216.0, nyquist=6.0)
        >>> [(stage.epochs, round(stage.resolution or 0)) for stage in plan]
        [(2, 48), (2, 24), (3, 12), (3, 0)]
        """
        rates = {"network": self.learning_rate}
        if self.encoder == "none" and self.latent_dim:
            rates["latents"] = self.latent_learning_rate
        stages = []
        done = 0
        for name, share, resolution in self._limits(diameter, nyquist, seen or diameter):
            end = self.epochs if name == "fine" else min(round(share * self.epochs), self.epochs - 1)
            cuts = {done, end, min(max(self.pose_start, done), end)} if self.refine_poses else {done, end}
            for start, stop in pairwise(sorted(cuts)):
                moving = self.refine_poses and start >= self.pose_start
                rate = {**rates, "poses": self.pose_learning_rate} if moving else rates
                stages.append(Stage(f"{name} poses" if moving else name, stop - start, resolution, rate))
            done = end
        return tuple(stages)

    def _limits(self, diameter: float, nyquist: float, seen: float) -> list[tuple[str, float, float | None]]:
        """Name, share of the epochs at the end, and resolution of each stage without poses."""
        limits = (diameter / 4.5, diameter / 9, (max(diameter / 9, nyquist) * nyquist) ** 0.5)
        rise = [
            (name, share, min(limit, seen) if min(limit, seen) > nyquist else None)
            for name, share, limit in zip(("coarse", "low", "middle"), (0.2, 0.4, 0.7), limits, strict=True)
        ]
        rise = rise[self.encoder != "object" :] if self.coarse_to_fine else []
        return [*rise, ("fine", 1.0, None)]
