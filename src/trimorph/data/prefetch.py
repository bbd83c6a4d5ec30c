"""Work ahead of a consumer in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def map_ahead(
    function: Callable[[A], B], items: Iterable[A], *, workers: int = 1, depth: int = 2
) -> Generator[B]:
    """Yield function(item) in order, while ``workers`` threads compute up to ``depth`` results ahead.

    An exception in a thread is raised here, after the results before it. When the consumer stops early
    (``break``, ``close`` or an exception of its own), the threads end after the items at hand.

    >>> list(map_ahead(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    ahead: deque[Future[B]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > depth:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
