"""FSC curves as text."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from trimorph.reconstruction.fsc import ShellCorrelation

ROWS = 20


def resolutions(curves: ShellCorrelation) -> str:
    """One line: where the quoted curve first falls below 0.143 and 0.5."""
    kind = "unmasked" if curves.corrected is None else "in the mask, corrected"
    values = ", ".join(f"{_angstrom(curves, limit)} at {limit:g}" for limit in (0.143, 0.5))
    return f"resolution ({kind}): {values}"


def curve_table(curves: ShellCorrelation) -> Table:
    """At most 20 shells of the curves, evenly spaced."""
    from rich.table import Table

    named = {name: getattr(curves, name) for name in ("unmasked", "masked", "randomised", "corrected")}
    there = {name: curve for name, curve in named.items() if curve is not None}
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("shell", "1/Å", "Å", *there):
        table.add_column(name, justify="right")
    step = max(1, -(-(len(curves.unmasked) - 1) // ROWS))
    for shell in range(step, len(curves.unmasked), step):
        frequency = float(curves.frequency[shell])
        values = [f"{float(curve[shell]):.3f}" for curve in there.values()]
        table.add_row(str(shell), f"{frequency:.4f}", f"{1 / frequency:.2f}", *values)
    return table


def _angstrom(curves: ShellCorrelation, threshold: float) -> str:
    value = curves.resolution(threshold)
    if not isfinite(value):
        return "none (it starts below)"
    nyquist = 2 * curves.pixel_size
    return f"{value:.2f} Å" if value > nyquist * 1.0001 else f"Nyquist ({nyquist:.2f} Å)"
