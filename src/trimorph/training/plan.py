"""The plan of a run: which stage an epoch belongs to, and how much work is left."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from trimorph.core.disk import FourierDisk
from trimorph.methods.base import Stage


@dataclass(frozen=True)
class Plan:
    """Stages one after the other, ``steps`` steps an epoch."""

    stages: Sequence[Stage]
    steps: int
    disk: FourierDisk

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def total(self) -> int:
        """Steps of all stages."""
        return self.epochs * self.steps

    def stage(self, epoch: int) -> Stage:
        """The stage of an epoch (0-based); after the end, the last one that has an epoch.

        >>> a, b = Stage("a", 2, None, {}), Stage("b", 1, None, {})
        >>> [Plan([a, b], 5, FourierDisk(8, 1.0)).stage(epoch).name for epoch in range(4)]
        ['a', 'a', 'b', 'b']
        """
        used = [stage for stage in self.stages if stage.epochs > 0]
        ends = list(accumulate(stage.epochs for stage in used))
        return used[min(bisect_right(ends, epoch), len(used) - 1)]

    @cached_property
    def pixels(self) -> list[int]:
        """Frequencies of an image that each stage learns from."""
        return [len(self.disk.limit(resolution=stage.resolution)) for stage in self.stages]

    def work(self, step: int) -> float:
        """Frequencies an image that are still to be learned from, counted from a step of the run."""
        left, first = 0.0, 0
        for stage, pixels in zip(self.stages, self.pixels, strict=True):
            last = first + stage.epochs * self.steps
            left += max(0, last - max(step, first)) * pixels
            first = last
        return left
