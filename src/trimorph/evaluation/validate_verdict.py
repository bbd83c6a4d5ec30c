"""Verdicts: which modes are in the images, how much of a change they are, and what is to be said of it.

Letters: n particles, k modes, d latent components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimorph.evaluation.nulls import Null, NullDraws, holm, mode_p
from trimorph.evaluation.power import Power
from trimorph.evaluation.validate_cross import Crossed
from trimorph.evaluation.validate_seeds import SeedPair, seed_line
from trimorph.evaluation.validate_test import PairTest
from trimorph.run.components import principal_components

Source = Literal["linear", "run"]


@dataclass(frozen=True)
class ModeVerdict:
    """One mode of half set 1, tested on the images of half set 2, with its like of 2 tested on those of 1.

    ``source`` says whose mode it is: of the linear test, or of the run's own method trained on the half set.
    ``p`` is the larger one of ``p_redrawn`` and ``p_shuffled``, ``p_holm`` that after Holm. ``z`` is the
    smaller one of both sides. ``correlation`` is that between two halves of the pixels of an image, 0 for
    noise; ``variance`` that of density along the mode, ``share_of_mean`` that over the power of the mean map;
    ``agreement`` the cosine of the mode with the space of the other half set's. ``component`` is the
    principal component of the run's latents, from 1, that goes with it most, by ``component_correlation``.
    ``displacement`` in Å is that of density between the tenths of particles at both ends, where the model
    has parts that move (else NaN).
    """

    source: Source
    number: int
    real: bool
    p: float
    p_holm: float
    p_redrawn: float
    p_shuffled: float
    z: float
    correlation: float
    variance: float
    share_of_mean: float
    agreement: float
    component: int
    component_correlation: float
    displacement: float

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{'linear mode' if self.source == 'linear' else 'mode of the run'} {self.number}"

    def row(self) -> dict[str, Any]:
        """A row of modes.csv."""
        return {"mode": self.name, **{name: value for name, value in vars(self).items() if name != "source"}}


def judge(
    tests: dict[Source, PairTest],
    null: Null,
    *,
    level: float,
    latents: Float[ndarray, "n d"],
    displacement: Float[ndarray, " k"] | None,
) -> tuple[ModeVerdict, ...]:
    """One verdict for each mode; all of them together are corrected for their number."""
    values = {source: mode_p(test, null) for source, test in tests.items()}
    corrected = holm(np.concatenate([np.maximum(*both) for both in values.values()]))
    found: list[ModeVerdict] = []
    for source, test in tests.items():
        first, second = test.sides
        power = float(test.mean.double().square().sum())
        redrawn, shuffled = values[source]
        for k in range(len(first.z)):
            like = int(first.alike[k])
            p_holm = float(corrected[len(found)])
            component, correlation = _component(test, k, latents)
            variance = 0.5 * float(first.variance[k] + second.variance[like])
            moved = displacement[k] if source == "run" and displacement is not None else np.nan
            found.append(
                ModeVerdict(
                    source=source,
                    number=k + 1,
                    real=p_holm < level,
                    p=float(max(redrawn[k], shuffled[k])),
                    p_holm=p_holm,
                    p_redrawn=float(redrawn[k]),
                    p_shuffled=float(shuffled[k]),
                    z=float(min(first.z[k], second.z[like])),
                    correlation=0.5 * float(first.correlation[k] + second.correlation[like]),
                    variance=variance,
                    share_of_mean=variance / power,
                    agreement=float(first.inside[k]),
                    component=component,
                    component_correlation=correlation,
                    displacement=float(moved),
                )
            )
    return tuple(found)


def _component(test: PairTest, k: int, latents: Float[ndarray, "n d"]) -> tuple[int, float]:
    """The principal component of the run's latents that goes most with a mode, and their correlation."""
    side = test.sides[0]
    place = (latents - latents.mean(0)) @ principal_components(latents).T
    score = side.scores.first[:, k] + side.scores.second[:, k]
    own = place[side.rows]
    spread = own.std(0) * score.std()
    found = ((own - own.mean(0)) * (score - score.mean())[:, None]).mean(0) / np.maximum(spread, 1e-12)
    best = int(np.abs(found).argmax())
    return best + 1, float(abs(found[best]))


