"""Which arithmetic the networks use: chosen by the device, or by measuring."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Literal

import torch

REPEATS = 3

Precision = Literal["float32", "bfloat16"]


def choose_precision(
    setting: Literal["auto", "float32", "bfloat16"],
    *,
    device: torch.device,
    trial: Callable[[Precision], None],
) -> tuple[Precision, str]:
    """The precision, and a sentence on why.

    With ``auto`` it is bfloat16 on a CUDA device that has it. On a CPU with avx512_bf16 or AMX
    instructions, ``trial`` (one training step that changes nothing) is timed in both.
    """
    if setting != "auto":
        return setting, f"{setting} as asked"
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bfloat16", "bfloat16 on CUDA") if supported else ("float32", "float32: no bfloat16 here")
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "float32", "float32: this CPU has no bfloat16 instructions"
    single, half = _seconds(trial, "float32"), _seconds(trial, "bfloat16")
    chosen: Precision = "bfloat16" if half < single else "float32"
    return chosen, f"{chosen}: a step took {single:.3g} s in float32 and {half:.3g} s in bfloat16"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which the model is called."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def _seconds(trial: Callable[[Precision], None], precision: Precision) -> float:
    trial(precision)
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        trial(precision)
        times.append(perf_counter() - start)
    return min(times)
