"""trimorph info: what a particle file holds."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.data.open import ParticleInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from trimorph.data.info import ParticleInfo

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

    from trimorph.data.info_facts import info_facts

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in info_facts(info, shape=_sparkline):
        table.add_row(name, _plain(text))
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
