"""What a method is told of the particles before training, without modes: all that files and images say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimorph.data.mrc import read_map
from trimorph.data.particles import ParticleStack
from trimorph.data.residues import Residues
from trimorph.data.selection import two_halves
from trimorph.methods.base import Ingredient, Problem
from trimorph.methods.registry import get_method
from trimorph.reconstruction.mean_map import mean_map
from trimorph.run.concerns import place_concerns, view_concerns
from trimorph.run.focus import focus_mask, mask_around, movable_gaussians, unit_mask
from trimorph.run.given_latents import given_latents, latents_line
from trimorph.run.mean_report import report_mean
from trimorph.run.placement import placed
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.start import map_middle, starting_map, starting_residues
from trimorph.training.observer import Observer


def check_inputs(recipe: Recipe, stack: ParticleStack) -> None:
    """Read what the recipe names beside the particles, so that what is wrong with it is said at once.

    Errors: InputError and FileNotFoundError of all of it.
    """
    wanted = get_method(recipe.method).wants(recipe.settings)
    residues = starting_residues(recipe.start, wanted)
    if recipe.start.map is not None:
        read_map(recipe.start.map)
    given_latents(recipe, stack)
    movable_gaussians(recipe.focus, wanted, residues)
    focus_mask(recipe.focus, wanted, box=stack.box, pixel_size=stack.pixel_size)
    _unit(recipe, stack)


def measured_problem(
    run: Run, needed: frozenset[Ingredient], stack: ParticleStack, device: torch.device, log: Observer
) -> Problem:
    """The problem without modes; ``needed`` is what the method wants, and what finding its modes needs."""
    recipe = run.recipe
    wanted = get_method(recipe.method).wants(recipe.settings)
    found: dict[str, Any] = {}
    concerns: list[str] = []
    residues, place = starting_residues(recipe.start, wanted), None
    if needed & {"mean", "mask"}:
        log.say("back-projecting the mean map")
        mean = mean_map(stack, device=device)
        report_mean(mean, run.path, log)
        concerns = place_concerns(mean.map, pixel_size=stack.pixel_size, radius=stack.radius)
        density, start = mean.map, recipe.start.map
        if start is not None:
            density, said = starting_map(start, density, pixel_size=stack.pixel_size)
            log.say(said)
        found = {"mean": torch.as_tensor(density)}
        if residues is not None:
            place = _place(recipe, residues, density, stack, log)
            found |= _structure(recipe, residues, place)
    if stack.table.rotation is not None:
        concerns += view_concerns(stack.table.rotation)
    for line in concerns:
        log.say(line)
    movable = movable_gaussians(recipe.focus, wanted, residues)
    if movable is not None:
        log.say(f"{len(movable)} Gaussians may move")
        found["movable"] = torch.as_tensor(movable)
    mask = _mask(recipe, stack, log, place=place, movable=movable)
    if mask is not None:
        found["mask"] = torch.as_tensor(mask)
    latents = given_latents(recipe, stack)
    if latents is not None:
        log.say(latents_line(latents, recipe.start.latents_from))
        found["latents"] = torch.as_tensor(latents, dtype=torch.float32)
    if "half" in needed:
        found["half"] = torch.as_tensor(two_halves(stack.table, seed=recipe.training.seed) - 1)
    return Problem(
        box=stack.box,
        pixel_size=stack.pixel_size,
        particles=len(stack),
        radius=stack.radius,
        noise=stack.noise,
        window_share=stack.window_share,
        **{name: value for name, value in found.items() if name in needed},
    )


def _place(
    recipe: Recipe, residues: Residues, density: NDArray[np.float32], stack: ParticleStack, log: Observer
) -> NDArray[np.float64]:
    """Where the residues stand in Å about the origin voxel."""
    assert recipe.start.structure is not None  # so read
    table = stack.table
    place, said = placed(
        residues,
        density,
        pixel_size=stack.pixel_size,
        middle=map_middle(recipe.start, box=int(table.box[0]), pixel_size=float(table.pixel_size[0])),
        source=recipe.start.structure,
    )
    log.say(said)
    return place


def _structure(recipe: Recipe, residues: Residues, place: NDArray[np.float64]) -> dict[str, Any]:
    """What a problem holds of a structure whose residues stand at ``place``."""
    chain = torch.as_tensor(residues.chains)
    shift = place[0] - residues.position[0]
    found = {
        "points": _with_weight(place, residues.weight),
        "chain": chain,
        "trace": torch.as_tensor(residues.trace + shift, dtype=torch.float32),
    }
    if recipe.start.beads != "residues":
        beads = residues.beads(recipe.start.beads)
        found["beads"] = _with_weight(beads.position + shift, beads.weight)
        found["bead_point"] = torch.as_tensor(beads.residue)
    if recipe.start.ranges is not None:
        parts = residues.parts(recipe.start.ranges, source="--ranges")
        found["part"] = torch.as_tensor(parts.number)
        found["part_segments"] = torch.as_tensor(parts.segments)
    return found


def _with_weight(place: NDArray[np.float64], weight: NDArray[np.float64]) -> torch.Tensor:
    return torch.as_tensor(np.column_stack([place, weight]), dtype=torch.float32)


def _mask(
    recipe: Recipe,
    stack: ParticleStack,
    log: Observer,
    *,
    place: NDArray[np.float64] | None,
    movable: NDArray[np.int64] | None,
) -> NDArray[np.float32] | None:
    """Where density may vary: the user's mask, else around what may move, else one asymmetric unit."""
    wanted, focus = get_method(recipe.method).wants(recipe.settings), recipe.focus
    grid: dict[str, Any] = {"box": stack.box, "pixel_size": stack.pixel_size}
    mask = focus_mask(focus, wanted, **grid)
    where = str(focus.mask)
    if mask is None and place is not None and movable is not None:
        mask, where = mask_around(place[movable], **grid), "reach of what may move"
    if mask is None and movable is None and wanted & {"mask", "modes"}:
        mask, where = _unit(recipe, stack), f"one asymmetric unit of {recipe.data.symmetry}"
    if mask is not None:
        log.say(f"modes may vary within {where}, {100 * mask.mean():.1f} % of the box")
    return mask


def _unit(recipe: Recipe, stack: ParticleStack) -> NDArray[np.float32] | None:
    return unit_mask(
        recipe.focus,
        recipe.data.symmetry,
        box=stack.box,
        pixel_size=stack.pixel_size,
        radius=stack.radius,
    )
