"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator
from pathlib import Path

import hypothesis
import pytest
import torch
import tyro  # noqa: F401  a doctest run before its import leaves in builtins._ what it stumbles over

SHARED = Path(os.environ.get("TRIMORPH_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"

# the same examples every time, and no limit on the time of one: the machine may be busy
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("steady")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What modules make stays till the end: the collector need not look through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Path of a file in the shared test data; the test is skipped by name where it is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs shared test data {name}")
        return path

    return find
