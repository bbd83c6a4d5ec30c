"""Processes: the group of processes that train one model together, started by ``--processes`` or torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor

from trimorph.core.errors import InputError


@dataclass(frozen=True)
class Processes:
    """The place of a process among ``world``, and what they do together; alone, all of it is free."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def largest_(self, values: Tensor) -> Tensor:
        """Replace values by the largest of each among the processes."""
        if self.world > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values

    def mean_(self, values: Tensor) -> Tensor:
        """Replace values by their mean over the processes."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def mean_gradients_(self, parameters: Iterable[Tensor]) -> None:
        """Replace gradients by their means over the processes, in one message.

        A parameter must have a gradient in all of them or in none.
        """
        gradients = [p.grad for p in parameters if p.grad is not None] if self.world > 1 else []
        if gradients:
            means = self.mean_(torch.cat([gradient.flatten() for gradient in gradients]))
            for gradient, mean in zip(gradients, means.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(mean.view_as(gradient))

    def copy_first_(self, parameters: Iterable[Tensor]) -> None:
        """Replace parameters by those of the first process."""
        if self.world > 1:
            for parameter in parameters:
                dist.broadcast(parameter.detach(), src=0)

    def share(self, value: Any) -> Any:
        """What the first process passed, in all of them."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def wait(self) -> None:
        """Go on only when every process has come here."""
        if self.world > 1:
            dist.barrier()

    def gather_rows(self, rows: Tensor, *, count: int) -> Tensor | None:
        """Rows of ``count`` particles, dealt out by ``index % world``, put together in the first process.

        The others get None.
        """
        if self.world == 1:
            return rows
        most = -(-count // self.world)
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.world)] if self.first else None
        dist.gather(padded.contiguous(), parts, dst=0)
        return None if parts is None else torch.stack(parts, dim=1).flatten(0, 1)[:count]


@contextmanager
def joined(device: Literal["auto", "cpu", "cuda"]) -> Iterator[Processes]:
    """Join the processes that were started together, or be alone; leave them at the end."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = _choose_device(device, local_rank=int(os.environ.get("LOCAL_RANK", "0")))
    if world == 1:
        yield Processes(chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(chosen, rank, world)
    finally:
        dist.destroy_process_group()


def _choose_device(name: Literal["auto", "cpu", "cuda"], *, local_rank: int) -> torch.device:
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise InputError(
            f"Found no CUDA device that torch {torch.__version__} can use; wanted one for --device cuda. "
            "Pass --device cpu, or install a CUDA build of torch and its driver."
        )
    if name == "cpu" or not found:
        return torch.device("cpu")
    wanted = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if wanted > torch.cuda.device_count():
        raise InputError(
            f"Found {torch.cuda.device_count()} CUDA devices; wanted one for each of the {wanted} processes "
            "on this machine. Start fewer (--processes, or torchrun --nproc-per-node), or pass --device cpu."
        )
    return torch.device("cuda", local_rank)
