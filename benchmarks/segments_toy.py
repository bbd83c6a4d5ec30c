"""Of segments.py: a domain of adenylate kinase turned so far that no image is like the start."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

import trimorph
from segments_runs import first_model, place, row, state_maps, trained, truth_of
from trimorph.data.ensemble import mixture_weights
from trimorph.data.hinge import turn
from trimorph.data.structure import Structure
from trimorph.data.template import Template
from trimorph.run.structures_model import MovingStructure

ADK = Path(trimorph.__file__).parent / "data" / "examples" / "adk_closed.pdb"

TURNED, AXIS, ANGLES, SPREAD, STEP = (122, 159), (0.0, 1.0, 0.0), (math.pi / 3, 2 * math.pi / 3), 0.2, 0.05
"""Residues, axis through the structure's centroid, radians."""


def toy(options: argparse.Namespace) -> None:
    """A domain turned by 60 or 120 degrees, give or take 11, about an axis through the centroid."""
    row("SNR", "seed", "most segments", "|Spearman| of the angle", "error, degrees",
        "segments that hold residues", "boundaries off by", "CPU s")  # fmt: skip
    for snr in options.snr:
        for seed in options.seeds:
            star = toy_stack(options, snr, seed)
            angle = truth_of(star).state * STEP
            for most in options.segments:
                words = ["--segments", str(most), "--clash", "0", *options.options]
                start, name = star.with_name("start.pdb"), f"{options.name}_{most}"
                run, spent = trained(options, star, start, seed, name=name, words=words)
                structure = MovingStructure.of(run)
                found = turned_angle(structure, run.latents().mean)
                error = np.degrees(np.sqrt(np.mean((found - angle) ** 2)))
                rank = abs(spearmanr(found, angle).statistic)
                left = len(structure.method.segments())
                row(snr, seed, most, f"{rank:.3f}", f"{error:.1f}", left,
                    boundary_errors(structure), f"{spent['cpu']:.0f}")  # fmt: skip


def toy_stack(options: argparse.Namespace, snr: str, seed: int) -> Path:
    """Images of closed adenylate kinase with its LID turned, on a fine grid of angles."""
    folder = options.folder / "toy" / f"{options.box}_{options.pixel_size:g}"
    star, start = folder / f"{options.count}_{snr}_{seed}.star", folder / "start.pdb"
    angles = STEP * np.arange(math.ceil((ANGLES[1] + 4 * SPREAD) / STEP))
    if not star.exists():
        states = [turned(first_model(ADK), angle) for angle in angles]
        maps = state_maps(folder / "maps", states, options)
        weights = mixture_weights(len(states), step=STEP, means=ANGLES, deviation=SPREAD)
        trimorph.simulate(
            maps, star.with_suffix(""), count=options.count, snr=float(snr), seed=seed, states=False,
            weights=tuple(weights),
        )  # fmt: skip
        if not start.exists():
            place(Template.read(ADK), start, states=states, truth=truth_of(star))
    return star


def turned(structure: Structure, angle: float) -> Structure:
    """The structure with the toy's residues turned about the axis through the centroid."""
    moving = (structure.residue >= TURNED[0]) & (structure.residue <= TURNED[1])
    return turn(structure, moving, angle=angle, axis=np.array(AXIS), pivot=structure.position.mean(0))


def turned_angle(structure: MovingStructure, z: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn (v,) in radians of the toy's moving residues about its axis, from 0 to 2 pi."""
    number = structure.residues.first.residue
    moving = (number >= TURNED[0]) & (number <= TURNED[1])
    before = structure.backbone.position[moving]
    turns = [
        Rotation.align_vectors(after - after.mean(0), before - before.mean(0))[0]
        for after in structure.move_backbone(z)[:, moving]
    ]
    quaternion = np.array([turn.as_quat() for turn in turns])
    return 2 * np.arctan2(quaternion[:, :3] @ np.array(AXIS), quaternion[:, 3]) % (2 * np.pi)


def boundary_errors(structure: MovingStructure) -> str:
    """How many residues the toy's boundaries are from the nearest that were found."""
    segments = structure.method.segments()
    owner = np.full(len(structure.residues), -1)
    for segment in segments:
        owner[list(segment.residues)] = segment.number
    found = 1 + np.flatnonzero(np.diff(owner))
    ends = np.searchsorted(structure.residues.first.residue, [TURNED[0], TURNED[1] + 1])
    return ", ".join(str(np.abs(found - end).min()) if len(found) else "-" for end in ends)
