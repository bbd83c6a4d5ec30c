"""Train the toy in a folder: what the tests of training share."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from training.toy import Toy, ToyImages, ToySettings
from trimorph.training.checkpoint import checkpoints, load_checkpoint
from trimorph.training.processes import joined
from trimorph.training.settings import TrainingSettings
from trimorph.training.trainer import Trainer


def fit(
    folder: Path,
    *,
    images: ToyImages | None = None,
    toy: ToySettings | None = None,
    settings: TrainingSettings | None = None,
    resume: bool = False,
) -> Toy:
    """Train, from the folder's latest checkpoint where there is one and ``resume`` is asked for."""
    images = images or ToyImages()
    settings = settings or TrainingSettings(batch_size=20)
    folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    with joined("cpu") as processes:
        torch.manual_seed(settings.seed)
        method = Toy(toy or ToySettings(), images.problem())
        trainer = Trainer(
            method, images, settings, problem=images.problem(), folder=folder, processes=processes
        )
        found = checkpoints(folder / "checkpoints")
        if resume and found:
            trainer.load(found[-1])
        trainer.fit()
    return method


def start(work: Callable[[], Any], *, rank: int = 0, world: int = 1, port: int = 0) -> BaseProcess:
    """Do the work in a process of its own; it ends with code 130 when it was interrupted.

    It comes from a server that has read the modules and has no threads: a fork of this process could wait for
    ever for threads that it lacks.
    """
    place = {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trimorph.training.trainer"])
    process = context.Process(target=_run, args=(pickle.dumps(work), place))
    process.start()
    return process


def together(world: int, work: Callable[[], Any], *, code: int = 0) -> None:
    """Do the work in several processes that train one model; all of them end with the exit code."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [start(work, rank=rank, world=world, port=port) for rank in range(world)]
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == code


def _run(work: bytes, place: dict[str, str]) -> None:
    os.environ.update(place)
    try:
        pickle.loads(work)()
    except KeyboardInterrupt:
        sys.exit(130)


def final_state(folder: Path) -> dict[str, Any]:
    """Weights and moments of the last checkpoint, by name."""
    state = load_checkpoint(checkpoints(folder / "checkpoints")[-1])
    moments = {
        f"{name} {key}": value for name, values in state["optimiser"].items() for key, value in values.items()
    }
    return state["model"] | moments


def assert_identical(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Equal to the last bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[name])), name
