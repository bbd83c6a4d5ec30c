"""What the particles of an analysis are: optics, defocus, views, noise, half sets, as facts and a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import degrees
from pathlib import Path

import numpy as np
import torch

from trimorph.analysis.report_numbers import angstrom, counted, percent
from trimorph.core.errors import InputError
from trimorph.data.info import ParticleInfo, Spread, describe
from trimorph.data.open import ParticleInput, open_particles, open_table
from trimorph.data.particles import ParticleStack
from trimorph.data.tables import ParticleTable

SAMPLE = 200
"""Images from which the signal is measured."""


@dataclass(frozen=True, eq=False)
class DataSummary:
    """What is known of the particles; ``info`` and ``table`` are None where they could not be read.

    ``picture`` is what :func:`trimorph.data.info.describe` draws. ``signal_to_noise`` is the ratio of powers
    over the whole image up to Nyquist, None where no images are at hand. ``problem`` says what went wrong.
    """

    info: ParticleInfo | None
    table: ParticleTable | None
    picture: Path | None = None
    signal_to_noise: float | None = None
    problem: str = ""


def summarise_data(particles: ParticleInput, picture: Path) -> DataSummary:
    """Read the particles again, describe them and draw them to ``picture`` (PNG), which is replaced.

    Files that are no longer there, or changed, are no error: the summary then says so.
    """
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        info = describe(particles, figure=picture, overwrite=True)
        table = open_table(particles, need_images=False, box=info.optics[0].box)
        ratio = (
            None if info.noise is None else signal_to_noise(open_particles(replace(particles, window=False)))
        )
    except (InputError, OSError) as error:
        return DataSummary(None, None, problem=str(error))
    return DataSummary(info, table, picture, ratio)


def signal_to_noise(stack: ParticleStack) -> float:
    """Power of the images over that of their noise, less one: over the whole box, up to Nyquist."""
    rows = np.unique(np.linspace(0, len(stack) - 1, SAMPLE).astype(np.int64))
    noise = stack.noise.at(stack.disk, torch.as_tensor(stack.table.group[rows]))
    weight = stack.disk.weight * (stack.disk.shell > 0)
    power = stack.transforms(rows).abs() ** 2
    return float((weight * power).sum() / (weight * noise).sum() - 1)


def data_facts(summary: DataSummary) -> list[tuple[str, str]]:
    """Names and values, as people read them; what the file does not say is said to be missing."""
    info = summary.info
    if info is None:
        return []
    rows = [
        ("file", str(info.source)),
        ("particles", _counts(info)),
        ("images", _sizes(info)),
        ("optics", _optics(info)),
        ("defocus", _spread(info.defocus, 1e-4, "µm")),
        ("astigmatism", _spread(info.astigmatism, 1e-4, "µm")),
        ("shifts", _spread(info.shift, 1.0, "Å")),
        ("views", _views(info)),
        ("half sets", _halves(info)),
        ("signal to noise", _ratio(summary.signal_to_noise)),
        ("contrast", _contrast(info)),
    ]
    if info.phase_shift is not None and info.phase_shift.high != 0:
        rows.insert(6, ("phase shift", _spread(info.phase_shift, degrees(1), "degrees")))
    return rows


def _counts(info: ParticleInfo) -> str:
    seen = "" if info.micrographs is None else f" from {counted(info.micrographs, 'micrograph')}"
    return f"{counted(info.particles)} in {counted(info.stacks, 'stack')}{seen}"


def _sizes(info: ParticleInfo) -> str:
    stored = sorted({(group.box, group.pixel_size) for group in info.optics})
    shown = "; ".join(
        f"{box} × {box} pixels of {angstrom(size)} (box {angstrom(box * size)}, Nyquist {angstrom(2 * size)})"
        for box, size in stored
    )
    if info.box is None or info.pixel_size is None or stored == [(info.box, info.pixel_size)]:
        return shown
    return f"{shown}, used at {info.box} × {info.box} of {angstrom(info.pixel_size)}"


def _optics(info: ParticleInfo) -> str:
    beams = {(one.voltage, one.spherical_aberration, one.amplitude_contrast) for one in info.optics}
    known = sorted((kv, cs, w) for kv, cs, w in beams if kv is not None and cs is not None and w is not None)
    if not known:
        return "the file says nothing of them"
    shown = "; ".join(f"{kv:g} kV, Cs {cs:g} mm, amplitude contrast {w:g}" for kv, cs, w in known)
    return f"{shown} ({counted(len(info.optics), 'optics group')})"


def _spread(spread: Spread | None, scale: float, unit: str) -> str:
    if spread is None:
        return "the file says nothing of it"
    low, median, high = (f"{value * scale + 0.0:.3g}" for value in (spread.low, spread.median, spread.high))
    return f"{low} {unit} in all" if low == high else f"{low} to {high} {unit}, median {median} {unit}"


def _views(info: ParticleInfo) -> str:
    if info.orientations is None:
        return "the file has no poses"
    return (
        f"sampling compensation {info.orientations.compensation:.2f} (1 is even); "
        f"{percent(info.orientations.unseen)} of the directions in Fourier space hardly seen"
    )


def _halves(info: ParticleInfo) -> str:
    if info.half_sets is None:
        return "none in the file; drawn at random where needed"
    return f"{counted(info.half_sets[0])} and {counted(info.half_sets[1])} particles, from the file"


def _ratio(value: float | None) -> str:
    if value is None:
        return "not measured: no images at hand"
    return f"{value:.2g} in power, over the whole image" if value > 0 else "signal below what can be measured"


def _contrast(info: ParticleInfo) -> str:
    if info.sign is None:
        return "not checked: no images at hand"
    words = {"bright": "protein is bright", "dark": "protein is DARK: wrong sign?", "unclear": "unclear"}
    return f"{words[info.sign.verdict]} ({info.sign.score:+.0f} standard errors)"
