"""Small simulations in which something moves, made once for all tests of scores."""

from __future__ import annotations

import numpy as np
import pytest

from trimorph.data.mrc import read_map
from trimorph.data.simulate import simulate
from trimorph.data.truth import Truth

Moving = tuple[Truth, np.ndarray]


@pytest.fixture(scope="session", params=["linear", "cyclic", "mixed"])
def moving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Moving:
    """Truth with its ceiling, and maps of the states (k, 24, 24, 24)."""
    found = simulate(
        request.param, tmp_path_factory.mktemp(request.param) / "s", count=400, box=24, pixel_size=8.0,
        snr=0.5, voxels=True, ceiling=True,
    )  # fmt: skip
    assert found.states is not None
    return found.truth, np.stack([read_map(path).values for path in sorted(found.states.glob("*.mrc"))])
