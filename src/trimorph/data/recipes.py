"""Named ensembles: the four of the cryoDRGN paper, adenylate kinase opening, and three of e2gmm's paper.

Source: Zhong, Bepler, Berger & Davis, Nature Methods 18 (2021) 176, Methods, "Datasets"; for the
three, :mod:`trimorph.data.blobs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.adenylate_kinase import adenylate_kinase
from trimorph.data.blobs import cyclic_motion, linear_motion, mixed_motion
from trimorph.data.ensemble import CLASSES, StructureStates, mixture_weights
from trimorph.data.hinge import natural_hinge, turn
from trimorph.data.pseudo_complex import pseudo_complex
from trimorph.data.structure import Structure, select_atoms

STATES, ANGLE_STEP = 50, 0.03
"""A hinge turned through 1.5 rad: 50 states 0.03 rad apart."""

MIXTURE_MEANS = (10, 25, 40)
"""States (counted from 1) about which the two mixtures lie, and below their standard deviations in rad."""

MIXTURE_DEVIATION = {"cooperative": 0.09, "noncontiguous": 0.03}

SUBSET_WEIGHTS = (10.0, 15.0, 25.0)
"""Ratio of 30S, 50S and 70S."""

HINGE_RECIPES = ("uniform", "cooperative", "noncontiguous")
BUILT_IN_SUBSETS = ("arm=B", "body=A", "whole=A,B")
"""States of the compositional recipe without a structure of the user's."""

BLOB_RECIPES = {"linear": linear_motion, "cyclic": cyclic_motion, "mixed": mixed_motion}

RECIPES = (*HINGE_RECIPES, "compositional", "adk", *BLOB_RECIPES)


@dataclass(frozen=True)
class RecipeSource:
    """What a recipe is made of: a structure of the user's, or none for the built-in one.

    ``moving`` is the selection that turns, ``axis`` its axis (default: the natural hinge), ``subsets`` the
    selections of a compositional ensemble as ``NAME=SELECTION``.
    """

    structure: Structure | None = None
    moving: str | None = None
    axis: tuple[float, float, float] | None = None
    subsets: tuple[str, ...] = ()


def recipe_states(
    recipe: str, source: RecipeSource, *, weights: Sequence[float] | None = None
) -> StructureStates:
    """The states of a recipe; ``weights`` takes the place of the recipe's own."""
    if recipe in HINGE_RECIPES:
        states = _hinge(recipe, source)
    elif recipe == "compositional":
        states = _subsets(source, weights)
    elif recipe == "adk" or recipe in BLOB_RECIPES:
        _refuse_parts(recipe, source)
        states = _opening() if recipe == "adk" else BLOB_RECIPES[recipe]()
    else:
        near = get_close_matches(recipe, RECIPES, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise InputError(f'Simulation: no recipe "{recipe}"; wanted one of {", ".join(RECIPES)}.{hint}')
    return states if weights is None else states.weigh(weights)


def hinge_structures(structure: Structure, moving: NDArray[np.bool_], axis: object = None) -> list[Structure]:
    """The 50 states of a hinge, the first as given; the body stays where it is."""
    natural, pivot = natural_hinge(structure, moving)
    direction = natural if axis is None else np.asarray(axis, float)
    if not np.linalg.norm(direction) > 0:
        raise InputError("Hinge: found an axis of length zero; wanted three numbers such as 0 0 1.")
    return [
        turn(structure, moving, angle=ANGLE_STEP * state, axis=direction, pivot=pivot)
        for state in range(STATES)
    ]


def _hinge(recipe: str, source: RecipeSource) -> StructureStates:
    if source.structure is not None and source.moving is None:
        raise InputError(
            f"Recipe {recipe}: found a structure and nothing that moves in it; wanted the part to be turned. "
            "Pass --moving A:122-159 with its chain and residues."
        )
    structure = source.structure or pseudo_complex()
    structures = hinge_structures(structure, select_atoms(structure, source.moving or "B"), source.axis)
    angle = ANGLE_STEP * np.arange(STATES, dtype=np.float64)
    weights = np.ones(STATES)
    if recipe in MIXTURE_DEVIATION:
        means = [ANGLE_STEP * (state - 1) for state in MIXTURE_MEANS]
        deviation = MIXTURE_DEVIATION[recipe]
        weights = mixture_weights(STATES, step=ANGLE_STEP, means=means, deviation=deviation)
    return StructureStates(
        structures=structures,
        names=tuple(f"{value:.2f} rad" for value in angle),
        weights=weights,
        coordinate=angle,
        quantity="hinge angle in radians",
        origin=np.mean([item.position.mean(0) for item in structures], axis=0),
    )


def _subsets(source: RecipeSource, weights: Sequence[float] | None) -> StructureStates:
    if source.structure is not None and not source.subsets:
        raise InputError(
            "Recipe compositional: found a structure and no subsets; wanted a selection for each state. "
            'Pass --subsets "30S=A*" "50S=B*" "70S=*" with the names of its chains.'
        )
    structure = source.structure or pseudo_complex()
    subsets = source.subsets or BUILT_IN_SUBSETS
    wanted = len(SUBSET_WEIGHTS) if weights is None else len(weights)
    if len(subsets) != wanted or not all("=" in item for item in subsets):
        raise InputError(
            f"Recipe compositional: found subsets {', '.join(subsets)} and {wanted} weights; wanted one "
            "NAME=SELECTION a weight. Pass --subsets and --weights of one length."
        )
    names, selections = zip(*(item.split("=", 1) for item in subsets), strict=True)
    structures = [structure.select(select_atoms(structure, selection)) for selection in selections]
    return StructureStates(
        structures=structures,
        names=tuple(names),
        weights=np.asarray(SUBSET_WEIGHTS if weights is None else weights),
        coordinate=np.arange(len(structures), dtype=float),
        quantity=CLASSES,
        origin=max(structures, key=len).position.mean(0),
    )


def _refuse_parts(recipe: str, source: RecipeSource) -> None:
    given = [f"--{field.name}" for field in fields(source) if getattr(source, field.name)]
    if given:
        raise InputError(
            f"Recipe {recipe}: found {', '.join(given)}; wanted none, for it brings its own structures. "
            f"Leave {'it' if len(given) == 1 else 'them'} out, or take the recipe uniform."
        )


def _opening() -> StructureStates:
    fraction = np.linspace(0.0, 1.0, STATES, dtype=np.float64)
    structures = adenylate_kinase(fraction)
    return StructureStates(
        structures=structures,
        names=tuple(f"{value:.3f} open" for value in fraction),
        weights=np.ones(STATES),
        coordinate=fraction,
        quantity="fraction from closed (0) to open (1)",
        origin=np.mean([item.position.mean(0) for item in structures], axis=0),
    )
