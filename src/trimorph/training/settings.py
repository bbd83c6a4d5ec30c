"""TrainingSettings: what a user may say of the training of any method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trimorph.core.checks import check_range


@dataclass(frozen=True)
class TrainingSettings:
    """Settings that all methods share."""

    batch_size: int | None = None
    """Images a step; in each process, where several train together. By default what suits the method."""
    seed: int = 0
    """Seed of weights, order and sampling."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes CUDA when there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the networks; auto: bfloat16 on CUDA, and on a CPU where it is measured to be faster."""
    compile: bool = False
    """Compile the networks with torch.compile: a slow start, then faster steps on some machines."""
    warm_up: float = 0.02
    """Fraction of the steps over which learning rates rise from zero."""
    final_learning_rate: float = 0.05
    """Learning rates at the end as a fraction of their peak; they fall along a cosine."""
    clip_norm: float = 1.0
    """Largest norm of the gradient, beyond which it is scaled down; 0 does not clip."""
    checkpoint_every: int = 10
    """Epochs between the checkpoints and latents that are kept; those of the last epoch always are."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints for a run that is cut short; there is also one after every longer epoch."""
    metrics_every: int = 50
    """Steps between lines in metrics.jsonl."""
    threads: int = 0
    """CPU threads; 0 takes as many as torch chooses."""

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("checkpoint_every", 1), ("metrics_every", 1), ("threads", 0)):
            check_range(name, getattr(self, name), least=least)
        for name, most in (("warm_up", 1.0), ("final_learning_rate", 1.0), ("clip_norm", None)):
            check_range(name, getattr(self, name), least=0.0, most=most)
        check_range("checkpoint_minutes", self.checkpoint_minutes, least=0.0)
