"""Run: a directory with everything of one run, and the way back to its model."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path
from trimorph.methods.base import Method, Problem
from trimorph.run.recipe import Recipe, build_method
from trimorph.training.checkpoint import checkpoints, load_checkpoint, problem_from_state
from trimorph.training.latents import Latents
from trimorph.training.metrics import read_metrics


class Run:
    """A run directory; docs/run-directory.md says what lies in it. Made by :meth:`create` or :meth:`open`."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path, self.recipe = path, recipe
        self._load = cache(_load_method)

    @classmethod
    def create(cls, path: Path | str, recipe: Recipe, *, provenance: dict[str, Any]) -> Run:
        """Make the directory with recipe.toml and provenance.json.

        Errors: FileExistsError for a folder that is not empty; OSError where it cannot be made.
        """
        path = Path(path).absolute()
        refuse_unusable(path)
        path.mkdir(parents=True, exist_ok=True)
        recipe.save(path / "recipe.toml")
        with atomic_path(path / "provenance.json") as temporary:
            temporary.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
        return cls(path, recipe)

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open a directory that a run made.

        Errors: FileNotFoundError where there is no recipe.toml; InputError where it cannot be read.
        """
        path = Path(path).absolute()
        if not (path / "recipe.toml").is_file():
            raise FileNotFoundError(
                f"{path}: found no recipe.toml; wanted the folder of a run, as `trimorph train` makes it. "
                "Check the path."
            )
        return cls(path, Recipe.load(path / "recipe.toml"))

    def checkpoint(self, epoch: int | None = None) -> Path:
        """The checkpoint after an epoch, or the latest."""
        found = checkpoints(self.path / "checkpoints")
        if epoch is not None:
            found = [path for path in found if path.name == f"{epoch:04d}.pt"]
        if not found:
            what = "no checkpoint" if epoch is None else f"no checkpoint of epoch {epoch}"
            raise FileNotFoundError(
                f"{self.path}: found {what}; wanted one in checkpoints/ (there are: "
                f"{self._epochs('checkpoints', '.pt')}). Train further with: trimorph resume {self.path}"
            )
        return found[-1]

    def latents(self, epoch: int | None = None) -> Latents:
        """Posterior of every particle's latent after an epoch, or the latest there are.

        Errors: FileNotFoundError; InputError for latents that are not finite.
        """
        file = self.latents_file(epoch)
        found = Latents.load(file)
        wrong = np.flatnonzero(~(np.isfinite(found.mean).all(1) & np.isfinite(found.covariance).all((1, 2))))
        if len(wrong):
            raise InputError(
                f"{file}: found latents that are not finite, first of particle {wrong[0]} ({len(wrong)} "
                "such); wanted numbers. Choose an earlier epoch with --epoch, or train anew at a lower "
                "learning rate."
            )
        return found

    def latents_file(self, epoch: int | None = None) -> Path:
        """The file of the latents after an epoch, or the latest."""
        folder = self.path / "latents"
        found = sorted(folder.glob("[0-9]*.npz")) if epoch is None else [folder / f"{epoch:04d}.npz"]
        if not found or not found[-1].is_file():
            raise FileNotFoundError(
                f"{self.path}: found no latents{'' if epoch is None else f' of epoch {epoch}'}; there are "
                f"{self._epochs('latents', '.npz')}. They are written with every checkpoint that is kept; a "
                "model of latent dimension 0 has none."
            )
        return found[-1]

    def last_whole_epoch(self) -> int:
        """The last epoch that left both a checkpoint and latents, which so belong together.

        A run that is still trained has one, too.   Errors: FileNotFoundError where there is none.
        """
        both = [
            {path.stem for path in (self.path / folder).glob(f"[0-9]*{suffix}") if path.stem.isdigit()}
            for folder, suffix in (("checkpoints", ".pt"), ("latents", ".npz"))
        ]
        if not set.intersection(*both):
            raise FileNotFoundError(
                f"{self.path}: found no epoch with both a checkpoint (there are: "
                f"{self._epochs('checkpoints', '.pt')}) and latents (there are: "
                f"{self._epochs('latents', '.npz')}); wanted one. Wait until the run has finished an epoch "
                f"that it keeps, or train further with: trimorph resume {self.path}. A model of latent "
                "dimension 0 has no latents."
            )
        return int(max(set.intersection(*both)))

    def problem(self, epoch: int | None = None) -> Problem:
        """What the method was told of the data: box, pixel size, noise, mean map."""
        return problem_from_state(load_checkpoint(self.checkpoint(epoch))["problem"])

    def method(self, epoch: int | None = None) -> Method:
        """The model with its weights after an epoch, or the latest, on the CPU and ready to use."""
        return self._load(self.checkpoint(epoch), self.recipe)

    def volume(
        self,
        z: ArrayLike,
        *,
        box: int | None = None,
        pixel_size: float | None = None,
        epoch: int | None = None,
    ) -> Float[ndarray, "*v box box box"]:
        """Density at one latent (d,), as (box, box, box), or at several (v, d), as (v, box, box, box).

        Box and pixel size (Å) are those of training unless given.
        """
        method = self.method(epoch)
        latent = torch.as_tensor(np.asarray(z, dtype=np.float32))
        rows = latent.reshape(1, -1) if latent.dim() < 2 else latent
        if rows.shape[-1] != method.latent_dim:
            raise InputError(
                f"{self.path}: found z of {rows.shape[-1]} components; wanted {method.latent_dim}, the "
                "latent dimension of this run."
            )
        with torch.no_grad():
            density = method.decode(rows).voxels(box or method.disk.box, pixel_size or method.disk.pixel_size)
        return (density if latent.dim() == 2 else density[0]).numpy()

    def metrics(self) -> list[dict[str, Any]]:
        """Lines of metrics.jsonl."""
        return read_metrics(self.path / "metrics.jsonl")

    def _epochs(self, folder: str, suffix: str) -> str:
        names = sorted(path.stem for path in (self.path / folder).glob(f"[0-9]*{suffix}"))
        return ", ".join(names) or "none"


def refuse_unusable(path: Path) -> None:
    """Raise where a new run cannot lie at a path: something is there already, or nothing can be written.

    Errors: FileExistsError, NotADirectoryError, PermissionError.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        what = "a folder that is not empty" if path.is_dir() else "a file"
        raise FileExistsError(
            f"{path}: found {what}; wanted a new folder for the run, and nothing was changed. Go on with a "
            f"run that was stopped by `trimorph resume {path}`, or choose another folder with -o."
        )
    above = next(folder for folder in (path, *path.parents) if folder.exists())
    if not above.is_dir():
        raise NotADirectoryError(
            f"{path}: found that {above} is a file; wanted a folder for the run. Choose another with -o."
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{path}: found that you may not write to {above}; wanted to make the folder of the run there. "
            "Choose another with -o, or mend the permissions."
        )


def _load_method(path: Path, recipe: Recipe) -> Method:
    state = load_checkpoint(path)
    method = build_method(recipe, problem_from_state(state["problem"]))
    method.load_state_dict(state["model"])
    return method.eval()
