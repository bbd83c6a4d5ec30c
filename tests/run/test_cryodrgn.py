"""cryoDRGN's own decoders give cryoDRGN's own volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.voxel_grid import VoxelGrid
from trimorph.run.cryodrgn import load_cryodrgn

HERE = Path(__file__).parent / "cryodrgn"
LATENT = torch.tensor([0.3, -0.7, 1.1])


@pytest.mark.parametrize("name", ["fourier_gaussian", "hartley_geom_lowf"])
def test_volume_equals_what_cryodrgn_evaluates(name: str) -> None:
    decoder = load_cryodrgn(HERE / f"{name}.weights.pkl", HERE / f"{name}.config.yaml", pixel_size=2.0)
    recorded = np.load(HERE / f"{name}.volume.npy")
    difference = np.abs(decoder.volume(LATENT).numpy() - recorded).max()
    assert difference < 1e-3 * recorded.std()


def test_field_projects_like_the_recorded_volume() -> None:
    decoder = load_cryodrgn(
        HERE / "fourier_gaussian.weights.pkl", HERE / "fourier_gaussian.config.yaml", pixel_size=2.0
    )
    # on the grid's own axes no interpolation is needed, so field and map agree up to the kernel's error
    rotation = torch.eye(3)[None][:, [1, 2, 0]]
    disk = FourierDisk(16, 2.0)
    volume = torch.as_tensor(np.load(HERE / "fourier_gaussian.volume.npy"))[None]
    ours = decoder.decode(LATENT[None]).project(rotation, disk)
    theirs = VoxelGrid(volume, 2.0).project(rotation, disk)
    # cryoDRGN never trains the origin, and its map holds another value there
    assert (ours - theirs)[:, 1:].abs().max() < 2e-3 * theirs.abs().max()


def test_what_is_not_a_run_of_cryodrgn_is_refused(tmp_path: Path) -> None:
    config = HERE / "fourier_gaussian.config.yaml"
    bad = tmp_path / "weights.pkl"
    bad.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"weights\.pkl: found no file of torch weights"):
        load_cryodrgn(bad, config, pixel_size=2.0)
    torch.save({"model_state_dict": {"x": torch.zeros(1)}}, bad)
    with pytest.raises(InputError, match="found no decoder among its 1 tensors; wanted"):
        load_cryodrgn(bad, config, pixel_size=2.0)
    other = tmp_path / "config.yaml"
    other.write_text(config.read_text().replace("pe_type: gaussian", "pe_type: fancy"))
    with pytest.raises(InputError, match="found positional encoding fancy"):
        load_cryodrgn(HERE / "fourier_gaussian.weights.pkl", other, pixel_size=2.0)
    other.write_text("a: 1")
    with pytest.raises(InputError, match="found no 'model_args' among its settings"):
        load_cryodrgn(HERE / "fourier_gaussian.weights.pkl", other, pixel_size=2.0)
