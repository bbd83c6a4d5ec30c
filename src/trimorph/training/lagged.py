"""Lagged: numbers computed on a device, read one step late so that nothing waits for them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Lagged:
    """A queue of small vectors on their way from a CUDA device; on a CPU they are there at once."""

    waiting: deque[tuple[Tensor, torch.cuda.Event | None]] = field(default_factory=deque)

    def put(self, values: Tensor) -> None:
        """Start the copy of a vector."""
        if values.device.type != "cuda":
            self.waiting.append((values, None))
            return
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self.waiting.append((host, event))

    def ready(self, *, all_of_them: bool) -> list[list[float]]:
        """Vectors that can be read; on CUDA the newest is left unless all are wanted."""
        read = []
        while self.waiting and (all_of_them or self.waiting[0][1] is None or len(self.waiting) > 1):
            values, event = self.waiting.popleft()
            if event is not None:
                event.synchronize()
            read.append(values.tolist())
        return read

    def drop(self) -> None:
        """Forget what is under way."""
        self.waiting.clear()
