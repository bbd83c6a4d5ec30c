"""What a problem says of a cloud of Gaussians: how many, where they start, and which of them may move."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.core.voxel_grid import values_at
from trimorph.methods.base import Problem
from trimorph.methods.cloud_atoms import cloud_of_atoms
from trimorph.methods.cloud_fit import cloud_limit, fit_cloud
from trimorph.methods.cloud_region import CloudRegion, cloud_region, require_resolution


def cloud_room(problem: Problem, *, resolution: float, count: int | None) -> int:
    """Number of Gaussians: those of a structure, as many as asked for, or as many as the map supports.

    Errors: InputError for a problem without a mean map, a resolution beyond Nyquist, a number that the map
    does not support, and one beside a structure.
    """
    _check_mean(problem)
    if problem.points is None:
        return cloud_limit(_region(problem, resolution), resolution, most=None, count=count)
    require_resolution(resolution, problem.pixel_size)
    if count is not None:
        raise InputError(
            f"Gaussians: found a count of {count} beside a structure of {len(problem.points)} residues; "
            "wanted one of them, as each residue is a Gaussian. Leave --count or --structure out."
        )
    return len(problem.points)


def refuse_cloud(problem: Problem, *, resolution: float, count: int | None) -> None:
    """Raise InputError for what :func:`cloud_room` refuses, and a focus that can hold no Gaussian."""
    room = cloud_room(problem, resolution=resolution, count=count)
    if problem.movable is not None:
        _check_numbers(problem.movable, room)
    if problem.mask is None:
        return
    if problem.points is not None:
        free_gaussians(
            problem.points[:, :3], mask=problem.mask, movable=problem.movable, pixel_size=problem.pixel_size
        )
        return
    inside = _region(problem, resolution).inside
    most = float(problem.mask[inside].max())
    if most < 0.5:
        raise InputError(
            f"Gaussians: found a mask of at most {most:.2f} where the mean map is dense; wanted some density "
            "in it that may move. Look at the --mask beside the mean map."
        )


def neutral_clouds(
    mean: Float[Tensor, "d d d"],
    points: Float[Tensor, "g 4"] | None,
    *,
    pixel_size: float,
    resolution: float,
    count: int | None,
    nonnegative: bool,
) -> Iterator[tuple[str, Gaussians]]:
    """Clouds (v = 1) that stand for the mean map ever better, each with a line: see :func:`fit_cloud`.

    With points, there is one: they stay where they are, and get one width and the map's scale.
    """
    if points is not None:
        position, weight = points[:, :3], points[:, 3]
        cloud, reached = cloud_of_atoms(position, weight, mean, pixel_size, resolution=resolution)
        width = float(cloud.width[0, 0])
        yield (
            f"{len(points)} Gaussians of the structure, {width:.3g} Å wide: correlation {reached:.3f} at "
            f"{resolution:.1f} Å",
            cloud,
        )
        return
    for line, fit in fit_cloud(
        mean,
        pixel_size,
        resolution=resolution,
        count=count,
        nonnegative=nonnegative,
        seed=int(torch.randint(2**31, ())),
    ):
        yield line, fit.cloud


def free_gaussians(
    place: Float[Tensor, "g 3"],
    *,
    mask: Float[Tensor, "d d d"] | None,
    movable: Int[Tensor, " m"] | None,
    pixel_size: float,
) -> Float[Tensor, " g"]:
    """How far each Gaussian may move, 0 to 1: the mask at its place, and 0 if others alone are movable.

    Errors: InputError where none may.
    """
    free = torch.ones_like(place[:, 0])
    if mask is not None:
        free = values_at(mask.to(place), place, pixel_size=pixel_size)
    if movable is not None:
        _check_numbers(movable, len(place))
        chosen = torch.zeros_like(free)
        chosen[movable] = 1.0
        free = free * chosen
    if float(free.max()) < 0.5:
        named = "Gaussians that may move" if movable is not None else "Gaussians of the neutral model"
        number = len(place) if movable is None else len(movable)
        raise InputError(
            f"Gaussians: found a mask of at most {float(free.max()):.2f} at the {number} {named}; wanted "
            "some in it. Look at the --mask beside the mean map."
        )
    return free


def _check_mean(problem: Problem) -> None:
    if problem.mean is None:
        raise InputError(
            "Gaussians: found a problem without a mean map; wanted one to fit the neutral model to. Make "
            "it with what GaussianMixture.wants names."
        )


def _region(problem: Problem, resolution: float) -> CloudRegion:
    assert problem.mean is not None  # so checked
    return cloud_region(problem.mean, problem.pixel_size, resolution=resolution, mask=None)


def _check_numbers(movable: Int[Tensor, " m"], count: int) -> None:
    if int(movable.max()) >= count:
        raise InputError(
            f"Gaussians: found the number {int(movable.max())} among those that may move; wanted 0 to "
            f"{count - 1}, as the neutral model has {count}. Was the file made for another run?"
        )
