"""Checkpoints: files from which training goes on exactly, and from which a model can be rebuilt.

``0030.pt`` is the state after 30 epochs and is kept; ``0030-000120.pt`` is 120 steps further and goes away
when a later one is written.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from trimorph.core.conventions import VERSION
from trimorph.core.errors import InputError
from trimorph.core.noise import NoiseModel
from trimorph.data.atomic import atomic_path
from trimorph.methods.base import Problem

FORMAT = 3
_NAME = re.compile(r"(\d{4,})(?:-(\d{6,}))?\.pt")


def save_checkpoint(folder: Path, state: dict[str, Any], *, epoch: int, step: int, keep: bool) -> Path:
    """Write a checkpoint so that a cut at any moment leaves either it or the one before whole.

    ``epoch`` counts finished epochs and ``step`` the steps beyond them. Interim checkpoints that came before
    are removed afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"{epoch:04d}.pt" if keep else f"{epoch:04d}-{step:06d}.pt")
    try:
        with atomic_path(path, overwrite=True) as temporary, temporary.open("wb") as file:
            torch.save({"format": FORMAT, "convention": VERSION, **state}, file)
    except OSError as error:
        raise _cannot_write(path, error) from error
    for old in folder.glob("*-*.pt"):
        if old != path:
            old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, earliest first."""
    found = [(path, match) for path in folder.glob("*.pt") if (match := _NAME.fullmatch(path.name))]
    return [path for path, _ in sorted(found, key=lambda pair: (int(pair[1][1]), int(pair[1][2] or 0)))]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code that it might hold."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise InputError(
            f"{path}: found a file that torch cannot read ({str(error).splitlines()[0]}); wanted a "
            "checkpoint of trimorph. Remove it to go on from the one before."
        ) from error
    if state.get("format") != FORMAT or state.get("convention") != VERSION:
        raise InputError(
            f"{path}: found format {state.get('format')} and conventions {state.get('convention')}; wanted "
            f"{FORMAT} and {VERSION}. Read it with the version of trimorph that wrote it (provenance.json)."
        )
    return state


def problem_to_state(problem: Problem) -> dict[str, Any]:
    """What a checkpoint keeps of the data, so that the model can be rebuilt without them."""
    state = {field.name: getattr(problem, field.name) for field in fields(problem) if field.name != "noise"}
    state["noise_power"] = problem.noise.power
    return {key: value.cpu() if isinstance(value, torch.Tensor) else value for key, value in state.items()}


def problem_from_state(state: dict[str, Any]) -> Problem:
    """The inverse of :func:`problem_to_state`."""
    rest = {key: value for key, value in state.items() if key != "noise_power"}
    return Problem(noise=NoiseModel(state["noise_power"]), **rest)


def _cannot_write(path: Path, error: OSError) -> OSError:
    told = OSError(
        f"{path}: found {error.strerror}; wanted to write a checkpoint there. Earlier checkpoints are whole. "
        "Make room or mend the permissions, then go on with: trimorph resume"
    )
    told.errno = error.errno
    return told
