"""One picture of a particle file: optics, poses, images and their spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trimorph.data.atomic import atomic_path
from trimorph.data.orientations import view_directions
from trimorph.data.particles import ParticleStack
from trimorph.data.tables import ParticleTable

if TYPE_CHECKING:
    from trimorph.data.info import ParticleInfo

_EXAMPLES = 9
_COLOUR = "#2b6cb0"
_SECOND = "#c05621"


def draw_info(
    info: ParticleInfo,
    table: ParticleTable,
    stack: ParticleStack | None,
    path: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Draw defocus, view directions, shifts, power spectrum, examples and the mean image.

    What is not known is left blank with the reason. Errors: FileExistsError unless ``overwrite``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.2), layout="constrained")
    figure.suptitle(f"{info.source.name}: {info.particles:,} particles", fontsize=13)
    axes = [figure.add_subplot(2, 3, place, projection=kind) for place, kind in _PANELS]
    _defocus(axes[0], table)
    _views(axes[1], info, table)
    _shifts(axes[2], table)
    _spectrum(axes[3], info, stack)
    _examples(axes[4], stack)
    _average(axes[5], info, stack)
    with atomic_path(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150)


_PANELS = ((1, None), (2, "mollweide"), (3, None), (4, None), (5, None), (6, None))


def _defocus(axis: Any, table: ParticleTable) -> None:
    axis.set_title("defocus", fontsize=11)
    if table.ctf is None:
        _blank(axis, "no CTF in the file")
        return
    for values, name, colour in (
        (table.ctf.defocus_u, "U", _COLOUR),
        (table.ctf.defocus_v, "V", _SECOND),
    ):
        axis.hist(np.asarray(values) * 1e-4, bins=40, histtype="step", color=colour, label=name)
    axis.set_xlabel("µm")
    axis.set_ylabel("images")
    axis.legend(frameon=False)


def _views(axis: Any, info: ParticleInfo, table: ParticleTable) -> None:
    axis.set_title("view directions", fontsize=11)
    axis.set_xticklabels([])
    axis.set_yticklabels([])
    if table.rotation is None or info.orientations is None:
        axis.text(0, 0, "no poses in the file", ha="center", color="grey")
        return
    x, y, z = view_directions(table.rotation).T
    bins = int(np.clip(np.sqrt(len(table)) / 2, 8, 40))
    longitude, sine = np.linspace(-np.pi, np.pi, 2 * bins + 1), np.linspace(-1, 1, bins + 1)
    counts, _, _ = np.histogram2d(np.arctan2(y, x), z, bins=[longitude, sine])
    fine = np.kron(counts.T / counts.mean(), np.ones((8, 8)))  # so that the mesh follows the outline
    longitude, sine = np.linspace(-np.pi, np.pi, 16 * bins + 1), np.linspace(-1, 1, 8 * bins + 1)
    mesh = axis.pcolormesh(longitude, np.arcsin(sine), fine, cmap="viridis", rasterized=True)
    axis.figure.colorbar(mesh, ax=axis, shrink=0.5, aspect=12, pad=0.02, label="views / mean")
    axis.set_xlabel(f"sampling compensation {info.orientations.compensation:.2f}")


def _shifts(axis: Any, table: ParticleTable) -> None:
    axis.set_title("shifts", fontsize=11)
    if table.shift is None:
        _blank(axis, "no shifts in the file")
        return
    if not table.shift.any():
        _blank(axis, "all are zero")
        return
    some = np.random.default_rng(0).permutation(len(table))[:5000]
    axis.scatter(*table.shift[some].T, s=4, alpha=0.4, color=_COLOUR, linewidths=0)
    axis.set_aspect("equal", adjustable="datalim")
    axis.set_xlabel("x (Å)")
    axis.set_ylabel("y (Å)")


def _spectrum(axis: Any, info: ParticleInfo, stack: ParticleStack | None) -> None:
    from matplotlib.ticker import LogLocator

    axis.set_title("power per pixel", fontsize=11)
    if stack is None or info.noise is None:
        _blank(axis, "no images at hand")
        return
    rows = np.unique(np.linspace(0, len(stack) - 1, 200).astype(np.int64))
    power = stack.disk.ring_mean(stack.transforms(rows).abs() ** 2).mean(0).numpy()
    unit = stack.box**2
    frequency = np.arange(len(power)) / (stack.box * stack.pixel_size)
    axis.semilogy(frequency[1:], power[1:] / unit, color=_SECOND, label="images")
    axis.semilogy(
        frequency[1:], info.noise.power.mean(0).numpy()[1:] / unit, color=_COLOUR, label="outside particles"
    )
    axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    for formatted in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
        formatted("{x:g}")
    axis.set_xlabel("frequency (1/Å)")
    axis.legend(frameon=False)


def _examples(axis: Any, stack: ParticleStack | None) -> None:
    axis.set_title("images, low-passed", fontsize=11)
    if stack is None:
        _blank(axis, "no images at hand")
        return
    rows = np.unique(np.linspace(0, len(stack) - 1, _EXAMPLES).astype(np.int64))
    disk = stack.disk.limit(resolution=0.2 * stack.radius)
    images = disk.inverse(stack.transforms(rows, limit=disk))
    tiles = torch.full((_EXAMPLES, stack.box, stack.box), float("nan"))
    tiles[: len(images)] = images / images.flatten(1).std(1)[:, None, None]
    montage = torch.cat([torch.cat(list(row), dim=1) for row in tiles.unflatten(0, (3, 3))], dim=0)
    axis.imshow(montage.numpy(), cmap="gray", vmin=-3, vmax=3, origin="lower")
    for edge in (stack.box - 0.5, 2 * stack.box - 0.5):
        axis.axhline(edge, color="white", linewidth=1)
        axis.axvline(edge, color="white", linewidth=1)
    axis.set_xticks([])
    axis.set_yticks([])


def _average(axis: Any, info: ParticleInfo, stack: ParticleStack | None) -> None:
    axis.set_title("mean of centred images", fontsize=11)
    if stack is None or info.sign is None:
        _blank(axis, "no images at hand")
        return
    half = 0.5 * stack.box * stack.pixel_size
    axis.imshow(info.sign.average.numpy(), cmap="gray", origin="lower", extent=(-half, half, -half, half))
    turn = np.linspace(0, 2 * np.pi, 200)
    axis.plot(stack.radius * np.cos(turn), stack.radius * np.sin(turn), color=_SECOND, linewidth=1)
    axis.set_xlabel(f"Å; middle: {info.sign.verdict} ({info.sign.score:+.1f} standard errors)")


def _blank(axis: Any, reason: str) -> None:
    axis.text(0.5, 0.5, reason, ha="center", va="center", color="grey", transform=axis.transAxes)
    axis.set_xticks([])
    axis.set_yticks([])
