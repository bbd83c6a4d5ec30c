"""Numbers as people read them, with their units."""

from __future__ import annotations

import math

from trimorph.analysis.report_html import SPACE, Cell, text

UNKNOWN = "–"
"""Where there is no number."""


def counted(number: int, thing: str = "", *, plural: str = "") -> str:
    r"""How many of something.

    >>> counted(5000, "particle"), counted(1, "state"), counted(2, "box", plural="boxes")
    ('5,000\xa0particles', '1\xa0state', '2\xa0boxes')
    """
    if not thing:
        return f"{number:,}"
    return f"{number:,}{SPACE}{thing if number == 1 else plural or thing + 's'}"


def percent(share: float) -> str:
    r"""A share in percent: two digits, and never 0 or 100 where it is not.

    >>> percent(0.1234), percent(0.0123), percent(0.9999), percent(0.0), percent(1e-5)
    ('12\xa0%', '1.2\xa0%', '>99.9\xa0%', '0\xa0%', '<0.1\xa0%')
    """
    value = 100 * share
    if 0 < value < 0.1:
        shown = "<0.1"
    elif 99.9 < value < 100:
        shown = ">99.9"
    else:
        shown = f"{value:.1f}" if 0 < value < 9.95 or 99.5 <= value < 100 else f"{value:.0f}"
    return f"{shown}{SPACE}%"


def angstrom(length: float | None) -> str:
    r"""A length, a resolution, a pixel size in Å.

    >>> angstrom(12.345), angstrom(float("inf")), angstrom(256.0), angstrom(None)
    ('12.3\xa0Å', 'none', '256\xa0Å', '–')
    """
    if length is None or math.isnan(length):
        return UNKNOWN
    if math.isinf(length):
        return "none"
    return f"{length:,.0f}{SPACE}Å" if abs(length) >= 1000 else f"{length:.3g}{SPACE}Å"


def resolved(length: float | None) -> str:
    r"""A resolution or a distance in Å, to a tenth.

    >>> resolved(8.783), resolved(12.0), resolved(float("inf")), resolved(None)
    ('8.8\xa0Å', '12.0\xa0Å', 'none', '–')
    """
    if length is None or not math.isfinite(length):
        return angstrom(length)
    return f"{length:.1f}{SPACE}Å"


def signed(number: float, digits: int = 6) -> str:
    """A number of so many digits with the sign for minus that people write.

    >>> signed(-0.5), signed(12.0), signed(-0.0)
    ('−0.5', '12', '0')
    """
    return f"{number + 0.0:.{digits}g}".replace("-", "−")


def duration(seconds: float) -> str:
    r"""How long something took.

    >>> duration(0.42), duration(42.4), duration(691.0), duration(7265.0)
    ('0.4\xa0s', '42\xa0s', '11\xa0min 31\xa0s', '2\xa0h 1\xa0min')
    """
    if seconds < 10:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min {whole % 60}{SPACE}s"
    return f"{whole // 3600}{SPACE}h {whole % 3600 // 60}{SPACE}min"


def size(number: int) -> str:
    r"""How large a file is.

    >>> size(512), size(1_500_000), size(20_480)
    ('512\xa0bytes', '1.5\xa0MB', '20\xa0kB')
    """
    if number < 1000:
        return f"{number}{SPACE}bytes"
    return f"{number / 1e3:.0f}{SPACE}kB" if number < 1e6 else f"{number / 1e6:.1f}{SPACE}MB"


def correlation(value: float | None) -> str:
    """A correlation to two digits.

    >>> correlation(0.987), correlation(-0.001), correlation(None)
    ('0.99', '0.00', '–')
    """
    return UNKNOWN if value is None or math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"


def number_cell(shown: str, value: float | int | None) -> Cell:
    """A cell of a table that is sorted by a number; what is unknown comes last."""
    known = value is not None and not math.isnan(value)
    return Cell(text(shown), float(value) if known and value is not None else math.inf)


def word_cell(words: object) -> Cell:
    """A cell of plain words."""
    return Cell(text(words))
