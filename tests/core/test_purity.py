"""No function of core writes to what it is given, and the same input gives the same output."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk
from trimorph.core.fourier_field import FourierField
from trimorph.core.fsc import fourier_shell_correlation
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import Gridding
from trimorph.core.imaging import render, render_batch, shift_phase
from trimorph.core.losses import correlation, fourier_ring_correlation, ring_score, whitened_likelihood
from trimorph.core.noise import NoiseModel, background_power
from trimorph.core.rotations import (
    euler_to_matrix,
    is_rotation,
    matrix_to_euler,
    random_rotations,
    rotation_angle,
    vector_to_matrix,
)
from trimorph.core.voxel_grid import VoxelGrid, resample

BOX, COUNT = 8, 3


def _inputs(seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    disk = FourierDisk(BOX, 2.0)
    parameters = {field.name: np.abs(draw(COUNT).numpy()) + 0.1 for field in dataclasses.fields(CTF)}
    ctf = CTF(**{**parameters, "amplitude_contrast": np.full(COUNT, 0.1), "voltage": np.full(COUNT, 300.0)})
    values = torch.complex(draw(COUNT, len(disk)), draw(COUNT, len(disk)))
    rotation = random_rotations(COUNT, generator=generator).float()
    return {
        "disk": disk,
        "ctf": ctf,
        "values": values,
        "other": values.flip(0).clone(),
        "image": draw(COUNT, BOX, BOX),
        "volume": draw(COUNT, BOX, BOX, BOX),
        "grid": torch.complex(draw(1, 16, 16, 16), draw(1, 16, 16, 16)),
        "rotation": rotation,
        "shift": draw(COUNT, 2),
        "vector": draw(COUNT, 3),
        "power": draw(COUNT, len(disk)).abs() + 0.1,
        "rings": draw(2, BOX // 2 + 1).abs() + 0.1,
        "group": torch.tensor([0, 1, 0]),
        "gaussians": Gaussians(draw(COUNT, 4, 3), draw(COUNT, 4), draw(COUNT, 4).abs() + 1),
        "field": FourierField(lambda k, z: k[..., :2] * z[:, None, :1], draw(COUNT, 2), 1.0, 2.0),
        "batch": Batch(torch.arange(COUNT), values, rotation, draw(COUNT, 2), ctf, torch.arange(COUNT), disk),
    }


CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "disk.transform": lambda i: i["disk"].transform(i["image"]),
    "disk.inverse": lambda i: i["disk"].inverse(i["values"]),
    "disk.scatter": lambda i: i["disk"].scatter(i["values"]),
    "disk.ring_mean": lambda i: i["disk"].ring_mean(i["power"]),
    "disk.limit": lambda i: i["disk"].limit(radius=2.0),
    "ctf": lambda i: i["ctf"](i["disk"]),
    "ctf.to": lambda i: i["ctf"].to("cpu")(i["disk"]),
    "euler_to_matrix": lambda i: euler_to_matrix(i["vector"]),
    "matrix_to_euler": lambda i: matrix_to_euler(i["rotation"]),
    "vector_to_matrix": lambda i: vector_to_matrix(i["vector"]),
    "rotation_angle": lambda i: rotation_angle(i["rotation"]),
    "is_rotation": lambda i: is_rotation(i["rotation"]),
    "interpolate": lambda i: Gridding().interpolate(i["grid"], i["vector"].clamp(-4, 4)[None]),
    "spread": lambda i: Gridding().spread(i["shift"], i["vector"].clamp(-4, 4), 16),
    "resample": lambda i: resample(i["volume"], 2.0, box=7, pixel_size=2.5),
    "fsc": lambda i: fourier_shell_correlation(i["volume"][0], i["volume"][1]),
    "VoxelGrid.project": lambda i: VoxelGrid(i["volume"], 2.0).project(i["rotation"], i["disk"]),
    "VoxelGrid.voxels": lambda i: VoxelGrid(i["volume"], 2.0).voxels(10, 1.5),
    "Gaussians.project": lambda i: i["gaussians"].project(i["rotation"], i["disk"]),
    "Gaussians.voxels": lambda i: i["gaussians"].voxels(BOX, 2.0),
    "FourierField.project": lambda i: i["field"].project(i["rotation"], i["disk"]),
    "FourierField.voxels": lambda i: i["field"].voxels(BOX, 2.0),
    "shift_phase": lambda i: shift_phase(i["shift"], i["disk"]),
    "render": lambda i: render(
        i["gaussians"], rotation=i["rotation"], shift=i["shift"], ctf=i["ctf"], disk=i["disk"]
    ),
    "render_batch": lambda i: render_batch(i["gaussians"], i["batch"]),
    "batch.limit": lambda i: i["batch"].limit(i["disk"].limit(radius=2.0)).to("cpu").image,
    "whitened_likelihood": lambda i: whitened_likelihood(
        i["values"], i["other"], power=i["power"], disk=i["disk"]
    ),
    "correlation": lambda i: correlation(i["values"], i["other"], disk=i["disk"], power=i["power"]),
    "fourier_ring_correlation": lambda i: fourier_ring_correlation(i["values"], i["other"], disk=i["disk"]),
    "ring_score": lambda i: ring_score(i["values"], i["other"], power=i["power"], disk=i["disk"]),
    "noise.at": lambda i: NoiseModel(i["rings"]).at(i["disk"], i["group"]),
    "background_power": lambda i: background_power(i["image"], radius=2.0, disk=i["disk"]),
}


def _tensors(value: Any) -> list[Tensor]:
    """Every tensor and array within some inputs, in a fixed order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, np.ndarray):
        return [torch.from_numpy(value)]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in _tensors(item)]
    if dataclasses.is_dataclass(value):
        return [t for field in dataclasses.fields(value) for t in _tensors(getattr(value, field.name))]
    return []


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_arguments_are_left_as_they_were(name: str, seed: int) -> None:
    inputs = _inputs(seed)
    before = [tensor.clone() for tensor in _tensors(inputs)]
    assert len(before) > 30
    first = CALLS[name](inputs)
    for old, new in zip(before, _tensors(inputs), strict=True):
        assert torch.equal(old, new)
    for old, new in zip(_tensors(first), _tensors(CALLS[name](inputs)), strict=True):
        assert torch.equal(old, new)
