"""Modes as tables (csv, json), and as ChimeraX scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from numpy import ndarray

from trimorph.data.atomic import atomic_path

if TYPE_CHECKING:
    from trimorph.run.modes import Modes


def mode_rows(modes: Modes) -> list[dict[str, Any]]:
    """One row a mode that is kept."""
    return [
        {
            "mode": number + 1,
            "variance": float(modes.variance[number]),
            "share": float(modes.share[number]),
            "share_of_mean": float(modes.share_of_mean[number]),
            "gain": float(modes.gain[number]),
            "gain_error": float(modes.gain_error[number]),
            "half_set_cosine": float(modes.cosine[number]),
            "real": bool(modes.real[number]),
        }
        for number in range(len(modes))
    ]


def write_modes_csv(path: Path, modes: Modes) -> None:
    """Write the rows as comma-separated values."""
    rows = mode_rows(modes)
    lines = [",".join(rows[0]), *(",".join(_plain(value) for value in row.values()) for row in rows)]
    _write(path, "\n".join(lines) + "\n")


def write_modes_json(path: Path, modes: Modes, *, at: Float[ndarray, " s"]) -> None:
    """Write the rows with the verdict, the resolution in Å and where the maps along the modes lie."""
    whole = {
        "verdict": modes.verdict,
        "kept": len(modes),
        "real": int(modes.real.sum()),
        "resolution": modes.resolution,
        "share_of_mean": float(modes.share_of_mean.sum()),
        "steps": [float(place) for place in at],
        "modes": mode_rows(modes),
    }
    _write(path, json.dumps(whole, indent=2) + "\n")


def write_modes_scripts(folder: Path, *, level: list[float], along: int, steps: int) -> None:
    """Write modes.cxc, the mean with what each mode adds (blue) and takes (red), and a series a mode."""
    names = [f"mode_{number:02d}" for number in range(1, len(level) + 1)]
    lines = [
        f"open mean.mrc {' '.join(f'{name}.mrc' for name in names)}",
        "volume #1 sdLevel 4 step 1 color #b0b0b0 transparency 0.6",
    ]
    for number, height in enumerate(level, start=2):
        lines.append(
            f"volume #{number} step 1 level {-height:.6g} color #c44e3b level {height:.6g} color #1b4f9c"
        )
    if len(names) > 1:
        lines.append(f"hide #3-{len(names) + 1} models")
    _write(folder / "modes.cxc", "\n".join(lines) + "\n")
    for name in names[:along]:
        maps = " ".join(f"{name}_step_{step}.mrc" for step in range(1, steps + 1))
        lines = [
            f"open {maps} vseries true",
            "volume #1 sdLevel 4 step 1",
            "vseries play #1 loop true direction oscillate",
        ]
        _write(folder / f"{name}.cxc", "\n".join(lines) + "\n")


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower()


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
