"""trimorph info: what a particle file holds."""

from __future__ import annotations

from dataclasses import MISSING, fields
from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.data.open import ParticleInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from trimorph.data.info import ParticleInfo, Spread

_BARS = "▁▂▃▄▅▆▇█"


def command(
    particles: Annotated[ParticleInput, tyro.conf.arg(name=""), tyro.conf.PositionalRequiredArgs],
    *,
    figure: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Say what a particle file holds, whether it fits its images, and what it lacks for which method.

    trimorph info particles.star

    trimorph info particles.star --stack binned.mrcs --source-pixel-size 14.56 --figure info.png

    Args:
        particles: Which particles, and at what size.
        figure: Draw defocus, view directions, shifts, spectrum and images to this file (.png, .pdf, .svg).
        overwrite: Replace the figure if it is there.
    """
    from rich.console import Console

    from trimorph.data.info import describe
    from trimorph.methods.registry import method_names

    info = describe(particles, figure=figure, overwrite=overwrite)
    console = Console(highlight=False)
    console.print(_facts(info))
    if len(info.optics) > 1:
        console.print(_optics(info))
    for remark in info.remarks:
        console.print(f"[yellow]note[/yellow] {_plain(remark)}", soft_wrap=True)
    for method in method_names():
        missing = [*info.missing, *_own_needs(method)]
        state = f"[yellow]needs[/yellow] {', '.join(missing)}" if missing else "[green]ready[/green]"
        console.print(f"{method:<10} {state}", soft_wrap=True)
    if figure is not None:
        console.print(_plain(str(figure)), soft_wrap=True)


def _own_needs(method: str) -> list[str]:
    """Flags of `trimorph train METHOD` that have no default, so that the method cannot do without them."""
    from trimorph.methods.registry import get_method

    return [
        f"--{field.name.replace('_', '-')}"
        for field in fields(get_method(method).Settings)
        if field.default is MISSING and field.default_factory is MISSING
    ]


def _facts(info: ParticleInfo) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in (
        ("file", _plain(str(info.source))),
        ("particles", _counts(info)),
        ("images", _sizes(info)),
        ("optics", _beam(info)),
        ("defocus", _spread(info.defocus, 1e-4, "µm", "none in the file")),
        ("astigmatism", _spread(info.astigmatism, 1e-4, "µm", "none in the file")),
        ("phase shift", _phase(info)),
        ("tilt", _tilt(info)),
        ("coverage", _coverage(info)),
        ("shifts", _spread(info.shift, 1.0, "Å", "none in the file")),
        (
            "half sets",
            "none in the file" if info.half_sets is None else "{:,} and {:,}".format(*info.half_sets),
        ),
        ("contrast", _contrast(info)),
    ):
        table.add_row(name, text)
    return table


def _optics(info: ParticleInfo) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("group", "particles", "box", "Å/pixel", "kV", "Cs (mm)", "amplitude"):
        table.add_column(name, justify="right")
    for group in info.optics:
        beam = (group.voltage, group.spherical_aberration, group.amplitude_contrast)
        numbers = ["-" if value is None else f"{value:g}" for value in beam]
        table.add_row(
            str(group.number), f"{group.particles:,}", str(group.box), f"{group.pixel_size:.4g}", *numbers
        )
    return table


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
    if info.optics[0].voltage is None:
        return "none in the file"
    beams = {(one.voltage, one.spherical_aberration, one.amplitude_contrast) for one in info.optics}
    text = "; ".join(f"{kv:g} kV, Cs {cs:g} mm, amplitude contrast {w:g}" for kv, cs, w in sorted(beams))
    count = len(info.optics)
    return f"{count} group{'s' if count > 1 else ''}: {text}"


def _spread(spread: Spread | None, scale: float, unit: str, absent: str) -> str:
    if spread is None:
        return absent
    low, median, high = (f"{value * scale:.3g}" for value in (spread.low, spread.median, spread.high))
    if low == high:
        return f"{low} {unit} in all"
    return f"{low} {_sparkline(spread.counts)} {high} {unit}, median {median}"


def _phase(info: ParticleInfo) -> str:
    return _spread(info.phase_shift, degrees(1), "degrees", "none in the file")


def _tilt(info: ParticleInfo) -> str:
    if info.orientations is None:
        return "no poses in the file"
    return f"0 {_sparkline(info.orientations.tilt)} 180 degrees"


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


def _sparkline(counts: Iterable[int]) -> str:
    """A histogram as one line of text.

    >>> _sparkline([0, 1, 2, 4, 8])
    '▁▂▃▅█'
    """
    values = [float(count) for count in counts]
    top = max(values) or 1.0
    return "".join(_BARS[round(value / top * (len(_BARS) - 1))] for value in values)


def _plain(text: str) -> str:
    """Text with nothing in it that rich would take for markup."""
    from rich.markup import escape

    return escape(text)
