"""What the particles of an analysis are: optics, defocus, views, noise, half sets, as facts and a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trimorph.core.errors import InputError
from trimorph.data.info import ParticleInfo, describe
from trimorph.data.info_facts import info_facts
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
    if summary.info is None:
        return []
    return [*info_facts(summary.info), ("signal to noise", _ratio(summary.signal_to_noise))]


def _ratio(value: float | None) -> str:
    if value is None:
        return "not measured: no images at hand"
    return f"{value:.2g} in power, over the whole image" if value > 0 else "signal below what can be measured"
