"""ParticleStack: batches, noise in their units, targets, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_stacks import blob, made_table, noise

from trimorph.core.errors import InputError
from trimorph.core.losses import whitened_likelihood
from trimorph.data.mrc import write_stack
from trimorph.data.open import ParticleInput, open_particles
from trimorph.data.particles import ParticleStack
from trimorph.data.tables import make_table

WHITE = [
    {"window": False},
    {},
    {"box": 32},
    {"box": 33, "window": False},
    {"pixel_size": 3.3},
    {"box": 40, "pixel_size": 2.5},
    {"diameter": 60.0},
]


def chi_square(stack: ParticleStack) -> float:
    """Mean of |F|^2 / power over images and pixels."""
    batch = stack[:]
    power = stack.noise.at(stack.disk, batch.group)
    zero = torch.zeros_like(batch.image)
    return float(
        2
        * whitened_likelihood(zero, batch.image, power=power, disk=stack.disk).mean()
        / stack.disk.weight.sum()
    )


@pytest.mark.parametrize("options", WHITE)
def test_white_noise_has_the_power_that_it_must(tmp_path, options):
    """Power in a batch: pixels of the source x (source / target pixel)^4 x the window's share; chi^2 is 1."""
    shift = np.random.default_rng(1).normal(size=(300, 2)) * 3
    stack = ParticleStack(made_table(tmp_path, noise(300, 48), shift=shift), **options)
    wanted = 48**2 * (2.0 / stack.pixel_size) ** 4 * stack.window_share
    assert torch.allclose(stack.noise.power, torch.tensor(wanted), rtol=0.1)
    assert float(stack.noise.power[0].mean()) == pytest.approx(wanted, rel=0.02)
    assert chi_square(stack) == pytest.approx(1.0, abs=0.02)
    assert (stack.window_share == 1.0) == ("window" in options)


def test_coloured_noise_is_whitened_by_its_own_group(tmp_path):
    """Two optics groups, one with noise five times stronger at low frequency."""
    spectrum = np.fft.rfft2(noise(500, 32))
    radius = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.rfftfreq(32))
    low = 1 + 4 * np.exp(-((radius / 0.1) ** 2))
    images = np.fft.irfft2(np.where(np.arange(500)[:, None, None] < 250, spectrum, spectrum * low))
    group = np.repeat([0, 1], 250)
    stack = ParticleStack(made_table(tmp_path, images, group=group))
    assert stack.noise.power.shape[0] == 2
    assert float(stack.noise.power[1, 1] / stack.noise.power[1, 15]) > 10
    assert chi_square(stack) == pytest.approx(1.0, abs=0.04)
    batch = stack[:]
    rings = stack.disk.ring_mean(batch.image.abs() ** 2 / stack.noise.at(stack.disk, batch.group)).mean(0)
    assert torch.allclose(rings[2:], torch.tensor(1.0), atol=0.1)
    small = ParticleStack(made_table(tmp_path, images[:300], group=group[:300], name="b.mrcs"))
    assert small.noise.power.shape[0] == 1
    assert set(small[:].group.tolist()) == {0}


def test_particle_does_not_count_as_noise(tmp_path):
    """A strong particle in each image leaves the measured power as it is without."""
    shift = np.random.default_rng(1).normal(size=(200, 2)) * 6
    particle = np.stack([50 * blob(64, 2.0, width=6.0, place=(-x, -y)) for x, y in shift])
    bare = ParticleStack(made_table(tmp_path, noise(200, 64), shift=shift), diameter=70.0)
    full = ParticleStack(
        made_table(tmp_path, noise(200, 64) + particle, shift=shift, name="b.mrcs"), diameter=70.0
    )
    assert torch.allclose(full.noise.power, bare.noise.power, rtol=0.03)
    centre = full.disk.inverse(full[:].image).mean(0)
    assert int(centre.argmax()) == 32 * 64 + 32
    assert float(centre.max()) == pytest.approx(50, rel=0.03)


