"""Training from a recipe: open the particles, prepare them, build the method, fit it, leave a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch

from trimorph.core.errors import InputError
from trimorph.data.open import open_particles
from trimorph.data.particles import ParticleStack
from trimorph.methods.base import Problem
from trimorph.methods.linear import Linear, LinearSettings
from trimorph.methods.object_frame import EXAMPLES, packed
from trimorph.methods.registry import get_method
from trimorph.run.given_latents import with_given_latents
from trimorph.run.measured import check_inputs, measured_problem
from trimorph.run.provenance import check_unchanged, provenance
from trimorph.run.recipe import FREE_TO_CHANGE, Recipe, build_method
from trimorph.run.run import Run, refuse_unusable
from trimorph.training.checkpoint import checkpoints, load_checkpoint, problem_from_state
from trimorph.training.observer import LogFile, Observer, Silent
from trimorph.training.processes import Processes, joined
from trimorph.training.trainer import Trainer


def train(recipe: Recipe, output: Path | str, *, observer: Observer | None = None) -> Run:
    """Fit the recipe's method to its particles and leave everything in the new folder ``output``.

    Under torchrun all processes call it alike. Errors: FileExistsError for a folder in use; those of
    :meth:`Trainer.fit`; all that can be wrong with the particles.
    """
    path, recipe = Path(output).absolute(), with_given_latents(recipe.resolved())
    with joined(recipe.training.device) as processes:
        if processes.first:
            refuse_unusable(path)
        stack = open_particles(recipe.data)
        check_inputs(recipe, stack)
        processes.wait()
        if processes.first:
            table = stack.table
            record = provenance([table.source, *recipe.files], table.stacks, seed=recipe.training.seed)
            Run.create(path, recipe, provenance=record)
        processes.wait()
        run = Run.open(path)
        _fit(run, stack, processes, observer, checkpoint=None)
    return run


def resume(path: Path | str, *, recipe: Recipe | None = None, observer: Observer | None = None) -> Run:
    """Go on with a run that was stopped, exactly as if it had not been.

    ``recipe``, or else the run's own recipe.toml, must ask for what the run was started with.
    Errors: InputError naming the keys that differ, or an input file that has changed.
    """
    run = Run.open(path)
    recipe = recipe or run.recipe
    found = checkpoints(run.path / "checkpoints")
    latest = found[-1] if found else None
    started = run.recipe
    if latest is not None:
        started = Recipe.from_toml(load_checkpoint(latest)["stamp"]["recipe"], source=str(latest))
    _refuse_changes(recipe, started, run.path)
    check_unchanged(run.path / "provenance.json")
    with joined(recipe.training.device) as processes:
        run = Run(run.path, recipe)
        _fit(run, open_particles(recipe.data), processes, observer, checkpoint=latest)
    return run


def _fit(
    run: Run,
    stack: ParticleStack,
    processes: Processes,
    observer: Observer | None,
    *,
    checkpoint: Path | None,
    problem: Problem | None = None,
) -> None:
    """Train in a run's folder from a checkpoint, or from what is known of the particles (else measured)."""
    recipe = run.recipe
    listener = observer if observer is not None and processes.first else Silent()
    log = LogFile(run.path / "log.txt", listener) if processes.first else listener
    if checkpoint is not None:
        problem = problem_from_state(load_checkpoint(checkpoint)["problem"])
    elif problem is None:
        _prepare(run, stack, processes, log)
        problem = _state_problem(run, stack, processes, observer, log)
    if problem.particles != len(stack):
        raise InputError(
            f"{run.path}: found {len(stack)} particles; wanted the {problem.particles} that the run started "
            "with. Undo the change of the selection, or start a new run."
        )
    trainer = Trainer(
        build_method(recipe, problem),
        stack,
        recipe.training,
        problem=problem,
        folder=run.path,
        processes=processes,
        observer=listener,
        stamp={"method": recipe.method, "recipe": recipe.to_toml()},
    )
    if checkpoint is not None:
        trainer.load(checkpoint)
        if not trainer.done:
            _prepare(run, stack, processes, log)
    trainer.fit()
    processes.wait()
    if processes.first:
        _drop_cache(run.path / "cache")


