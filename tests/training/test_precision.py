"""Precision: as asked, or by what is measured; the model still learns in bfloat16."""

import time

import pytest
import torch

from training.fitting import fit
from training.toy import ToyImages, ToySettings
from trimorph.core.errors import InputError
from trimorph.training.precision import choose_precision
from trimorph.training.processes import joined
from trimorph.training.settings import TrainingSettings


@pytest.mark.parametrize(("single", "half", "wanted"), [(0.02, 0.0, "bfloat16"), (0.0, 0.02, "float32")])
def test_the_faster_one_where_the_processor_has_both(monkeypatch, single, half, wanted):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)

    def trial(precision):
        time.sleep(single if precision == "float32" else half)

    chosen, reason = choose_precision("auto", device=torch.device("cpu"), trial=trial)
    assert chosen == wanted
    assert reason.startswith(f"{wanted}: a step took")


def test_float32_where_the_processor_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    chosen, _ = choose_precision(
        "auto", device=torch.device("cpu"), trial=lambda precision: pytest.fail("tried")
    )
    assert chosen == "float32"


def test_bfloat16_learns_like_float32(tmp_path):
    images, toy = ToyImages(count=200), ToySettings(epochs=6, learning_rate=0.05)
    means = {}
    for precision in ("float32", "bfloat16"):
        settings = TrainingSettings(batch_size=20, precision=precision)
        means[precision] = (
            fit(tmp_path / precision, images=images, toy=toy, settings=settings).mean.detach().flatten()
        )
    assert not torch.equal(*means.values())
    assert float(torch.corrcoef(torch.stack(list(means.values())))[0, 1]) > 0.99


def test_cuda_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    with pytest.raises(InputError, match=r"Found no CUDA device.*--device cpu"), joined("cuda"):
        pass
