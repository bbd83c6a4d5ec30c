"""RowFile: a file of equal rows that is read as a tensor, at random, in little memory."""

from __future__ import annotations

import errno
import mmap
import os
import sys
import warnings
import weakref
from pathlib import Path

import torch
from jaxtyping import Int, Shaped
from torch import Tensor


class RowFile:
    """Rows (i, n, ...) of a file that is never written.

    The file is mapped, or, where it is ``large`` and cannot stay in memory, read: all rows of a batch are
    then announced to the system in the order of the file before the first is read, so that a disk fetches
    them side by side, and what is read takes no memory but the batch's own.
    """

    def __init__(self, path: Path, *, shape: tuple[int, ...], dtype: torch.dtype, large: bool) -> None:
        self.large = large
        self._path, self._shape, self._dtype = path, shape, dtype
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        if not large:
            self._mapped = _mapped(self._descriptor, dtype).view(shape)
        elif sys.platform == "linux":
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    def rows(self, index: Int[Tensor, " b"], count: int) -> Shaped[Tensor, "b m ..."]:
        """The first ``count`` entries of some rows, in the order of ``index``.

        Threads may call it side by side. Errors: OSError where the file has become shorter.
        """
        if not self.large:
            return self._mapped[:, :count].index_select(0, index)
        found = torch.empty(len(index), count, *self._shape[2:], dtype=self._dtype)
        stride = found[0, 0].nbytes * self._shape[1]
        places = torch.argsort(index)
        starts = (index[places] * stride).tolist()
        self._announce(starts, found[0].nbytes)
        into = found.view(torch.uint8).flatten(1).numpy()
        for place, start in zip(places.tolist(), starts, strict=True):
            if os.preadv(self._descriptor, [into[place].data], start) < into.shape[1]:
                raise OSError(
                    errno.EIO,
                    f"{self._path}: found no more at byte {start}; wanted prepared images there. Was the "
                    "file changed? Delete it: it is made again.",
                )
        return found

    def _announce(self, starts: list[int], length: int) -> None:
        if sys.platform == "linux":
            for start in starts:
                os.posix_fadvise(self._descriptor, start, length, os.POSIX_FADV_WILLNEED)


def _mapped(descriptor: int, dtype: torch.dtype) -> Tensor:
    mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable", category=UserWarning)
        return torch.frombuffer(mapping, dtype=dtype)
