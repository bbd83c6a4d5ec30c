"""Segments that are there to a part: bounds, what z = 0 is, and a piece that half of the images lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from methods.made_images import PIXEL_SIZE, make_images, train
from methods.made_structure import BOX, adenylate_kinase, with_structure
from methods.test_structure_method import Z, made
from trimorph.data.residues import Residues
from trimorph.data.scattering import AtomicDensity
from trimorph.methods.segment_motion import FULLEST
from trimorph.methods.segments import Segments, SegmentsSettings

FIRST, LAST = 113, 170


def test_all_is_there_at_latent_zero_and_nothing_is_there_twice() -> None:
    method = made(part=True, occupancy=True)
    assert method.rigid is not None
    with torch.no_grad():
        method.rigid.network.last.weight *= 20
        far = method.residue_motion(torch.linspace(-30, 30, 7)[:, None]).occupancy
        assert torch.equal(method.residue_motion(Z).occupancy[0], torch.ones(214))
        rigid = method.segment_motion(Z)
        amplitude = method.decode(Z).amplitude
    assert 0 <= float(far.min()) < 0.1
    assert 1.2 < float(far.max()) <= FULLEST
    assert torch.equal(far[:, :10], torch.ones(7, 10))  # in no part
    torch.testing.assert_close(amplitude[1] / amplitude[0], method.residue_motion(Z).occupancy[1])
    for number, segment in enumerate(method.segments()):
        rows = list(segment.residues)
        torch.testing.assert_close(
            method.residue_motion(Z).occupancy[:, rows],
            rigid.occupancy[:, number, None].expand(-1, len(rows)),
        )


def test_a_piece_that_half_of_the_images_lack_is_told(tmp_path: Path) -> None:
    """Drawn from voxels of all atoms; the segments are learned."""
    whole = adenylate_kinase()
    less = whole.select((whole.residue < FIRST) | (whole.residue > LAST))
    maps = torch.cat(
        [
            AtomicDensity.of(atoms, resolution=8.0, origin=np.zeros(3)).voxels(BOX, PIXEL_SIZE)
            for atoms in (whole, less)
        ]
    )
    maps = maps / maps.std()
    state = torch.arange(200) % 2
    images = make_images(maps, state, noise_level=3.0)
    problem = with_structure(images.problem(maps.mean(0)), Residues.of(whole))
    settings = SegmentsSettings(
        latent_dim=1, segments=4, occupancy=True, epochs=8, encoder="pixels", width=48, layers=1,
        encoder_width=96, encoder_layers=1, coarse_to_fine=False, learning_rate=3e-3, beta=0.25,
        beta_peak=0.25, segments_learning_rate=2e-2,
    )  # fmt: skip
    torch.manual_seed(0)
    method = Segments(settings, problem)
    train(method, images, tmp_path / "run", problem=problem)
    with torch.no_grad():
        z = method.encode(images.batch(torch.arange(200))).mean
        there = method.residue_motion(z).occupancy[:, FIRST - 1 : LAST].mean(1).numpy()
    wins = mannwhitneyu(there[state == 0], there[state == 1]).statistic
    assert wins / 100**2 > 0.9
    assert there[state == 1].mean() < 0.3 < 0.9 < there[state == 0].mean()
    middle = next(one for one in method.segments() if one.first <= 140 <= one.last)
    assert abs(middle.first - FIRST) <= 5
    assert abs(middle.last - LAST) <= 5
