"""The method segments: rigid motions that are exact, what may move, and a hinge that it has to find."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
from scipy.stats import spearmanr
from torch import Tensor

from methods.made_images import MadeImages, train
from methods.made_structure import BOUNDARY, adenylate_kinase, hinge_images, with_structure
from training.fitting import together
from trimorph.core.errors import InputError
from trimorph.core.rotations import vector_to_matrix
from trimorph.data.residues import Residues
from trimorph.methods.base import Problem
from trimorph.methods.latent_settings import LatentSettings
from trimorph.methods.segment_report import living
from trimorph.methods.segments import Segments, SegmentsSettings
from trimorph.training.latents import Latents

ANGLES = torch.linspace(-0.6, 0.6, 5)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "method-segments.md"
SMALL: dict[str, Any] = {
    "latent_dim": 1, "segments": 2, "encoder": "pixels", "width": 48, "layers": 1, "encoder_width": 96,
    "encoder_layers": 1, "coarse_to_fine": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def moving() -> tuple[MadeImages, Tensor, Problem]:
    images, state, mean = hinge_images(ANGLES, count=300, noise_level=2.0)
    return images, state, with_structure(images.problem(mean), Residues.of(adenylate_kinase()))


@pytest.fixture
def problem(moving: tuple[MadeImages, Tensor, Problem]) -> Problem:
    return moving[2]


def build(problem: Problem, **settings: Any) -> Segments:
    torch.manual_seed(0)
    return Segments(SegmentsSettings(**SMALL | settings), problem)


def disturb(method: Segments) -> Segments:
    """A network that says something at every latent, and segments that are not alike."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return method


def parts_of(problem: Problem) -> Problem:
    """The part that turns, and the rest but its first ten residues, as segments of the user."""
    part = (torch.arange(214) >= BOUNDARY - 1).long()
    part[:10] = -1
    return replace(problem, part=part)


def test_latent_zero_is_the_structure(problem: Problem) -> None:
    method = disturb(build(problem))
    with torch.no_grad():
        assert torch.equal(method.decode(torch.zeros(2, 1)).position[1], method.position)
        assert float((method.decode(torch.ones(1, 1)).position - method.position).abs().max()) > 0.1


def test_decoded_structures_are_always_the_same(problem: Problem) -> None:
    method = disturb(build(problem)).train()
    with torch.no_grad():
        first, second = (method.decode(torch.ones(1, 1)).position for _ in range(2))
    assert torch.equal(first, second)


