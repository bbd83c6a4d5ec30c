"""Of segments.py: adenylate kinase from closed to open, and what its images hold of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

import trimorph
from segments_runs import first_model, place, row, state_maps, trained, truth_of
from trimorph.core.fsc import fourier_shell_correlation, resolution_at
from trimorph.data.mrc import read_map
from trimorph.data.residues import Residues
from trimorph.data.scattering import AtomicDensity
from trimorph.data.structure import read_structure
from trimorph.data.template import Template
from trimorph.evaluation.recovery import neighbour_correlation
from trimorph.run.structures_backbone import Backbone
from trimorph.run.structures_distances import Distance
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_quality import new_clashes

GROUPS = "A:118-160 to A:30-59"
"""LID and NMP, between whose centroids the distance is measured."""

CORRELATIONS = ("Pearson", "Spearman", "error, Å")

LOOKED_AT, STRUCTURES, KNOWN = 50, 2000, 1000
"""Images whose maps are compared, structures in which clashes are counted, images that ceilings are of."""


def ceilings(options: argparse.Namespace) -> None:
    """Distance between LID and NMP, as an observer expects it who knows all but the state."""
    row("box", "pixel, Å", "SNR", "seed", *CORRELATIONS)
    for snr in options.snr:
        for seed in options.seeds:
            row(options.box, f"{options.pixel_size:g}", snr, seed, *ceiling(options, snr, seed))


def transition(options: argparse.Namespace) -> None:
    """Adenylate kinase from closed to open; the start is the first state alone."""
    row("SNR", "seed", "latents", *CORRELATIONS, "by neighbours", "FSC 0.5, Å", "0.143, Å",
        "of atoms: 0.5, Å", "0.143, Å", "new clashes in random structures", "segments", "CPU s")  # fmt: skip
    for snr in options.snr:
        for seed in options.seeds:
            transition_rows(options, snr, seed)


def ceiling(options: argparse.Namespace, snr: str, seed: int) -> list[str]:
    """Correlations of the distance that is expected of an image with its own, in other images of the kind."""
    star = transition_stack(options, snr, seed, count=KNOWN, ceiling=True)
    truth, distance = truth_of(star), state_distances(options.structure)
    assert truth.state_probability is not None
    return correlations(truth.state_probability @ distance, distance[truth.state])


def transition_rows(options: argparse.Namespace, snr: str, seed: int) -> None:
    """Of one stack: what was found, the start without a motion, and what could be found."""
    star = transition_stack(options, snr, seed)
    run, spent = trained(options, star, start_of(options, star), seed)
    truth, z = truth_of(star), run.latents().mean
    distance = state_distances(options.structure)[truth.state]
    near, cpu = f"{neighbour_correlation(z, distance):.3f}", f"{spent['cpu']:.0f}"
    maps = resolutions(star, lambda image: run.volume(z[image]))
    if options.method == "field":
        row(snr, seed, f"field {options.name}", "-", "-", "-", near, *maps, "-", "-", "-", "-", cpu)
        return
    structure = MovingStructure.of(run)
    places = structure.move_backbone(z)
    found = Distance.parse(GROUPS, structure.residues).of(places)
    random = places[np.random.default_rng(0).permutation(len(z))[:STRUCTURES]]
    atoms = resolutions(star, lambda image: atom_map(structure, structure.move_atoms(z[[image]])[0], truth))
    row(snr, seed, options.name, *correlations(found, distance), near, *maps, *atoms,
        clashing(random, structure.backbone.position), len(structure.method.segments()), cpu)  # fmt: skip
    still, unmoved = run.volume(0 * z[0]), atom_map(structure, structure.atoms, truth)
    maps, atoms = resolutions(star, lambda _: still), resolutions(star, lambda _: unmoved)
    row(snr, seed, "the start", "-", "-", "-", "-", *maps, *atoms, "-", "-", "-")
    true = state_places(options.structure)
    row(snr, seed, "true states", *["-"] * 8, clashing(true, true[0]), "-", "-")
    row(snr, seed, "ceiling", *ceiling(options, snr, seed), *["-"] * 8)


def transition_stack(
    options: argparse.Namespace, snr: str, seed: int, *, count: int | None = None, ceiling: bool = False
) -> Path:
    """Images of the trajectory's states, all alike often."""
    grid = f"{options.box}_{options.pixel_size:g}"
    folder, count = options.folder / "transition" / grid, count or options.count
    star = folder / f"{count}_{snr}_{seed}.star"
    if not star.exists():
        maps = state_maps(folder / "maps", read_structure(options.structure), options)
        trimorph.simulate(
            maps, star.with_suffix(""), count=count, snr=float(snr), seed=seed, ceiling=ceiling, states=False
        )
    return star


def start_of(options: argparse.Namespace, star: Path) -> Path:
    """The trajectory's first state, where the images have it, in the frame of their map."""
    start = star.with_name("start.pdb")
    if not start.exists():
        states = read_structure(options.structure)
        place(Template.read(options.structure), start, states=states, truth=truth_of(star))
    return start


@cache
def state_distances(structure: Path) -> NDArray[np.float64]:
    """Distance in Å between the CA centroids of the two groups in each model."""
    return Distance.parse(GROUPS, Residues.of(first_model(structure))).of(state_places(structure))


@cache
def state_places(structure: Path) -> NDArray[np.float64]:
    """CA (s, g, 3) of each model in Å."""
    residues = Residues.of(first_model(structure))
    return np.stack([Backbone.of(model, residues).position for model in read_structure(structure)])


def resolutions(star: Path, volume: Callable[[int], NDArray[np.float32]]) -> list[str]:
    """Where the mean FSC of images' maps with their true maps falls to 0.5 and to 0.143, in Å."""
    truth = truth_of(star)
    chosen = np.linspace(0, len(truth) - 1, LOOKED_AT).astype(int)
    curves = [
        fourier_shell_correlation(torch.tensor(volume(image)), true_map(star, truth.state[image]))
        for image in chosen.tolist()
    ]
    mean = torch.stack(curves).mean(0)
    levels = [resolution_at(mean, at, box=truth.box, pixel_size=truth.pixel_size) for at in (0.5, 0.143)]
    return [f"{level:.2f}" for level in levels]


def atom_map(
    structure: MovingStructure, place: NDArray[np.float64], truth: trimorph.Truth
) -> NDArray[np.float32]:
    """The map of all atoms, where they stand, drawn as the simulator draws its states."""
    model = first_model(structure.template.source).move(place)
    density = AtomicDensity.of(model, resolution=2 * truth.pixel_size, origin=structure.middle)
    return density.voxels(truth.box, truth.pixel_size)[0].numpy()


def true_map(star: Path, state: int) -> torch.Tensor:
    """The map of a state."""
    return torch.tensor(read_map(star.with_name("maps") / f"{state:03d}.mrc").values)


def clashing(places: NDArray[np.float64], start: NDArray[np.float64]) -> str:
    """How many structures have CA within 4 Å that are not so close at the start, and how close they come."""
    counts, closest, _ = new_clashes(places, start)
    near = f", {np.nanmin(closest):.2f} Å" if counts.any() else ""
    return f"{np.count_nonzero(counts)} of {len(places)}{near}"


def correlations(found: NDArray[np.float64], true: NDArray[np.float64]) -> list[str]:
    """Pearson's, Spearman's, and the root mean square difference."""
    error = np.sqrt(np.mean((found - true) ** 2))
    rank = spearmanr(found, true).statistic
    return [f"{np.corrcoef(found, true)[0, 1]:.3f}", f"{rank:.3f}", f"{error:.2f}"]
