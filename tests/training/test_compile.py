"""Compiled networks learn what plain ones do."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from training.fitting import start
from training.toy import ToyImages
from trimorph.methods.field import Field, FieldSettings
from trimorph.training.metrics import read_metrics
from trimorph.training.settings import TrainingSettings
from trimorph.training.trainer import Trainer

COMPILERS = ("c++", "g++", "clang++")


def fit_field(folder: Path, *, compiled: bool) -> None:
    """A few steps with a tiny field; how many graphs were compiled is left in a file."""
    folder.mkdir()
    torch._inductor.config.cpp.vec_isa_ok = True  # spares trials of the compiler, longer than all the rest
    images = ToyImages(count=40)
    settings = FieldSettings(latent_dim=2, epochs=2, width=8, layers=1, encoder="none", coarse_to_fine=False)
    training = TrainingSettings(
        batch_size=20, metrics_every=1, precision="float32", compile=compiled, threads=1
    )
    torch.manual_seed(0)
    method = Field(settings, images.problem())
    Trainer(method, images, training, problem=images.problem(), folder=folder).fit()
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    (folder / "graphs.txt").write_text(str(graphs))


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="needs a C++ compiler")
def test_the_same_losses_step_by_step(tmp_path):
    names = ("plain", "compiled")
    processes = [start(partial(fit_field, tmp_path / name, compiled=name == "compiled")) for name in names]
    for process in processes:
        process.join(timeout=300)
        assert process.exitcode == 0
    logs = [read_metrics(tmp_path / name / "metrics.jsonl") for name in names]
    plain, compiled = ([line["terms"] for line in log if line["kind"] == "step"] for log in logs)
    assert int((tmp_path / "plain" / "graphs.txt").read_text()) == 0
    assert int((tmp_path / "compiled" / "graphs.txt").read_text()) >= 1
    assert len(plain) == 4
    assert plain[0] != pytest.approx(plain[-1], rel=1e-4)
    for one, other in zip(plain, compiled, strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-6)
