"""How many bytes of pictures a page may still take."""

from __future__ import annotations


class Budget:
    """Bytes of files that may be put into a page; those that no longer fit stay beside it.

    >>> budget = Budget(100)
    >>> budget.take(60), budget.take(60), budget.take(40), budget.left
    (True, False, True, 0)
    """

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Whether so many more bytes fit; they are then taken."""
        if size > self.left:
            return False
        self.left -= size
        return True