def test_relion_projections_with_shifts_come_back_centred(shared):
    """Images that RELION projected with and without shifts are the same once the shifts are applied."""
    batches = []
    for name in ("shifted", "centered"):
        star = shared(f"golden/rln_proj_64_{name}.star")
        shared(f"golden/rln_proj_64_{name}.mrcs")
        stack = shared(f"golden/rln_proj_64_{name}.mrcs")
        settings = ParticleInput(star, stack=stack, window=False, ignore_ctf=True, diameter=40.0)
        batches.append(open_particles(settings)[:].limit(open_particles(settings).disk.limit(radius=20.0)))
    a, b = (torch.view_as_real(batch.image[:, 1:]).flatten(1) for batch in batches)
    assert float(torch.cosine_similarity(a, b).min()) > 0.995


def test_batch_rows_follow_the_order_asked(tmp_path):
    rotation = np.stack([np.eye(3)] * 12) * np.arange(1, 13)[:, None, None]
    table = made_table(tmp_path, noise(12, 16), rotation=rotation)
    table = replace(table, slice=table.slice[::-1].copy())
    stack = ParticleStack(table)
    order = np.array([7, 0, 11, 3, 3, 5])
    batch = stack[order]
    assert batch.index.tolist() == order.tolist()
    assert batch.rotation[:, 0, 0].tolist() == (order + 1).tolist()
    for place, row in enumerate(order):
        assert torch.allclose(batch.image[place], stack[int(row)].image[0], atol=1e-4)
    assert torch.equal(stack[2:4].index, torch.tensor([2, 3]))
    assert not batch.shift.any()


def test_batches_cover_the_order_and_hold_a_prefix(tmp_path):
    stack = ParticleStack(made_table(tmp_path, noise(25, 16)))
    order = np.random.default_rng(0).permutation(25)
    limit = stack.disk.limit(radius=4.0)
    batches = list(stack.batches(order, 10, limit=limit))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert torch.cat([batch.index for batch in batches]).tolist() == order.tolist()
    for batch in batches:
        assert batch.image.shape[1] == len(batch.disk) == len(limit)
        assert torch.allclose(batch.image, stack[batch.index].image[:, : len(limit)], atol=1e-4)


def test_many_stacks_are_read_as_one(tmp_path):
    images = noise(260, 8)
    for number, image in enumerate(images):
        write_stack(tmp_path / f"{number}.mrcs", image[None], 2.0)
    table = made_table(tmp_path, images, name="all.mrcs")
    order = np.random.default_rng(0).permutation(260)
    split = replace(
        table,
        stacks=tuple(tmp_path / f"{number}.mrcs" for number in order),
        stack=np.arange(260),
        slice=np.zeros(260, dtype=np.int64),
    )
    assert torch.allclose(
        ParticleStack(split)[:].image, ParticleStack(table.select(order))[:].image, atol=1e-4
    )


def test_targets_are_exact(tmp_path):
    table = made_table(tmp_path, noise(3, 40), pixel_size=1.3)
    extent = 40 * 1.3
    for options, box, size in [
        ({}, 40, 1.3),
        ({"box": 27}, 27, extent / 27),
        ({"pixel_size": 2.0}, 26, 2.0),
        ({"pixel_size": 1.9}, 28, 1.9),
        ({"box": 20, "pixel_size": 2.5}, 20, 2.5),
        ({"box": 30, "pixel_size": 2.5}, 30, 2.5),
    ]:
        stack = ParticleStack(table, **options)
        assert (stack.box, stack.pixel_size) == (box, size)
        assert stack[:].image.shape == (3, len(stack.disk))
    for options in ({"box": 42}, {"pixel_size": 1.2}):
        with pytest.raises(
            InputError, match=r"found images of 40 pixels of 1.3 Å.*finer.*Pass --box 40 or less"
        ):
            ParticleStack(table, **options)


