"""The folder of an evaluation: scores for machines and people, curves, particles, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from trimorph.data.atomic import atomic_path
from trimorph.evaluation.evaluate import Evaluation
from trimorph.evaluation.evaluation_figures import draw_evaluation
from trimorph.evaluation.evaluation_table import BLIND, CEILING, table_lines
from trimorph.evaluation.map_scores import Curves
from trimorph.evaluation.score_list import in_order, score_of
from trimorph.evaluation.scored import Scored
from trimorph.run.new_folder import new_folder
from trimorph.run.plain_table import write_lines, write_table

FORMAT = 1
"""Of scores.json."""


def write_evaluation(found: Evaluation, output: Path) -> None:
    """Write a new folder: scores.json, scores.csv, scores.txt, curves and particles as csv, pictures.

    Errors: FileExistsError for a folder in use.
    """
    with new_folder(output.absolute(), holds="evaluation") as folder:
        with atomic_path(folder / "scores.json") as temporary:
            text = json.dumps(as_json(found), indent=2, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        write_table(folder / "scores.csv", _rows(found))
        write_lines(folder / "scores.txt", table_lines(found))
        if any(each.images is not None for each in found.scored):
            write_table(folder / "fsc.csv", _curve_rows(found))
            write_table(folder / "images.csv", _image_rows(found))
        if any(each.states is not None for each in found.scored):
            write_table(folder / "states.csv", _state_rows(found))
        if any(each.structures is not None for each in found.scored):
            write_table(folder / "structures.csv", _structure_rows(found))
        draw_evaluation(found, folder)


def as_json(found: Evaluation) -> dict[str, Any]:
    """All scores with their definitions, and with the curves' means, as JSON takes them."""
    keys = in_order({key for each in found.scored for key in each.values})
    return {
        "format": FORMAT,
        "trimorph": version("trimorph"),
        "truth": str(found.truth_file),
        "images": len(found.truth),
        "states": len(found.truth.state_names),
        "quantity": found.truth.quantity,
        "definitions": {
            key: {"title": score_of(key).title, "unit": score_of(key).unit, "better": score_of(key).better,
                  "asks": score_of(key).line}
            for key in keys
        },
        "scored": [_scored_json(each) for each in found.scored],
        BLIND: _finite(found.blind),
        CEILING: _finite(found.ceiling),
        "notes": list(found.notes),
    }  # fmt: skip


def _scored_json(each: Scored) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": each.name,
        "source": str(each.candidate.embedding.source),
        "epoch": each.candidate.embedding.epoch,
        "particles": len(each.candidate.z),
        "scores": _finite(each.values),
        "standard_errors": _finite(each.errors),
        "notes": list(each.candidate.notes),
    }
    for name, curves in (
        ("images", each.images), ("states", each.states), ("state_means", each.state_means)
    ):  # fmt: skip
        if curves is not None:
            told[name] = _curves_json(curves)
    if each.latents.match is not None:
        told["confusion"] = each.latents.match.table.tolist()
    return told


def _curves_json(curves: Curves) -> dict[str, Any]:
    told: dict[str, Any] = {"count": len(curves.state)}
    for name, series in (
        ("fsc", curves.mean), ("fsc_masked", curves.masked_mean),
        ("area", curves.area), ("area_masked", curves.masked_area),
    ):  # fmt: skip
        told[name] = {
            "mean": float(series.mean()), "median": float(np.median(series)), "std": float(series.std())
        }  # fmt: skip
    return told


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {key: float(value) if np.isfinite(value) else None for key, value in values.items()}


def _rows(found: Evaluation) -> Iterator[dict[str, Any]]:
    for key in in_order({key for each in found.scored for key in each.values}):
        row: dict[str, Any] = {"score": key, "better": score_of(key).better, "unit": score_of(key).unit}
        for each in found.scored:
            row[each.name] = each.values.get(key, float("nan"))
            row[f"{each.name} standard error"] = each.errors.get(key, float("nan"))
        for name, values in ((BLIND, found.blind), (CEILING, found.ceiling)):
            row[name] = values.get(key, float("nan"))
        yield row


def _curve_rows(found: Evaluation) -> Iterator[dict[str, Any]]:
    """Mean and spread of the per-image curves."""
    named = [(each.name, each.images) for each in found.scored] + [(BLIND, found.blind_images)]
    known = [(name, curves) for name, curves in named if curves is not None]
    for shell, frequency in enumerate(known[0][1].frequency):
        row: dict[str, Any] = {"shell": shell, "frequency": float(frequency)}
        for name, curves in known:
            for kind, values in (("", curves.whole[:, shell]), (" masked", curves.masked[:, shell])):
                row[f"{name}{kind} mean"] = float(values.mean())
                row[f"{name}{kind} std"] = float(values.std())
        yield row


def _image_rows(found: Evaluation) -> Iterator[dict[str, Any]]:
    for each in found.scored:
        if each.images is not None:
            for particle, row in zip(each.particles, _series(each.images), strict=True):
                yield {"name": each.name, "image": int(each.candidate.rows[particle]), **row}


def _state_rows(found: Evaluation) -> Iterator[dict[str, Any]]:
    for each in found.scored:
        for at, curves in (("middle particle", each.states), ("mean latent", each.state_means)):
            if curves is not None:
                for row in _series(curves):
                    yield {"name": each.name, "decoded at": at, **row}


def _series(curves: Curves) -> Iterator[dict[str, Any]]:
    for number, state in enumerate(curves.state):
        yield {
            "state": int(state) + 1,
            "fsc": float(curves.mean[number]),
            "fsc_masked": float(curves.masked_mean[number]),
            "area": float(curves.area[number]),
            "area_masked": float(curves.masked_area[number]),
        }


def _structure_rows(found: Evaluation) -> Iterator[dict[str, Any]]:
    for each in found.scored:
        known = each.structures
        if known is None:
            continue
        for number, particle in enumerate(known.particles):
            row = {
                "name": each.name, "image": int(each.candidate.rows[particle]),
                "state": int(each.truth.state[particle]) + 1, "rmsd": float(known.rmsd[number]),
                "rmsd_superposed": float(known.superposed[number]),
            }  # fmt: skip
            for name, (ours, true) in known.distances.items():
                row |= {f"{name} found": float(ours[number]), f"{name} true": float(true[number])}
            yield row
