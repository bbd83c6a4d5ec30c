"""What every registered method must do, whatever its model is."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, make_images
from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.rotations import random_rotations
from trimorph.methods import cloud_fit, cloud_problem
from trimorph.methods.base import Ingredient, Method, Problem, Stage
from trimorph.methods.cloud_fit import CloudFit, fit_cloud
from trimorph.methods.registry import get_method, method_names
from trimorph.run.settings_file import field_docstrings
from trimorph.training.own_particles import OwnParticles
from trimorph.training.processes import Processes

BOX = 12
SMALL = {
    "latent_dim": 3,
    "modes": 3,
    "segments": 3,
    "width": 16,
    "layers": 1,
    "encoder_width": 16,
    "encoder_layers": 1,
    "epochs": 6,
}
"""Settings that make a method small, where it has them."""
DENSITY = cloud(BOX, (0.0, 0.0, 0.0), (2.0, 1.0, -1.0), (-1.0, 2.0, 1.0))
CORNERS = 4.0 * torch.tensor([[2.0, 1.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 2.0, 1.0]])
CHAIN = torch.tensor(8 * [0] + 4 * [1])
RESIDUES = torch.lerp(CORNERS[:2, None], CORNERS[1:, None], torch.arange(6)[:, None] / 6).view(12, 3)
"""Two chains of a structure along the density, for methods that ask for one."""

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "gradient": {"encoder": "gradient"},
    "pixels": {"encoder": "pixels"},
    "no encoder": {"encoder": "none"},
    "given latents": {"encoder": "given"},
    "poses": {"refine_poses": True, "pose_start": 3},
    "no latent": {"latent_dim": 0},
    "from nothing": {"from_mean": False, "encoder": "pixels"},
    "contrast": {"contrast": 0.2},
    "number found": {"modes": "auto"},
}
"""Settings that methods may have in common; each is tried where a method has it."""

Build = Callable[..., Method]

READY: dict[Any, dict[str, Any]] = {}
"""States of methods that have begun, as some take a second for it."""

CLOUDS: dict[float, list[tuple[str, CloudFit]]] = {}
"""Neutral clouds, each fitted to its map for all variants."""


def _known(name: str) -> set[str]:
    return {field.name for field in fields(get_method(name).Settings)}


CASES = [
    pytest.param((name, settings), id=f"{name} {variant}")
    for name in method_names()
    for variant, settings in VARIANTS.items()
    if set(settings) <= _known(name)
]


@pytest.fixture(scope="module")
def images() -> MadeImages:
    return make_images(DENSITY, torch.zeros(20, dtype=torch.long))


@pytest.fixture(params=CASES)
def build(request: Any, images: MadeImages, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Make a small method of each kind in turn, which is told of the mean map and all else that it wants."""
    monkeypatch.setattr(cloud_fit, "ROUNDS", (1, 1))  # a rough neutral cloud will do
    monkeypatch.setattr(cloud_fit, "LOOKS", 10)
    monkeypatch.setattr(cloud_problem, "fit_cloud", _fitted_once)
    name, settings = request.param
    kind = get_method(name)
    small = {key: value for key, value in SMALL.items() if key in _known(name)}

    def make(*, seed: int = 0, mean: Tensor = DENSITY[0]) -> Method:
        torch.manual_seed(seed)
        chosen = kind.Settings(**(small | settings))
        method: Method = kind(chosen, _asked(images.problem(mean), kind.wants(chosen)))
        key = (name, repr(settings), seed, float(mean[0].sum()))
        if key not in READY:
            list(method.begin())
            READY[key] = copy.deepcopy(method.state_dict())
        method.load_state_dict(READY[key])
        return method

    return make


def _fitted_once(density: Tensor, pixel_size: float, **options: Any) -> Iterator[tuple[str, CloudFit]]:
    """What ``fit_cloud`` gives of a map, whatever the seed."""
    key = float(density[0].sum())
    if key not in CLOUDS:
        CLOUDS[key] = list(fit_cloud(density, pixel_size, **options))
    return iter(CLOUDS[key])


def _asked(problem: Problem, wanted: frozenset[Ingredient]) -> Problem:
    """The problem without what is not wanted, and with a structure for a method that asks for its chains."""
    if "chain" in wanted:
        points = torch.cat([RESIDUES, torch.ones(len(RESIDUES), 1)], dim=1)
        problem = replace(problem, points=points, chain=CHAIN)
    return replace(problem, **{name: None for name in get_args(Ingredient) if name not in wanted})


def _review(method: Method, images: MadeImages, stage: Stage) -> list[str]:
    """What the method says at the end of a stage, when it has looked at all images."""
    survey = OwnParticles(images, images.disk, Processes(torch.device("cpu")), batch_size=8)
    return method.eval().review(stage, survey)