def test_several_pixel_sizes_ask_for_one_and_are_brought_to_it(tmp_path):
    """A blob of one width in Å, in boxes of two grids, becomes the same image on a third."""
    many = []
    for number, (box, size) in enumerate([(48, 2.0), (40, 2.5)]):
        image = 30 * blob(box, size, width=8.0, place=(0.0, 0.0)) + noise(1, box, seed=number)
        many.append(made_table(tmp_path, image, pixel_size=size, name=f"{number}.mrcs"))
    a, b = many
    table = replace(
        a,
        source=tmp_path / "particles.star",
        stacks=a.stacks + b.stacks,
        stack=np.array([0, 1]),
        slice=np.array([0, 0]),
        sign=np.ones(2),
        pixel_size=np.array([2.0, 2.5]),
        box=np.array([48, 40]),
        rotation=np.stack([np.eye(3)] * 2),
        shift=np.zeros((2, 2)),
        ctf=a.ctf[[0, 0]],
        group=np.array([0, 1]),
        row=np.arange(2),
    )
    for options in ({}, {"box": 32}):
        with pytest.raises(
            InputError,
            match=r"particles\.star: 2 optics groups with pixel sizes 2, 2\.5 Å.*--pixel-size 2\.5 to"
            r" resample all, or --optics-group 2",
        ):
            ParticleStack(table, **options)
    stack = ParticleStack(table, pixel_size=2.5, diameter=60.0)
    assert (stack.box, stack.pixel_size) == (40, 2.5)
    image = stack.disk.inverse(stack[:].image)
    inside = torch.from_numpy(blob(40, 2.5, width=8.0, place=(0.0, 0.0)) > 0.3)
    assert torch.allclose(image[0][inside], image[1][inside], atol=4.0)
    assert float(image[0, 20, 20]) == pytest.approx(30, abs=3)


def test_images_that_cannot_be_used_are_named(tmp_path):
    images = noise(6, 16)
    bad = {
        "NaN or infinite": np.where(np.arange(256).reshape(16, 16) == 120, np.nan, images[3]),
        "the same value 5 in every pixel": np.full((16, 16), 5.0),
        "no noise outside the particle": images[3] * blob(16, 1.0, width=3.0, place=(0, 0)).round(),
    }
    for message, image in bad.items():
        table = made_table(tmp_path, np.concatenate([images[:3], image[None], images[4:]]))
        stack = ParticleStack(table)
        for use in (
            lambda s: s[:],
            lambda s: s.prepare(),
            lambda s: s.noise,
            lambda s: list(s.batches([3], 1)),
        ):
            with pytest.raises(InputError, match=rf"a\.mrcs: image 4 \(row 4 of .*found.*{message}"):
                use(stack)
        assert len(stack[[0, 5]]) == 2


def test_table_and_stack_must_agree(tmp_path):
    table = made_table(tmp_path, noise(4, 16))
    with pytest.raises(InputError, match=r"row 1 says a box of 32 pixels, but found images of 16 x 16"):
        ParticleStack(replace(table, box=np.full(4, 32)))
    with pytest.raises(InputError, match=r"row 3 names .*image 9, but found 4 images"):
        ParticleStack(replace(table, slice=np.array([0, 1, 8, 2])))
    table.stacks[0].write_bytes(table.stacks[0].read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        ParticleStack(table)


def test_missing_poses_or_ctf_are_asked_for_when_a_batch_is(tmp_path):
    made_table(tmp_path, noise(4, 16))
    table = make_table(tmp_path / "a.mrcs", 4, pixel_size=2.0, box=16)
    stack = ParticleStack(table)
    assert stack.transforms([1]).shape == (1, len(stack.disk))
    with pytest.raises(InputError, match=r"found no poses; wanted rotations"):
        stack[0]
    posed = replace(table, rotation=np.stack([np.eye(3)] * 4))
    with pytest.raises(InputError, match=r"found no CTF parameters.*--ignore-ctf"):
        ParticleStack(posed)[0]
    flat = ParticleStack(posed, ignore_ctf=True)
    assert torch.allclose(flat[0].ctf(flat.disk), torch.tensor(1.0))


def test_diameter_must_fit(tmp_path):
    table = made_table(tmp_path, noise(4, 16))
    for diameter in (-3.0, 40.0):
        with pytest.raises(
            InputError, match=r"found a particle diameter of .*at most the images' side of 32 Å"
        ):
            ParticleStack(table, diameter=diameter)
    assert ParticleStack(table, diameter=20.0).radius == 10.0
    assert ParticleStack(table).radius == pytest.approx(0.425 * 32)
