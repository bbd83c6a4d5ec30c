"""NonFiniteGuard: what happens when a loss or a gradient is not a number."""

from __future__ import annotations

from dataclasses import dataclass, field

from trimorph.core.errors import InputError
from trimorph.methods.base import Method
from trimorph.training.optimisers import Optimisers
from trimorph.training.state import State, copy_state, put_state

LIMIT = 3
"""Bad batches in one epoch at which training stops."""

KEEP_STEPS = 100
"""Steps between copies of the good state."""


@dataclass
class NonFiniteGuard:
    """Keeps a copy of the last good state, goes back to it, gives up at the third bad batch of an epoch."""

    method: Method
    optimisers: Optimisers
    good: State = field(default_factory=dict)
    since: int = 0
    bad: list[str] = field(default_factory=list)

    def begin_epoch(self) -> None:
        """Forget the bad batches of the epoch before."""
        self.bad.clear()

    def keep(self) -> None:
        """Keep the present state as good; to be called when the last step is known to be."""
        self.good, self.since = copy_state(self.method, self.optimisers), 0

    def passed(self) -> None:
        """Count a good step."""
        self.since += 1

    @property
    def due(self) -> bool:
        """Whether it is time to keep the state again."""
        return self.since >= KEEP_STEPS

    def failed(self, where: str) -> None:
        """Go back to the good state, or stop with an error that names the bad batches."""
        self.bad.append(where)
        put_state(self.method, self.optimisers, self.good)
        self.since = 0
        if len(self.bad) >= LIMIT:
            raise InputError(
                f"Training: found a loss or gradient that is not finite in {len(self.bad)} batches of one "
                f"epoch ({'; '.join(self.bad)}); wanted finite numbers. The last good state is kept. Look at "
                "the images and CTF values of these particles, or train with a lower learning rate or "
                "--precision float32."
            )