def test_a_turn_about_a_hinge_is_exact(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point far from the segment's centroid as pivot: a screw at the centroid."""
    method = build(parts_of(problem))
    assert method.rigid is not None
    turn, pivot = torch.tensor([0.3, -0.9, 0.5]), torch.tensor([3.0, -7.0, 11.0])
    end = method.position[BOUNDARY - 1 :]
    slide = torch.linalg.cross(turn, end.mean(0) - pivot)
    still = torch.zeros(3)
    screws = torch.stack([still, turn])[None], torch.stack([still, slide])[None], torch.ones(1, 2)
    monkeypatch.setattr(method.rigid, "screws", lambda z: screws)
    found = method.decode(torch.zeros(1, 1)).position[0]
    expected = (end - pivot) @ vector_to_matrix(turn).mT + pivot
    torch.testing.assert_close(found[BOUNDARY - 1 :], expected, rtol=0, atol=1e-4)
    assert torch.equal(found[: BOUNDARY - 1], method.position[: BOUNDARY - 1])


def test_what_is_in_no_part_stays_and_parts_are_rigid(problem: Problem) -> None:
    method = disturb(build(parts_of(problem)))
    assert "segments" not in method.parameter_groups()
    with torch.no_grad():
        moved = method.decode(torch.ones(1, 1)).position[0]
    assert torch.equal(moved[:10], method.position[:10])
    for rows in (slice(10, BOUNDARY - 1), slice(BOUNDARY - 1, 214)):
        before, after = (torch.pdist(place[rows].double()) for place in (method.position, moved))
        torch.testing.assert_close(before, after, rtol=0, atol=1e-3)
        assert float((moved[rows] - method.position[rows]).abs().max()) > 0.05


def test_only_chosen_residues_move(problem: Problem) -> None:
    method = disturb(build(replace(problem, movable=torch.arange(100, 150))))
    with torch.no_grad():
        moved = (method.decode(torch.ones(1, 1)).position[0] - method.position).norm(dim=1)
    assert float(moved[:100].max()) == float(moved[150:].max()) == 0.0
    assert float(moved[100:150].min()) > 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": None}, "found a problem without a structure.*--structure"),
        ({"mean": None}, "found a problem without a mean map"),
        ({"movable": torch.tensor([3, 214])}, "found the number 214 .*wanted 0 to 213"),
        ({"part": torch.full((214,), -1)}, "found no residue that may move"),
    ],
)
def test_problems_that_do_not_fit(problem: Problem, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Segments.refuse(SegmentsSettings(), replace(problem, **changes))


def test_a_hinge_is_found(moving: tuple[MadeImages, Tensor, Problem], tmp_path: Path) -> None:
    """The order of the angles, and where the turning part begins."""
    images, state, problem = moving
    method = build(
        problem, epochs=12, learning_rate=3e-3, beta=0.25, beta_peak=0.25, segments_learning_rate=2e-2
    )
    train(method, images, tmp_path / "run", problem=problem)
    z = torch.as_tensor(Latents.load(tmp_path / "run" / "latents" / "0012.npz").mean)[:, 0]
    assert abs(spearmanr(z, state).statistic) > 0.9
    assert method.rigid is not None
    first, second = living(method.rigid.segmentation)
    assert abs(second.first - BOUNDARY) <= 3
    assert first.last == second.first - 1
    said = (tmp_path / "run" / "log.txt").read_text()
    assert "segments: 2 of 2 hold residues, 2 move on their own" in said


def _gradients(moved: Segments, images: MadeImages, rows: Tensor) -> dict[str, Tensor]:
    moved.zero_grad()
    torch.manual_seed(0)
    terms = moved(images.batch(rows), moved.stages[-1], 0.5)
    torch.stack(list(terms.values())).sum().backward()
    return {name: value.grad.to_dense() for name, value in moved.named_parameters() if value.grad is not None}


def _share_gradients(method: Segments, images: MadeImages, expected: dict[str, Tensor]) -> None:
    """In one of two processes: the mean over processes of half a batch's gradients is the whole batch's."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    for name, gradient in _gradients(method, images, torch.arange(8)[rank::2]).items():
        torch.distributed.all_reduce(gradient)
        torch.testing.assert_close(
            gradient / 2, expected[name], rtol=1e-5, atol=1e-5 * float(expected[name].abs().max())
        )
    torch.distributed.destroy_process_group()


def test_segments_that_part_move_as_before(problem: Problem) -> None:
    """Of fourteen six are used at first, of which two are merged: parts turn about their own centroids."""
    method = build(problem, segments=14, coarse_to_fine=True, epochs=10)
    assert method.rigid is not None
    method.rigid.begin()
    disturb(method)
    segmentation = method.rigid.segmentation
    segmentation.exponent = 1e5
    segmentation.merge(torch.tensor([0, 1, 2, 1, *range(4, 14)]))
    z = torch.tensor([[1.0], [-2.0]])
    with torch.no_grad():
        before, old = method.decode(z).position, method.segments()
        label = torch.zeros(214, dtype=torch.long)
        for one in old:
            label[list(one.residues)] = one.number
        rows = torch.tensor(old[1].residues)
        label[rows[3:12]] = 20
        method.rigid.part(0, label.tolist(), method.position)
        torch.testing.assert_close(method.decode(z).position, before, rtol=0, atol=2e-3)
    new = method.segments()
    assert len(new) == len(old) + 1
    assert tuple(rows[3:12].tolist()) in [one.residues for one in new]
    assert (*rows[:3].tolist(), *rows[12:].tolist()) in [one.residues for one in new]
    assert float((before - method.position).abs().max()) > 1


def test_few_segments_begin_as_more_and_old_checkpoints_as_they_are(problem: Problem) -> None:
    old, new, fresh = (build(problem, coarse_to_fine=True, epochs=10) for _ in range(3))
    list(new.begin())
    assert old.rigid is not None
    assert new.rigid is not None
    assert fresh.rigid is not None
    assert (old.rigid.segmentation.count, new.rigid.segmentation.count) == (2, 6)
    z = torch.ones(1, 1)
    for saved in (disturb(new), disturb(old), new):
        fresh.load_state_dict(saved.state_dict())
        with torch.no_grad():
            assert torch.equal(fresh.decode(z).position, saved.decode(z).position)


def test_two_processes_have_the_gradients_of_one(moving: tuple[MadeImages, Tensor, Problem]) -> None:
    images, _, problem = moving
    method = disturb(build(problem, encoder="none", elastic=1.0, elastic_kept=0.9)).eval()
    with torch.no_grad():  # latents that are points, so that nothing is drawn
        next(iter(method.inference.encoder.parameters())).normal_()
    expected = _gradients(method, images, torch.arange(8))
    together(2, partial(_share_gradients, method, images, expected))


def test_the_page_holds_all_own_settings_and_their_defaults() -> None:
    row = re.compile(r"^\| `--([a-z-]+)` \| ([^|\n]*) \|", re.M)
    table = dict(row.findall(PAGE.read_text(encoding="utf-8")))
    shared = {item.name for item in fields(LatentSettings)}
    own = [item for item in fields(SegmentsSettings) if item.name not in shared]
    assert sorted(table) == sorted(item.name.replace("_", "-") for item in own)
    for item in own:
        if item.default is not None:  # else the page says in words what is found
            assert table[item.name.replace("_", "-")] == str(item.default)
