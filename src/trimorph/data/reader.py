"""ImageReader: raw images of a table out of its many stacks, sorted on the way to the disk."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.mrc import MrcStack, open_stack
from trimorph.data.tables import ParticleTable

_OPEN_AT_ONCE = 256
"""Memory maps kept open: each holds a file descriptor, of which a process has about a thousand."""


class ImageReader:
    """Reads images by their row in a table.

    Errors: InputError at once where a stack is damaged, has another box than the table, or too few images.
    """

    def __init__(self, table: ParticleTable) -> None:
        self._table = table
        self._maps: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = Lock()
        used = np.unique(table.stack)
        self._stacks: dict[int, MrcStack] = {int(s): open_stack(table.stacks[s]) for s in used}
        self._check()

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images (b, box, box) of some rows, which must share one box, in the order asked."""
        stack, place = self._table.stack[rows], self._table.slice[rows]
        order = np.lexsort((place, stack))
        box = int(self._table.box[rows[0]])
        images = np.empty((len(rows), box, box), dtype=np.float32)
        for run in np.split(order, np.flatnonzero(np.diff(stack[order])) + 1):
            pixels = self._map(int(stack[run[0]]))
            slices = place[run]
            if len(run) > 1 and slices[-1] - slices[0] == len(run) - 1 and (np.diff(slices) == 1).all():
                block = pixels[slices[0] : slices[-1] + 1]
            else:
                block = pixels[slices]
            if run[-1] - run[0] == len(run) - 1 and (np.diff(run) == 1).all():
                images[run[0] : run[-1] + 1] = block
            else:
                images[run] = block
        return images

    def name(self, row: int) -> str:
        """Which image a row is, for messages: its file and its number in it, from 1."""
        table = self._table
        return f"{table.stacks[table.stack[row]]}: image {table.slice[row] + 1}"

    def _map(self, stack: int) -> NDArray[Any]:
        with self._lock:
            pixels = self._maps.pop(stack, None)
            if pixels is None:
                pixels = np.asarray(self._stacks[stack].memmap())
                if len(self._maps) >= _OPEN_AT_ONCE:
                    self._maps.popitem(last=False)
            self._maps[stack] = pixels
            return pixels

    def _check(self) -> None:
        table = self._table
        numbers = np.array(list(self._stacks), dtype=np.int64)
        shapes = np.array([stack.shape for stack in self._stacks.values()], dtype=np.int64)
        shape = shapes[np.searchsorted(numbers, table.stack)]
        wrong = np.flatnonzero((shape[:, 1] != table.box) | (shape[:, 2] != table.box))
        if wrong.size:
            row = int(wrong[0])
            raise InputError(
                f"{table.source}: row {table.row[row] + 1} says a box of {table.box[row]} pixels, but found "
                f"images of {shape[row, 1]} x {shape[row, 2]} in {table.stacks[table.stack[row]]}; wanted "
                "the same. Pass the stack that belongs to the file, or, for a binned one, its pixel size."
            )
        beyond = np.flatnonzero((table.slice < 0) | (table.slice >= shape[:, 0]))
        if beyond.size:
            row = int(beyond[0])
            raise InputError(
                f"{table.source}: row {table.row[row] + 1} names {self.name(row)}, but found {shape[row, 0]} "
                "images in that stack; wanted all that are named. Pass the stack that belongs to the file."
            )
