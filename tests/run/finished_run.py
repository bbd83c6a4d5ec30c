"""A finished run of a method that was not trained."""

from __future__ import annotations

from trimorph.methods.base import Method, Problem
from trimorph.run.run import Run
from trimorph.training.checkpoint import problem_to_state, save_checkpoint
from trimorph.training.latents import Latents


def finish(run: Run, method: Method, problem: Problem, latents: Latents) -> Run:
    """Leave in a new run what training for an epoch would: a checkpoint, and latents of all particles."""
    state = {
        "model": method.state_dict(),
        "problem": problem_to_state(problem),
        "position": {"epoch": 1, "images": 0, "step": 1},
    }
    save_checkpoint(run.path / "checkpoints", state, epoch=1, step=0, keep=True)
    latents.save(run.path / "latents" / "0001.npz")
    return run
