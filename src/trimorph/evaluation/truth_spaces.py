"""Truth as spaces: of the states, and of pose, CTF and shift, which latents should know nothing of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.ctf import CTF_PARAMETERS
from trimorph.data.ensemble import CLASSES
from trimorph.data.truth import Truth


def rows_of(truth: Truth, rows: Int[ndarray, " m"]) -> Truth:
    """The truth of some images, in the order given."""
    probability = truth.state_probability
    return replace(
        truth,
        **{
            name: getattr(truth, name)[rows] for name in ("state", "coordinate", "label", "rotation", "shift")
        },
        ctf=truth.ctf[rows],
        state_probability=None if probability is None else probability[rows],
    )


def as_classes(truth: Truth) -> Truth:
    """The same truth with states that have no order."""
    return replace(truth, quantity=CLASSES, coordinate=truth.state.astype(np.float64), motion=None)


def ordered(truth: Truth) -> bool:
    """Whether the coordinate of the states is more than the number of a class, and varies."""
    return truth.quantity != CLASSES and bool(np.ptp(truth.coordinate))


def sortable(truth: Truth) -> bool:
    """Whether images can be sorted into states: two or more that are classes, or ten at most."""
    return bool(np.ptp(truth.state)) and (truth.quantity == CLASSES or truth.few_states)


def state_space(truth: Truth) -> Float[ndarray, "n c"] | None:
    """Coordinates of each image's state, in which states that are alike are near; None where all are one.

    The reaction coordinate over its standard deviation, or cos and sin of an angle; for classes, and beside
    the coordinate for compositions, 1 in the column of its own and 0 in the others.
    """
    columns = []
    if ordered(truth):
        value = truth.coordinate
        place = [np.cos(value), np.sin(value)] if truth.circular else [value / value.std()]
        columns.append(np.stack(place, axis=1))
    elif np.ptp(truth.state):
        columns.append(_one_hot(truth.state))
    if ordered(truth) and truth.composition is not None and np.ptp(truth.composition):
        columns.append(_one_hot(truth.composition))
    return np.concatenate(columns, axis=1) if columns else None


def nuisance_spaces(truth: Truth) -> dict[str, Float[ndarray, "n c"]]:
    """Pose (the nine entries of the rotation), CTF and shift, of what varies among the images.

    CTF is the mean defocus, its difference times cos and sin of twice the angle, and all other parameters,
    each over its standard deviation; shift is in Å. Distances between rotation matrices grow with the angle
    between the rotations.
    """
    ctf = truth.ctf
    difference = 0.5 * (np.asarray(ctf.defocus_u) - ctf.defocus_v)
    optics = [
        0.5 * (np.asarray(ctf.defocus_u) + ctf.defocus_v),
        difference * np.cos(2 * np.asarray(ctf.defocus_angle)),
        difference * np.sin(2 * np.asarray(ctf.defocus_angle)),
        *(getattr(ctf, name) for name in CTF_PARAMETERS if not name.startswith("defocus")),
    ]
    table = np.stack([np.broadcast_to(value, len(truth)).astype(np.float64) for value in optics], axis=1)
    spread = table.std(0)
    varying = spread > 1e-9 * np.abs(table).max(0, initial=1e-300)
    spaces = {
        "pose": truth.rotation.reshape(-1, 9),
        "ctf": table[:, varying] / spread[varying],
        "shift": np.asarray(truth.shift, np.float64),
    }
    return {name: space for name, space in spaces.items() if space.size and np.ptp(space, axis=0).any()}


def _one_hot(number: Int[ndarray, " n"]) -> Float[ndarray, "n k"]:
    return (number[:, None] == np.unique(number)).astype(np.float64)