def _walk(method: Method, images: MadeImages) -> Iterator[tuple[Stage, list[str]]]:
    """Go through the plan as training does: each stage, reviewed, with what the review says."""
    done = 0
    while done < len(method.stages):
        stage = method.stages[done]
        yield stage, _review(method, images, stage)
        done += 1


def _batch(images: MadeImages) -> Batch:
    return images.batch(torch.tensor([3, 0, 17, 8, 11, 5]))


def _settled(method: Method) -> Method:
    """The method with all parameters moved off their start, where some gradients are zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return method


def _limited(batch: Batch, stage: Stage) -> Batch:
    return batch.limit(batch.disk.limit(resolution=stage.resolution))


def _tensors(batch: Batch) -> Iterator[Tensor]:
    yield from (batch.index, batch.image, batch.rotation, batch.shift, batch.group)
    yield from (getattr(batch.ctf, field.name) for field in fields(batch.ctf))


def test_settings_are_a_frozen_dataclass_with_texts(build: Build) -> None:
    kind = type(build()).Settings
    assert is_dataclass(kind)
    texts = field_docstrings(kind)
    for field in fields(kind):
        assert texts.get(field.name, "").endswith("."), field.name
    with pytest.raises(FrozenInstanceError):
        setattr(kind(), fields(kind)[0].name, None)


def test_groups_hold_every_parameter_once(build: Build) -> None:
    method = build()
    grouped = [parameter for group in method.parameter_groups().values() for parameter in group]
    assert len({id(parameter) for parameter in grouped}) == len(grouped)
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in method.parameters()}


def test_stages_are_a_plan(build: Build) -> None:
    method = build()
    stages = method.stages
    assert all(stage.epochs > 0 for stage in stages)
    assert len({stage.name for stage in stages}) == len(stages)
    assert all(stage.resolution is None or stage.resolution > 2 * PIXEL_SIZE for stage in stages)
    groups = method.parameter_groups()
    for stage in stages:
        assert stage.learning_rate
        assert set(stage.learning_rate) <= set(groups)
        assert all(rate > 0 for rate in stage.learning_rate.values())
    learned = {name for stage in stages for name in stage.learning_rate}
    assert learned == set(groups), "a group that no stage learns"


def test_reviews_leave_the_past_alone_speak_in_lines_and_keep_latents_in_shape(
    build: Build, images: MadeImages
) -> None:
    """What is to come they may cut."""
    method = _settled(build())
    plan, done = method.stages, 0
    for stage, lines in _walk(method, images):
        done += 1
        after = method.stages
        assert len(after) <= len(plan)
        assert after[:done] == plan[:done]
        assert stage == after[done - 1]
        assert all(stage.epochs > 0 for stage in after)
        assert all(line and "\n" not in line and "nan" not in line for line in lines)
        _assert_latents_in_shape(method, images, stage)
        plan = after
    assert done == len(method.stages)


def test_latents_have_their_shapes(build: Build, images: MadeImages) -> None:
    method = build()
    _assert_latents_in_shape(method, images, method.stages[0])


def _assert_latents_in_shape(method: Method, images: MadeImages, stage: Stage) -> None:
    posterior, d = method.encode(_limited(_batch(images), stage)), method.latent_dim
    assert posterior.mean.shape == (6, d)
    assert posterior.factor.shape == (6, d, d)
    assert posterior.mean.isfinite().all()
    assert posterior.factor.isfinite().all()
    assert torch.equal(posterior.factor, posterior.factor.tril())


def test_latents_decode_to_densities(build: Build) -> None:
    method = _settled(build())
    z = torch.randn(3, method.latent_dim, generator=torch.Generator().manual_seed(0))
    volume = method.decode(z)
    rotation = random_rotations(3, generator=torch.Generator().manual_seed(0)).float()
    for disk in (method.disk, method.disk.limit(resolution=16.0), FourierDisk(9, 6.0)):
        with torch.no_grad():
            slices = volume.project(rotation, disk)
        assert slices.shape == (3, len(disk))
        assert slices.dtype == torch.complex64
        assert slices.isfinite().all()
    for box, pixel_size in ((BOX, PIXEL_SIZE), (9, 6.0), (15, 3.0)):
        with torch.no_grad():
            density = volume.voxels(box, pixel_size)
        assert density.shape == (3, box, box, box)
        assert density.dtype == torch.float32
        assert density.isfinite().all()


def test_slices_are_those_of_the_voxels(build: Build) -> None:
    """Along z the projection of the voxels is the slice, to what voxels can hold of it."""
    method = _settled(build())
    volume = method.decode(torch.zeros(1, method.latent_dim))
    disk = FourierDisk(2 * BOX + 1, PIXEL_SIZE).limit(radius=6.0)
    with torch.no_grad():
        slices = volume.project(torch.eye(3)[None], disk)
        projected = disk.transform(volume.voxels(disk.box, PIXEL_SIZE).sum(1))
    assert float((slices - projected).norm() / slices.norm()) < 0.02


def test_one_latent_serves_all_poses(build: Build) -> None:
    method = _settled(build())
    z = torch.ones(1, method.latent_dim)
    rotation = random_rotations(4, generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        one = method.decode(z).project(rotation, method.disk)
        many = method.decode(z.expand(4, -1)).project(rotation, method.disk)
    torch.testing.assert_close(one, many, rtol=1e-4, atol=1e-3)


def test_loss_is_finite_and_reaches_every_parameter_that_is_learned(build: Build, images: MadeImages) -> None:
    method = _settled(build())
    groups = method.parameter_groups()
    for stage in method.stages:
        method.zero_grad()
        terms = method(_limited(_batch(images), stage), stage, 0.7)
        assert terms
        assert all(term.shape == () and bool(term.isfinite()) for term in terms.values())
        torch.stack(list(terms.values())).sum().backward()
        for name in stage.learning_rate:
            for parameter in groups[name]:
                gradient = parameter.grad
                assert gradient is not None, name
                gradient = gradient.to_dense()
                assert gradient.isfinite().all(), name
                assert float(gradient.abs().max()) > 0, name


def test_first_step_is_finite(build: Build, images: MadeImages) -> None:
    method = build()
    stage = method.stages[0]
    terms = method(_limited(_batch(images), stage), stage, 0.0)
    torch.stack(list(terms.values())).sum().backward()
    gradients = [parameter.grad for parameter in method.parameters() if parameter.grad is not None]
    assert gradients
    assert all(bool(gradient.to_dense().isfinite().all()) for gradient in gradients)


def test_bfloat16_gives_nearly_the_same_loss(build: Build, images: MadeImages) -> None:
    method = build()
    losses = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            terms = method(_batch(images), method.stages[-1], 1.0)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        loss.backward()
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    gradients = [parameter.grad for parameter in method.parameters() if parameter.grad is not None]
    assert all(bool(gradient.to_dense().isfinite().all()) for gradient in gradients)


def test_batch_is_left_as_it_was(build: Build, images: MadeImages) -> None:
    method, batch = build(), _batch(images)
    before = [value.clone() for value in _tensors(batch)]
    disk = batch.disk
    method.encode(batch)
    for stage in method.stages:
        method(_limited(batch, stage), stage, 0.5)
    assert all(torch.equal(value, old) for value, old in zip(_tensors(batch), before, strict=True))
    assert batch.disk is disk


def test_a_latent_does_not_depend_on_the_rest_of_the_batch(build: Build, images: MadeImages) -> None:
    method = _settled(build()).eval()
    whole = method.encode(_batch(images)).mean
    alone = torch.cat([method.encode(images.batch(row[None])).mean for row in _batch(images).index])
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reviewed", [False, True])
def test_state_is_the_whole_model(build: Build, images: MadeImages, reviewed: bool) -> None:
    """A file that runs no code takes it, and a method built anew gives and plans the same from it."""
    method = _settled(build(seed=0))
    if reviewed:
        list(_walk(method, images))
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = build(seed=1, mean=torch.flip(DENSITY[0], (0,)))
    rotation = random_rotations(2, generator=torch.Generator().manual_seed(0)).float()

    def outputs(model: Method) -> list[Tensor]:
        with torch.no_grad():
            volume = model.decode(torch.ones(2, model.latent_dim))
            posterior = model.encode(_batch(images))
            return [
                volume.project(rotation, model.disk),
                volume.voxels(BOX, PIXEL_SIZE),
                posterior.mean,
                posterior.factor,
            ]

    assert not any(torch.equal(a, b) for a, b in zip(outputs(other)[:2], outputs(method)[:2], strict=True))
    other.load_state_dict(torch.load(file, weights_only=True))
    for ours, wanted in zip(outputs(other), outputs(method), strict=True):
        assert torch.equal(ours, wanted)
    assert other.stages == method.stages


def test_same_seed_same_model_and_loss(build: Build, images: MadeImages) -> None:
    losses, weights = [], []
    for seed in (0, 0, 1):
        method = _settled(build(seed=seed))
        weights.append(torch.cat([parameter.detach().flatten() for parameter in method.parameters()]))
        stage = method.stages[-1]
        torch.manual_seed(10 + seed)
        losses.append(torch.stack(list(method(_batch(images), stage, 0.5).values())).sum().item())
    assert losses[0] == losses[1]
    drawn = not torch.equal(weights[0], weights[2])  # a structure without latents has nothing to draw
    assert (losses[0] != losses[2]) == drawn


def test_tables_have_a_row_for_every_particle(build: Build, images: MadeImages) -> None:
    for rows in build().particle_rows():
        assert rows.count == len(images)


def test_noise_is_that_of_the_problem(build: Build, images: MadeImages) -> None:
    assert torch.equal(build().noise.power, images.noise.power)
