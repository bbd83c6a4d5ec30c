"""Writing a reconstruction under RELION's file names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.data.mrc import write_map
from trimorph.reconstruction.figure import draw_fsc, draw_map
from trimorph.reconstruction.fsc import ShellCorrelation
from trimorph.reconstruction.postprocess import postprocess

if TYPE_CHECKING:
    from trimorph.reconstruction.reconstruct import Reconstruction

MAPS = {
    "half1": "run_half1_class001_unfil.mrc",
    "half2": "run_half2_class001_unfil.mrc",
    "map": "run_class001.mrc",
    "mask": "mask.mrc",
}
OTHERS = ("postprocess.mrc", "postprocess.star", "fsc.csv", "fsc.png", "map.png")


def write_reconstruction(
    result: Reconstruction,
    folder: Path,
    *,
    b_factor: float = 0.0,
    low_pass: float | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write maps, half maps, mask, FSC curves (star, csv, PNG) and a picture into a folder.

    run_class001.mrc is the Wiener map; postprocess.mrc the mean of the half maps with FSC weighting,
    ``b_factor`` (Å^2; below zero sharpens) and a low-pass at ``low_pass`` Å, by default at the resolution.

    Errors: FileExistsError, before anything is written, where a file is there and ``overwrite`` is false.
    """
    refuse_existing(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    curves, pixel_size = result.curves, result.pixel_size
    written = []
    for name, file in MAPS.items():
        density = getattr(result, name)
        if density is not None:
            write_map(folder / file, density, pixel_size, overwrite=overwrite)
            written.append(folder / file)
    limit = result.resolution if low_pass is None else low_pass
    sharpened = postprocess(
        result.half1,
        result.half2,
        pixel_size=pixel_size,
        fsc=curves.best,
        b_factor=b_factor,
        low_pass=limit if np.isfinite(limit) else None,
    )
    paths = [folder / name for name in OTHERS]
    write_map(paths[0], sharpened, pixel_size, overwrite=overwrite)
    _write_star(paths[1], curves, b_factor=b_factor, overwrite=overwrite)
    write_csv(paths[2], curves, overwrite=overwrite)
    draw_fsc(
        paths[3], curves, title=f"half maps, {int((result.half > 0).sum())} particles", overwrite=overwrite
    )
    draw_map(paths[4], result.map, pixel_size=pixel_size, overwrite=overwrite)
    return written + paths


def refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Raise where a reconstruction lies in the folder already, or the folder is a file."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: found a file; wanted a folder for the maps. Choose another name.")
    there = [name for name in (*MAPS.values(), *OTHERS) if (folder / name).exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{folder}: found {there[0]} there already ({len(there)} such files) and left all as it was. "
            "Choose another folder, or pass --overwrite."
        )


def write_csv(path: Path, curves: ShellCorrelation, *, overwrite: bool = False) -> None:
    """Write the curves as comma-separated values, one row a shell; a curve that was not made is left out."""
    names = ["unmasked", "masked", "randomised", "corrected"]
    columns = {name: getattr(curves, name) for name in names if getattr(curves, name) is not None}
    lines = [",".join(["shell", "frequency", "resolution", *columns])]
    for shell, frequency in enumerate(curves.frequency):
        resolution = f"{1 / frequency:.4f}" if shell else "inf"
        values = [f"{column[shell]:.6f}" for column in columns.values()]
        lines.append(",".join([str(shell), f"{frequency:.6f}", resolution, *values]))
    _write_text(path, "\n".join(lines) + "\n", overwrite)


def _write_star(path: Path, curves: ShellCorrelation, *, b_factor: float, overwrite: bool) -> None:
    """Write the curves as RELION's postprocess.star does."""
    general = {
        "rlnFinalResolution": f"{curves.resolution():.6f}",
        "rlnBfactorUsedForSharpening": f"{b_factor:.6f}",
        "rlnUnfilteredMapHalf1": MAPS["half1"],
        "rlnUnfilteredMapHalf2": MAPS["half2"],
    }
    if curves.corrected is not None:
        general |= {
            "rlnMaskName": MAPS["mask"],
            "rlnRandomiseFrom": f"{curves.box * curves.pixel_size / curves.randomised_from:.6f}",
        }
    columns = {
        "rlnSpectralIndex": [str(shell) for shell in range(len(curves.unmasked))],
        "rlnResolution": [f"{value:.6f}" for value in curves.frequency],
        "rlnAngstromResolution": ["999.000000", *(f"{1 / value:.6f}" for value in curves.frequency[1:])],
        "rlnFourierShellCorrelationCorrected": _column(curves.best),
        "rlnFourierShellCorrelationUnmaskedMaps": _column(curves.unmasked),
    }
    if curves.masked is not None and curves.randomised is not None:
        columns |= {
            "rlnFourierShellCorrelationMaskedMaps": _column(curves.masked),
            "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps": _column(curves.randomised),
        }
    lines = ["", "data_general", "", *(f"_{name} {value}" for name, value in general.items())]
    lines += ["", "data_fsc", "", "loop_", *(f"_{name} #{i}" for i, name in enumerate(columns, 1))]
    lines += [" ".join(row) for row in zip(*columns.values(), strict=True)]
    _write_text(path, "\n".join(lines) + "\n", overwrite)


def _column(curve: np.ndarray) -> list[str]:
    return [f"{value:.6f}" for value in curve]


def _write_text(path: Path, text: str, overwrite: bool) -> None:
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
