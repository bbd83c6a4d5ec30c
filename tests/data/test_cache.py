"""Prepared images: RAM, file and none give the same; no stale file, no half file, no thread left behind."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from made_stacks import made_table, noise

from trimorph.core.errors import InputError
from trimorph.data import cache
from trimorph.data.particles import ParticleStack
from trimorph.data.prefetch import map_ahead


def stack_of(folder: Path, count: int = 70, **options) -> ParticleStack:
    shift = np.random.default_rng(5).normal(size=(count, 2))
    return ParticleStack(made_table(folder, noise(count, 16), shift=shift), **options)


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 6e-4), ("float32", 1e-6)])
@pytest.mark.parametrize("options", [{}, {"box": 12}, {"pixel_size": 2.6}])
def test_prepared_is_what_is_read(tmp_path, precision, tolerance, options):
    plain = stack_of(tmp_path, **options)
    memory, file = stack_of(tmp_path, **options), stack_of(tmp_path, **options)
    memory.prepare(None, ram_limit=10**9, precision=precision)
    (tmp_path / "cache").mkdir()
    told: list[tuple[int, int]] = []
    file.prepare(
        tmp_path / "cache", ram_limit=0, precision=precision, progress=lambda *done: told.append(done)
    )
    assert told[-1] == (70, 70)
    order = np.random.default_rng(0).permutation(70)
    limit = plain.disk.limit(radius=3.0)
    wanted = plain[order].image
    scale = float(wanted.abs().max())
    for stack in (memory, file):
        assert torch.allclose(stack[order].image, wanted, rtol=tolerance, atol=tolerance * scale)
        batches = list(stack.batches(order, 16, limit=limit))
        prefix = torch.cat([batch.image for batch in batches])
        assert torch.allclose(prefix, wanted[:, : len(limit)], rtol=tolerance, atol=tolerance * scale)
    assert torch.equal(memory[order].image, file[order].image)
    (written,) = (tmp_path / "cache").iterdir()
    assert written.stat().st_size == 70 * len(plain.disk) * 2 * (2 if precision == "float16" else 4)


def test_rows_announced_to_the_disk_are_the_same(tmp_path, monkeypatch):
    stack = stack_of(tmp_path)
    stack.prepare(tmp_path, ram_limit=0)
    monkeypatch.setattr(cache, "available_memory", lambda: 0)
    large = ParticleStack(stack.table)
    large.prepare(tmp_path, ram_limit=0)
    assert large._cache.values.large
    assert not stack._cache.values.large
    order = np.random.default_rng(0).permutation(70)
    assert torch.equal(large[order].image, stack[order].image)
    limit = stack.disk.limit(radius=3.0)
    assert torch.equal(large.transforms(order, limit=limit), stack.transforms(order, limit=limit))


def test_a_large_file_is_read_not_mapped_and_missed_when_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "available_memory", lambda: 0)
    stack = stack_of(tmp_path)
    stack.prepare(tmp_path, ram_limit=0)
    (path,) = tmp_path.glob("prepared-*")
    if Path("/proc/self/maps").exists():
        assert path.name not in Path("/proc/self/maps").read_text()
    before = stack[:].image
    both = [batch.image for batch in stack.batches(np.arange(70), 8)]
    assert torch.equal(torch.cat(both), before)
    os.truncate(path, path.stat().st_size - 10)
    assert torch.equal(stack[[3]].image, before[[3]])
    with pytest.raises(OSError, match=r"prepared-.*found no more at byte \d+; wanted prepared images"):
        stack[[69]]


def test_file_is_used_again_only_for_the_same_images(tmp_path, monkeypatch):
    stack_of(tmp_path).prepare(tmp_path, ram_limit=0)
    (first,) = tmp_path.glob("prepared-*")

    def no_work(*_):
        raise AssertionError("prepared again")

    table = stack_of(tmp_path).table  # writes the stack anew: another time stamp
    stack = ParticleStack(table)
    stack.prepare(tmp_path, ram_limit=0)
    second = next(path for path in tmp_path.glob("prepared-*") if path != first)
    again = ParticleStack(table)
    monkeypatch.setattr(again._preparer, "transforms", no_work)
    again.prepare(tmp_path, ram_limit=0)
    assert torch.equal(again[[3]].image, stack[[3]].image)
    for options in ({"box": 12}, {"window": False}, {"invert": True}, {"diameter": 20.0}):
        other = ParticleStack(table, **options)
        other.prepare(tmp_path, ram_limit=0)
        assert not torch.equal(other[[3]].image, stack[[3]].image)
    ParticleStack(table.select(np.arange(69, -1, -1))).prepare(tmp_path, ram_limit=0)
    assert len(list(tmp_path.glob("prepared-*"))) == 7
    second.write_bytes(b"short")
    with pytest.raises(InputError, match=r"found 5 bytes; wanted .*Delete the file"):
        ParticleStack(table).prepare(tmp_path, ram_limit=0)


def test_no_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    stack = stack_of(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(
        OSError, match=r"found 0\.00 GB free; wanted .* GB for the prepared images\. Make room"
    ):
        stack.prepare(tmp_path, ram_limit=0)
    assert not list(tmp_path.glob("*prepared*"))


def test_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    stack = stack_of(tmp_path)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"wanted .* GB for the prepared images"):
        stack.prepare(tmp_path, ram_limit=0)
    assert not list(tmp_path.glob("*prepared*"))


def test_failure_on_the_way_leaves_nothing_and_threads_as_they_were(tmp_path):
    images = noise(70, 16)
    images[66] = 0
    before = torch.get_num_threads()
    with pytest.raises(InputError, match="image 67"):
        ParticleStack(made_table(tmp_path, images)).prepare(tmp_path, ram_limit=0)
    assert not list(tmp_path.glob("*prepared*"))
    assert torch.get_num_threads() == before


def test_without_memory_and_folder_one_is_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"found 0\.00 GB of memory to use; wanted .*or a folder"):
        stack_of(tmp_path).prepare(None, ram_limit=0)


def test_values_beyond_16_bits_are_refused(tmp_path):
    images = noise(5, 16)
    images[2, 8, 8] = 1e7
    stack = ParticleStack(made_table(tmp_path, images), diameter=20.0)
    with pytest.raises(InputError, match=r"beyond what 16 bits hold.*float32"):
        stack.prepare()
    stack.prepare(precision="float32")
    assert torch.isfinite(stack[:].image.abs()).all()


def test_thread_raises_here_and_ends_with_the_consumer(tmp_path):
    images = noise(40, 16)
    images[25] = np.nan
    stack = ParticleStack(made_table(tmp_path, images))
    batches = stack.batches(np.arange(40), 10)
    assert len(next(batches)) == len(next(batches)) == 10
    with pytest.raises(InputError, match="image 26"):
        next(batches)
    batches = stack.batches(np.arange(20), 1)
    next(batches)
    batches.close()
    for _ in stack.batches(np.arange(20), 1):
        break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_map_ahead_works_ahead_but_not_further():
    made = []

    def work(item: int) -> int:
        made.append(item)
        return item * item

    results = map_ahead(work, range(100), depth=3)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    results.close()
    assert max(made) <= 8
