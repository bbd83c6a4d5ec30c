"""Batch: a limit is a prefix, moving keeps everything, another pose changes nothing else."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from trimorph.core.batch import Batch
from trimorph.core.ctf import CTF
from trimorph.core.disk import FourierDisk


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    disk = FourierDisk(16, 2.0)
    return Batch(
        index=torch.tensor([4, 9, 2]),
        image=torch.randn(3, len(disk), dtype=torch.complex64, generator=generator),
        rotation=torch.eye(3).expand(3, 3, 3),
        shift=torch.zeros(3, 2),
        ctf=CTF(defocus_u=torch.tensor([1e4, 2e4, 3e4]), defocus_v=torch.tensor([1e4, 2e4, 3e4])),
        group=torch.tensor([0, 1, 0]),
        disk=disk,
    )


def test_a_limit_is_a_prefix(batch: Batch) -> None:
    coarse = batch.limit(batch.disk.limit(resolution=8.0))
    assert 0 < len(coarse.disk) < len(batch.disk)
    assert torch.equal(coarse.image, batch.image[:, : len(coarse.disk)])
    assert torch.equal(coarse.ctf(coarse.disk), batch.ctf(batch.disk)[:, : len(coarse.disk)])
    assert torch.equal(coarse.index, batch.index)
    assert len(coarse) == len(batch) == 3


def test_moving_keeps_every_field(batch: Batch) -> None:
    limited = batch.limit(batch.disk.limit(resolution=8.0))
    moved = limited.to("cpu")
    for field in dataclasses.fields(Batch):
        old, new = getattr(limited, field.name), getattr(moved, field.name)
        if isinstance(old, torch.Tensor):
            assert torch.equal(old, new), field.name
    assert len(moved.disk) == len(limited.disk)
    assert torch.equal(moved.ctf(moved.disk), limited.ctf(limited.disk))


def test_moving_to_another_device_moves_every_tensor(batch: Batch) -> None:
    moved = batch.to("meta")
    tensors = [moved.index, moved.image, moved.rotation, moved.shift, moved.group, moved.ctf.defocus_u]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.disk.device.type == "meta"


def test_another_pose_leaves_the_rest(batch: Batch) -> None:
    posed = batch.pose(-batch.rotation, batch.shift + 1)
    assert torch.equal(posed.rotation, -batch.rotation)
    assert torch.equal(posed.shift, batch.shift + 1)
    assert posed.image is batch.image
    assert posed.ctf is batch.ctf


def test_a_batch_is_frozen(batch: Batch) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.shift = torch.ones(3, 2)  # type: ignore[misc]