def say(
    verdicts: tuple[ModeVerdict, ...],
    draws: NullDraws,
    *,
    null: Null,
    level: float,
    shuffles: int,
    crossed: tuple[Crossed, Crossed] | None,
    seeds: tuple[SeedPair, ...],
    power: Power | None,
) -> tuple[str, ...]:
    """All that was found, in words; the verdict first."""
    lines = [_headline(verdicts, level)]
    lines += [_mode_line(mode) for mode in verdicts if mode.real]
    alarms = sum(bool((holm(null.p(test.sides[0].z)) < level).any()) for test in draws.linear)
    tail = null_tail(null, modes=len(verdicts), level=level)
    mean, deviation = float(null.z.mean()), float(null.z.std(ddof=1))
    lines.append(
        f"null: of {len(draws.linear)} redrawn data sets in which nothing differs, {alarms} would be called "
        f"heterogeneous by them alone; their z has the mean {mean:.2f} and the deviation {deviation:.2f} "
        f"({len(null.z)} values), and p against them is {tail}. {shuffles} shuffles within bins of views "
        f"give no p below {1 / (shuffles + 1):.2g}"
    )
    if crossed is not None:
        lines += [_cross_line(one, side) for side, one in enumerate(crossed, start=1)]
    if seeds:
        lines.append(seed_line(seeds))
    if power is not None:
        lines.append(power_line(power, level))
    return tuple(lines)


def null_tail(null: Null, *, modes: int, level: float) -> str:
    """Where p against redrawn images comes from, and whether any of so many modes could pass with it."""
    if null.parametric:
        return "Student's t of their mean and deviation"
    least = 1 / (len(null.z) + 1)
    said = f"counted, as they are not normal (p {null.normal:.2g}): none is below {least:.2g}"
    if least * modes >= level:
        said += f", with which none of {modes} modes can be real; ask for more --nulls"
    return said


def _headline(verdicts: tuple[ModeVerdict, ...], level: float) -> str:
    parts = []
    for source, name in (("linear", "linear modes"), ("run", "modes of the run")):
        own = [mode for mode in verdicts if mode.source == source]
        if own:
            parts.append(f"{sum(mode.real for mode in own)} of {len(own)} {name}")
    found = "heterogeneous" if any(mode.real for mode in verdicts) else "no heterogeneity found"
    return f"{found}: {' and '.join(parts)} are in the images (p below {level:g} after Holm)"


def _mode_line(mode: ModeVerdict) -> str:
    moved = "" if np.isnan(mode.displacement) else f", moves density by {mode.displacement:.1f} Å rms"
    return (
        f"{mode.name}: real, p {_p(mode.p_redrawn)} against redrawn images, {_p(mode.p_shuffled)} "
        f"against shuffled ones, {_p(mode.p_holm)} after Holm. Both halves of an image's pixels agree on "
        f"it to a correlation of {mode.correlation:.2f}; it makes {100 * mode.share_of_mean:.2g} % of the "
        f"mean's power{moved}; component {mode.component} of the run's latents goes with it (|r| "
        f"{mode.component_correlation:.2f})"
    )


def _cross_line(found: Crossed, side: int) -> str:
    states = ", ".join(f"{state.difference:.2f}" for state in found.states)
    maps = (
        f". FSC of how its maps of {len(found.states)} states differ, with the other model's: {states}"
        if states
        else ""
    )
    return (
        f"model of half set {side} on the other: {found.gain:+.2f} +- {found.gain_error:.2f} nats an image "
        f"more than the mean map ({found.shuffled:+.2f} with latents of others of the same view, "
        f"{found.redrawn:+.2f} +- {found.redrawn_error:.2f} where nothing differs; p {_p(found.p)}). Both "
        f"models' latents correlate to {found.link:.2f} ({found.redrawn_link:.2f} there){maps}"
    )


def power_line(power: Power, level: float) -> str:
    """What could have been seen."""
    region, share = power.region, f"{100 * power.moved:.0f} % of the particles"
    x, y, z = region.centre
    what = f"{region.source}, {100 * region.share:.0f} % of the density about ({x:.0f}, {y:.0f}, {z:.0f}) Å"
    if power.detectable is None:
        most = max(rung.shift for rung in power.rungs)
        said = f"a shift of {most:g} Å in {share} is not detectable"
    elif power.hidden is None or power.hidden > power.detectable:
        said = f"a shift of {power.detectable:g} Å in {share} is detectable"
    else:
        said = f"a shift of {power.detectable:g} Å in {share} is detectable, one of {power.hidden:g} Å is not"
    said = f"power: with these particles, poses, CTFs and noise, {said} (p below {level:g})"
    return f"{said}. It was tried on {what}"


def _p(value: float) -> str:
    """A probability as text.

    >>> _p(1e-30), _p(0.0123), _p(3e-5)
    ('below 1e-12', '0.012', '3e-05')
    """
    return "below 1e-12" if value < 1e-12 else f"{value:.2g}"
