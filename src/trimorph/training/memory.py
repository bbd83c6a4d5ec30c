"""keep_freed_memory: let the C library reuse the memory of one training step in the next."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Ask glibc to keep up to 512 MiB of freed memory instead of handing it back to the system.

    A step on a CPU frees and takes again the same few hundred MiB; when each page of it has to be mapped and
    cleared anew, that takes as long as a third of the arithmetic. Elsewhere than on glibc nothing is done.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(M_MMAP_THRESHOLD, 2**25)
        library.mallopt(M_TRIM_THRESHOLD, 2**29)
