"""Latents: what a trained model says of every particle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.core.disk import FourierDisk
from trimorph.data.atomic import atomic_path
from trimorph.methods.base import Method
from trimorph.training.images import Images
from trimorph.training.precision import Precision, autocast
from trimorph.training.processes import Processes

ENCODE_BATCH = 256
"""Images a batch, at least, when nothing is learned."""


@dataclass(frozen=True, eq=False)
class Latents:
    """Gaussian posteriors of all particles: ``index`` is the particle's row among those in use."""

    index: Int[ndarray, " n"]
    mean: Float[ndarray, "n d"]
    covariance: Float[ndarray, "n d d"]

    def __len__(self) -> int:
        return len(self.index)

    def save(self, path: Path) -> None:
        """Write a .npz; what is at the path is replaced only by the whole of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, overwrite=True) as temporary, temporary.open("wb") as file:
            np.savez(file, index=self.index, mean=self.mean, covariance=self.covariance)

    @classmethod
    def load(cls, path: Path) -> Latents:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(file["index"], file["mean"], file["covariance"])


def encode_all(
    method: Method,
    images: Images,
    *,
    disk: FourierDisk,
    processes: Processes,
    precision: Precision = "float32",
    batch_size: int = ENCODE_BATCH,
) -> Latents | None:
    """Encode every particle at the resolution of ``disk``; None but in the first process."""
    own = np.arange(processes.rank, len(images), processes.world)
    means, covariances = [], []
    was_training = method.training
    method.eval()
    with torch.no_grad():
        for batch in images.batches(own, batch_size, limit=disk):
            with autocast(precision, processes.device):
                posterior = method.encode(batch.to(processes.device))
            means.append(posterior.mean.float())
            covariances.append(posterior.covariance.float())
    method.train(was_training)
    mean = processes.gather_rows(torch.cat(means), count=len(images))
    covariance = processes.gather_rows(torch.cat(covariances), count=len(images))
    if mean is None or covariance is None:
        return None
    return Latents(np.arange(len(images)), mean.cpu().numpy(), covariance.cpu().numpy())
