"""What is to be said of a segment: whether the density follows its motion."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Literal

from trimorph.run.bias_follow import Followed

Word = Literal["density follows", "density follows in part", "density stays: bias", "too weak to say"]

HALF, SURE, SOME = 0.5, 3.0, 0.2
"""Share of a change from which density follows it; standard errors by which it must exceed nothing; share
from which what is less than half counts as a part."""

LEAST_MOTION = 0.5
"""Root mean square motion in Å between the ends below which nothing is asked of a segment."""


@dataclass(frozen=True)
class SegmentVerdict:
    """What was found of a segment between the two ends of a walk through the latents.

    ``motion`` is the root mean square displacement of its residues in Å. ``decoder`` is what a density that
    was trained on the latents makes of its change, ``particles`` what the particles at both ends do; each
    also in what the encoder has not seen, where there is such. Correlations are means over its residues and
    both ends.
    """

    name: str
    motion: float
    decoder: Followed
    particles: Followed
    moved_correlation: float
    unmoved_correlation: float
    decoder_unseen: Followed | None = None
    particles_unseen: Followed | None = None

    @property
    def followed(self) -> Followed:
        """The number that decides: the surer of the two, or the particles' where the decoder lags behind.

        A decoder that has not been trained for long makes less of a change than the particles do.

        >>> def decided(one: Followed, two: Followed) -> float:
        ...     return SegmentVerdict("A", 5.0, one, two, 0.9, 0.6).followed.share
        >>> decided(Followed(0.5, 0.05), Followed(1.0, 0.1)), decided(Followed(0.9, 0.05), Followed(1.0, 0.1))
        (1.0, 0.9)
        """
        return _surer(self.decoder, self.particles)

    @property
    def unseen(self) -> Followed | None:
        """The same in the frequencies that the encoder has not seen."""
        if self.decoder_unseen is None or self.particles_unseen is None:
            return None
        return _surer(self.decoder_unseen, self.particles_unseen)

    @property
    def picked(self) -> bool:
        """Whether less than half is followed in what the encoder has not seen, as of noise that it picked."""
        unseen = self.unseen
        return unseen is not None and unseen.share + 2 * unseen.error < HALF

    @property
    def word(self) -> Word:
        """The verdict; that density stays, or follows in part, only where decoder and particles agree.

        >>> def said(share: float, error: float, motion: float = 5.0) -> str:
        ...     return SegmentVerdict("A", motion, *[Followed(share, error)] * 2, 0.9, 0.6).word
        >>> said(0.9, 0.1), said(0.02, 0.1), said(0.4, 0.04)
        ('density follows', 'density stays: bias', 'density follows in part')
        >>> said(0.9, 0.4), said(0.3, 0.2), said(0.9, 0.1, motion=0.1)
        ('too weak to say', 'too weak to say', 'too weak to say')
        >>> SegmentVerdict("A", 5.0, Followed(0.1, 0.05), Followed(0.5, 0.2), 0.9, 0.6).word
        'too weak to say'
        >>> one, none = Followed(1.0, 0.1), Followed(0.1, 0.1)
        >>> SegmentVerdict("A", 5.0, one, one, 0.9, 0.6, none, none).word
        'too weak to say'
        """
        share, error = self.followed.share, self.followed.error
        if self.motion < LEAST_MOTION:
            return "too weak to say"
        if share >= HALF and share >= SURE * error:
            return "too weak to say" if self.picked else "density follows"
        if max(one.share + 2 * one.error for one in (self.decoder, self.particles)) >= HALF:
            return "too weak to say"
        return "density follows in part" if share >= max(SURE * error, SOME) else "density stays: bias"

    @property
    def line(self) -> str:
        """The verdict and its numbers in a sentence."""
        if self.motion < LEAST_MOTION:
            return f"{self.name}: {self.word}, as it moves by {self.motion:.1f} Å rms between the ends"
        said = (
            f"{self.name}: {self.word}. Of its change ({self.motion:.1f} Å rms between the ends) the "
            f"particles at both ends make {said_share(self.particles)}, the density that was trained on the "
            f"latents {said_share(self.decoder)}; this correlates by {self.moved_correlation:.2f} with the "
            f"moved structure around its residues, by {self.unmoved_correlation:.2f} with the unmoved one"
        )
        if self.unseen is not None:
            said += f"; {said_share(self.unseen)} in what the encoder has not seen"
        if self.picked:
            said += ", so that what follows may be noise that it picked"
        if _lags(self.decoder, self.particles):
            said += ". The trained density lags behind: more --epochs would help"
        return said

    def row(self) -> dict[str, object]:
        """A row of segments.csv."""
        shares = {
            "particles": self.particles,
            "decoder": self.decoder,
            "particles_unseen": self.particles_unseen,
            "decoder_unseen": self.decoder_unseen,
        }
        nothing = Followed(float("nan"), float("nan"))
        columns: dict[str, object] = {"residues": self.name, "verdict": self.word, "motion": self.motion}
        for name, found in shares.items():
            columns[f"followed_{name}"] = (found or nothing).share
            columns[f"error_{name}"] = (found or nothing).error
        columns["moved_correlation"] = self.moved_correlation
        columns["unmoved_correlation"] = self.unmoved_correlation
        return columns


def _surer(decoder: Followed, particles: Followed) -> Followed:
    if _lags(decoder, particles):
        return particles
    return decoder if decoder.error <= particles.error else particles


def _lags(decoder: Followed, particles: Followed) -> bool:
    """Whether the decoder makes less of a change than the particles do, by more than both errors."""
    return particles.share - decoder.share > 2 * hypot(decoder.error, particles.error)


def said_share(found: Followed) -> str:
    """A share and its error in per cent.

    >>> said_share(Followed(0.873, 0.021))
    '87 ± 2 %'
    """
    return f"{100 * found.share:.0f} ± {100 * found.error:.0f} %"
