"""Facts of a particle file as people read them, for the terminal and for reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import degrees

from trimorph.data.info import ParticleInfo, Spread

Shape = Callable[[Iterable[int]], str]
"""A histogram's counts as one line of text."""

ABSENT = "none in the file"


def info_facts(info: ParticleInfo, *, shape: Shape | None = None) -> list[tuple[str, str]]:
    """Names and values; what the file does not say is said to be missing.

    ``shape`` draws a histogram between the ends of what is spread, where that can be shown.
    """
    facts = [
        ("file", str(info.source)),
        ("particles", _counts(info)),
        ("images", _sizes(info)),
        ("optics", _beam(info)),
        ("defocus", _spread(info.defocus, 1e-4, "µm", shape)),
        ("astigmatism", _spread(info.astigmatism, 1e-4, "µm", shape)),
        ("phase shift", _spread(info.phase_shift, degrees(1), "degrees", shape)),
        ("coverage", _coverage(info)),
        ("shifts", _spread(info.shift, 1.0, "Å", shape)),
        ("half sets", ABSENT if info.half_sets is None else "{:,} and {:,}".format(*info.half_sets)),
        ("contrast", _contrast(info)),
    ]
    if shape is not None and info.orientations is not None:
        facts.insert(7, ("tilt", f"0 {shape(info.orientations.tilt)} 180 degrees"))
    return facts


def _counts(info: ParticleInfo) -> str:
    micrographs = "" if info.micrographs is None else f", {info.micrographs:,} micrographs"
    return f"{info.particles:,} in {info.stacks:,} stack{'s' if info.stacks > 1 else ''}{micrographs}"


def _sizes(info: ParticleInfo) -> str:
    stored = sorted({(group.box, group.pixel_size) for group in info.optics})
    text = "; ".join(
        f"{box} px of {size:.4g} Å (box of {box * size:.4g} Å, Nyquist {2 * size:.4g} Å)"
        for box, size in stored
    )
    if info.box is not None and info.pixel_size is not None and stored != [(info.box, info.pixel_size)]:
        text += f", used at {info.box} px of {info.pixel_size:.4g} Å"
    return text


def _beam(info: ParticleInfo) -> str:
    beams = {(one.voltage, one.spherical_aberration, one.amplitude_contrast) for one in info.optics}
    known = sorted((kv, cs, w) for kv, cs, w in beams if kv is not None and cs is not None and w is not None)
    if not known:
        return ABSENT
    count = len(info.optics)
    text = "; ".join(f"{kv:g} kV, Cs {cs:g} mm, amplitude contrast {w:g}" for kv, cs, w in known)
    return f"{count} group{'s' if count > 1 else ''}: {text}"


def _spread(spread: Spread | None, scale: float, unit: str, shape: Shape | None) -> str:
    if spread is None:
        return ABSENT
    low, median, high = (f"{value * scale + 0.0:.3g}" for value in (spread.low, spread.median, spread.high))
    if low == high:
        return f"{low} {unit} in all"
    return f"{low} {'to' if shape is None else shape(spread.counts)} {high} {unit}, median {median}"


def _coverage(info: ParticleInfo) -> str:
    if info.orientations is None:
        return "no poses in the file"
    coverage = info.orientations
    unseen = 100 * coverage.unseen
    return f"compensation {coverage.compensation:.2f} (even: 1), {unseen:.0f} % of Fourier directions unseen"


def _contrast(info: ParticleInfo) -> str:
    if info.sign is None:
        return "not checked: no usable images at hand"
    verdict = {"bright": "protein is bright", "dark": "protein is DARK", "unclear": "unclear"}
    sign = info.sign
    return f"{verdict[sign.verdict]} ({sign.score:+.1f} standard errors, {sign.images} images)"
