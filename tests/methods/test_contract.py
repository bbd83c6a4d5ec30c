"""What every registered method must do, whatever its model is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.made_images import PIXEL_SIZE, MadeImages, cloud, make_images
from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.rotations import random_rotations
from trimorph.methods.base import Method, Stage
from trimorph.methods.registry import get_method, method_names
from trimorph.run.settings_file import field_docstrings

BOX = 12
SMALL = {"latent_dim": 3, "width": 16, "layers": 1, "encoder_width": 16, "encoder_layers": 1, "epochs": 6}
DENSITY = cloud(BOX, (0.0, 0.0, 0.0), (2.0, 1.0, -1.0), (-1.0, 2.0, 1.0))

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no encoder": {"encoder": "none"},
    "poses": {"refine_poses": True, "pose_start": 3},
    "no latent": {"latent_dim": 0},
}
"""Settings that methods may have in common; each is tried where a method has it."""

Build = Callable[..., Method]


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
def build(request: Any, images: MadeImages) -> Build:
    """Make a small method of each kind in turn; ``mean`` is the mean map that it is told."""
    name, settings = request.param
    kind = get_method(name)
    small = {key: value for key, value in SMALL.items() if key in _known(name)}

    def make(*, seed: int = 0, mean: Tensor | None = DENSITY[0]) -> Method:
        torch.manual_seed(seed)
        return kind(kind.Settings(**(small | settings)), images.problem(mean))

    return make


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
    assert sum(stage.epochs for stage in stages) == SMALL["epochs"]
    assert all(stage.resolution is None or stage.resolution > 2 * PIXEL_SIZE for stage in stages)
    assert stages[-1].resolution is None
    groups = method.parameter_groups()
    for stage in stages:
        assert stage.learning_rate
        assert set(stage.learning_rate) <= set(groups)
        assert all(rate > 0 for rate in stage.learning_rate.values())
    learned = {name for stage in stages for name in stage.learning_rate}
    assert learned == set(groups), "a group that no stage learns"


def test_latents_have_their_shapes(build: Build, images: MadeImages) -> None:
    method = build()
    d = method.latent_dim
    for stage in method.stages:
        posterior = method.encode(_limited(_batch(images), stage))
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
    """At the very start too, with and without a mean map."""
    for mean in (DENSITY[0], None):
        method = build(mean=mean)
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


def test_state_is_the_whole_model(build: Build, images: MadeImages) -> None:
    """A file that runs no code takes it, and a method built anew gives the same from it."""
    method = _settled(build(seed=0))
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = build(seed=1, mean=torch.flip(DENSITY[0], (0,)))
    rotation = random_rotations(2, generator=torch.Generator().manual_seed(0)).float()
    z = torch.ones(2, method.latent_dim)

    def outputs(model: Method) -> list[Tensor]:
        with torch.no_grad():
            volume, posterior = model.decode(z), model.encode(_batch(images))
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


def test_same_seed_same_model_and_loss(build: Build, images: MadeImages) -> None:
    losses = []
    for seed in (0, 0, 1):
        method = build(seed=seed, mean=None)
        stage = method.stages[-1]
        torch.manual_seed(10 + seed)
        losses.append(torch.stack(list(method(_batch(images), stage, 0.5).values())).sum().item())
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_tables_have_a_row_for_every_particle(build: Build, images: MadeImages) -> None:
    for rows in build().particle_rows():
        assert rows.count == len(images)


def test_noise_is_that_of_the_problem(build: Build, images: MadeImages) -> None:
    assert torch.equal(build().noise.power, images.noise.power)