def _prepare(run: Run, stack: ParticleStack, processes: Processes, log: Observer) -> None:
    """Fill the cache of half planes: in memory where it fits, else in a file that stays until the end."""
    if stack.prepared:
        return
    log.say(
        f"{len(stack)} particles of {stack.box} pixels of {stack.pixel_size:.4g} Å from {stack.table.source}"
    )
    start = monotonic()
    if processes.world == 1:
        stack.prepare(run.path / "cache", progress=log.prepare)
        log.say(f"images ready in {monotonic() - start:.1f} s")
        return
    if processes.first:  # a file that all processes map; each would else fill the memory
        stack.prepare(run.path / "cache", ram_limit=0, progress=log.prepare)
    processes.wait()
    if not processes.first:
        stack.prepare(run.path / "cache", ram_limit=0)
    log.say(f"images ready in {monotonic() - start:.1f} s")


def _drop_cache(folder: Path) -> None:
    """Remove the prepared images, which only a run that goes on needs, and their folder if it is empty."""
    for file in [*folder.glob("prepared-*"), *folder.glob(".prepared-*")]:
        file.unlink()
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _state_problem(
    run: Run, stack: ParticleStack, processes: Processes, observer: Observer | None, log: Observer
) -> Problem:
    """What the method is told of the data: what it wants, and no more."""
    wanted = get_method(run.recipe.method).wants(run.recipe.settings)
    needed = wanted | Linear.wants(LinearSettings()) if "modes" in wanted else wanted
    problem: Problem = processes.share(
        measured_problem(run, needed, stack, processes.device, log) if processes.first else None
    )
    get_method(run.recipe.method).refuse(run.recipe.settings, problem)
    if "modes" not in wanted:
        return problem
    log.say("finding linear modes, which the encoder needs")
    return replace(
        problem,
        **_linear_modes(run, stack, processes, observer, problem=problem),
        mask=problem.mask if "mask" in wanted else None,
        half=problem.half if "half" in wanted else None,
    )


def _linear_modes(
    run: Run, stack: ParticleStack, processes: Processes, observer: Observer | None, *, problem: Problem
) -> dict[str, Any]:
    """What a run of the method `linear` inside this run finds; it goes on where it was stopped."""
    path = run.path / "linear"
    if not (path / "recipe.toml").is_file() and processes.first:
        training = replace(run.recipe.training, batch_size=None)
        recipe = replace(run.recipe, method="linear", settings=LinearSettings(), training=training).resolved()
        files = [stack.table.source, *recipe.files]
        record = provenance(files, stack.table.stacks, seed=training.seed)
        Run.create(path, recipe, provenance=record)
    processes.wait()
    inner = Run.open(path)
    found = checkpoints(path / "checkpoints")
    _fit(inner, stack, processes, observer, checkpoint=found[-1] if found else None, problem=problem)
    linear: Any = inner.method()
    modes, resolution = linear.findings()
    some = np.random.default_rng(0).permutation(len(stack))[:EXAMPLES]
    latents, unit = inner.latents(), 1 / linear.densities().flatten(1).norm(dim=1)
    mean, covariance = (
        torch.as_tensor(values[np.sort(some)]) for values in (latents.mean, latents.covariance)
    )
    told = packed(unit * mean, unit[:, None] * unit * covariance)
    return {"modes": modes.detach(), "modes_resolution": resolution, "mode_latents": told.detach()}


def _refuse_changes(recipe: Recipe, started: Recipe, path: Path) -> None:
    changed = {
        key: values for key, values in recipe.differences(started).items() if key not in FREE_TO_CHANGE
    }
    if changed:
        said = "; ".join(f"{key} = {new!r}, was {old!r}" for key, (new, old) in changed.items())
        raise InputError(
            f"{path}: found a recipe that differs from the one that the run started with: {said}. A run goes "
            "on unchanged or not at all. Undo the changes, or start a new run with them."
        )
