"""What a validation leaves: verdict.json, tables, sentences, maps of the real modes, and the picture."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trimorph.core.voxel_grid import resample
from trimorph.data.atomic import atomic_path
from trimorph.data.mrc import write_map
from trimorph.evaluation.validate_figure import draw_validation
from trimorph.evaluation.validate_images import SeenImages
from trimorph.run.plain_table import write_lines, write_table

if TYPE_CHECKING:
    from trimorph.evaluation.validate import Validation
    from trimorph.evaluation.validate_cross import Crossed
    from trimorph.evaluation.validate_settings import ValidationSettings


def write_validation(
    folder: Path, found: Validation, settings: ValidationSettings, images: SeenImages, *, box: int
) -> None:
    """Write all of it to a folder; maps have ``box`` voxels a side, in the images' extent."""
    write_lines(folder / "validation.txt", found.lines)
    write_table(folder / "modes.csv", [mode.row() for mode in found.modes])
    write_table(folder / "nulls.csv", _null_rows(found))
    if found.power is not None:
        write_table(folder / "power.csv", [asdict(rung) for rung in found.power.rungs])
    if found.crossed is not None:
        write_table(folder / "states.csv", _state_rows(found.crossed))
    if found.seeds:
        write_table(folder / "seeds.csv", [pair.row() for pair in found.seeds])
    _write_maps(folder, found, images, box=box)
    draw_validation(folder / "validation.png", found, level=settings.level)
    with atomic_path(folder / "verdict.json") as temporary:
        text = json.dumps(_plain(_verdict(found, settings, images)), indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


def _verdict(found: Validation, settings: ValidationSettings, images: SeenImages) -> dict[str, Any]:
    crossed = found.crossed
    power = found.power
    return {
        "heterogeneous": found.heterogeneous,
        "lines": list(found.lines),
        "modes": [mode.row() for mode in found.modes],
        "null": {
            "draws": len(found.draws.linear),
            "values": len(found.null.z),
            "mean": float(found.null.z.mean()),
            "deviation": float(found.null.z.std(ddof=1)),
            "normality_p": found.null.normal,
            "parametric": found.null.parametric,
        },
        "crossed": None if crossed is None else [_numbers(one) for one in crossed],
        "seeds": [pair.row() for pair in found.seeds],
        "power": None
        if power is None
        else {
            "detectable": power.detectable,
            "hidden": power.hidden,
            "moved": power.moved,
            "direction": power.direction,
            "region": {name: getattr(power.region, name) for name in ("centre", "share", "volume", "source")},
            "rungs": [asdict(rung) for rung in power.rungs],
        },
        "particles": len(images),
        "half_sets": np.bincount(images.half, minlength=2).tolist(),
        "resolution": images.disk.resolution,
        "settings": asdict(settings),
    }


def _numbers(crossed: Crossed) -> dict[str, Any]:
    left_out = ("latents", "states")
    numbers = {name: value for name, value in vars(crossed).items() if name not in left_out}
    return {**numbers, "states": [asdict(state) for state in crossed.states]}


def _plain(value: Any) -> Any:
    """The same without numbers that are not finite, which JSON does not know.

    >>> _plain({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _null_rows(found: Validation) -> list[dict[str, Any]]:
    return [
        {"draw": draw, "modes": source, "half_set": number, "mode": k + 1, "z": value}
        for source, tests in (("linear", found.draws.linear), ("run", found.draws.given))
        for draw, test in enumerate(tests, start=1)
        for number, side in enumerate(test.sides, start=1)
        for k, value in enumerate(side.z)
    ]


def _state_rows(crossed: tuple[Crossed, Crossed]) -> list[dict[str, Any]]:
    return [
        {"model_of_half_set": number, "state": k, **asdict(state)}
        for number, one in enumerate(crossed, start=1)
        for k, state in enumerate(one.states, start=1)
    ]


def _write_maps(folder: Path, found: Validation, images: SeenImages, *, box: int) -> None:
    """The change of density for one standard deviation of each real mode, and the region of the power."""
    size = images.box * images.pixel_size / box
    scale = size / images.pixel_size  # densities stand for sums over voxels of the images' own grid
    tests = {"linear": found.linear, "run": found.given}
    for mode in found.modes:
        test = tests[mode.source]
        if not mode.real or test is None:
            continue
        density = test.sides[0].modes[mode.number - 1] * max(mode.variance, 0.0) ** 0.5 * scale
        finer = resample(density.float(), images.pixel_size, box=box, pixel_size=size)
        write_map(folder / f"{mode.source}_mode_{mode.number}.mrc", finer.numpy(), size)
    if found.power is not None:
        mask = resample(
            found.power.region.mask.to(torch.float32), images.pixel_size, box=box, pixel_size=size
        )
        write_map(folder / "region.mrc", mask.clamp(0, 1).numpy(), size)
