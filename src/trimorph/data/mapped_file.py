"""MappedFile: a large file of equal rows that is read as a tensor, at random, in little memory."""

from __future__ import annotations

import mmap
import warnings
from pathlib import Path

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

_AROUND = 2**21
"""Bytes that the system may map around a byte that is touched."""
_MAPPED_AT_MOST = 2**31


class MappedFile:
    """Rows (i, n, ...) of a file, mapped and never written.

    A file that is ``large`` cannot stay in memory. All rows of a batch are then sorted and announced to
    the system before they are touched, so that a disk reads them side by side (3 times faster than one after
    another), and what is mapped, which counts as the process's memory, is given back before it can be 2 GiB.
    """

    def __init__(self, path: Path, *, shape: tuple[int, ...], dtype: torch.dtype, large: bool) -> None:
        with path.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if large:
            self._mapping.madvise(mmap.MADV_RANDOM)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="The given buffer is not writable", category=UserWarning
            )
            self._values = torch.frombuffer(self._mapping, dtype=dtype).view(shape)
        self.large = large
        self._touched = 0

    def rows(self, index: Int[Tensor, " b"], count: int) -> Shaped[Tensor, "b m ..."]:
        """The first ``count`` entries of some rows, in the order of ``index``."""
        prefix = self._values[:, :count]
        if not self.large:
            return prefix.index_select(0, index)
        order = torch.argsort(index)
        item = self._values[0, 0].nbytes
        self._announce(index[order], count * item, self._values.shape[1] * item)
        found = prefix.index_select(0, index[order]).index_select(0, torch.argsort(order))
        self._give_back(len(index) * (count * item + _AROUND))
        return found

    def _announce(self, index: Int[Tensor, " b"], length: int, stride: int) -> None:
        for row in index.tolist():
            start = row * stride
            page = start - start % mmap.PAGESIZE
            self._mapping.madvise(mmap.MADV_WILLNEED, page, start + length - page)

    def _give_back(self, touched: int) -> None:
        self._touched += touched
        if self._touched > _MAPPED_AT_MOST:
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
