"""Sampler: the order in which particles are seen, a function of seed, epoch and process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError


@dataclass(frozen=True)
class Sampler:
    """Order of ``count`` particles for one of ``world`` processes; it holds no state.

    A process sees the particles with ``index % world == rank``, those whose rows it keeps. Every batch has
    the same size: the last one of an epoch is filled up with the epoch's first particles.

    >>> sampler = Sampler(count=5, batch_size=2, seed=0)
    >>> sampler.steps, sorted(set(sampler.order(epoch=0).tolist())), len(sampler.order(epoch=0))
    (3, [0, 1, 2, 3, 4], 6)
    """

    count: int
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.count < self.world:
            raise InputError(
                f"Found {self.count} particles for {self.world} processes; wanted at least one for each. "
                "Select more particles or start fewer processes."
            )

    @property
    def size(self) -> int:
        """Images in a batch: ``batch_size``, or all of a process's particles if they are fewer."""
        return min(self.batch_size, self.count // self.world)

    @property
    def steps(self) -> int:
        """Batches in an epoch, the same in every process."""
        most = -(-self.count // self.world)
        return -(-most // self.size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Particles of one epoch in the order in which they are seen: ``steps * size`` of them."""
        own = np.arange(self.rank, self.count, self.world, dtype=np.int64)
        shuffled = np.random.default_rng([self.seed, epoch, self.rank]).permutation(own)
        return np.resize(shuffled, self.steps * self.size)

    def step_seed(self, step: int) -> int:
        """Seed of the random numbers that a step draws, so that no state of a generator need be kept."""
        words = np.random.SeedSequence([self.seed, step, self.rank]).generate_state(1, np.uint64)
        return int(words[0] >> np.uint64(1))
