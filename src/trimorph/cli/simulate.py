"""trimorph simulate: particle images with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from trimorph.data.simulation_settings import SimulationSettings

if TYPE_CHECKING:
    from trimorph.data.simulate import Simulation
    from trimorph.data.truth import Truth


def command(
    source: tyro.conf.Positional[tuple[str, ...]],
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=("-o",))],
    settings: Annotated[SimulationSettings, tyro.conf.arg(name="")] = SimulationSettings(),  # noqa: B008
) -> None:
    """Simulate particle images: OUTPUT.mrcs, OUTPUT.star, OUTPUT_truth.npz and the states' maps.

    trimorph simulate uniform -o out/uniform --count 5000 --box 64 --snr 0.1 --voxels
    trimorph simulate uniform -o out/known --voxels --ceiling
    trimorph simulate open.cif closed.cif -o out/two --count 2000 --box 96 --pixel-size 2

    Args:
        source: A recipe (uniform, cooperative, noncontiguous, compositional, adk, linear, cyclic, mixed), or
            structures (PDB, mmCIF; each model is a state), or maps.
        output: Where to write, without suffix; nothing is overwritten.
        settings: What is simulated.
    """
    from trimorph.cli.progress import bar
    from trimorph.data.simulate import simulate

    with bar("Simulating") as tell:
        made = simulate(source, output, settings, progress=tell)
    _summarise(made)


def _summarise(made: Simulation) -> None:
    import numpy as np
    from rich.console import Console

    console, truth = Console(highlight=False, soft_wrap=True), made.truth
    number = np.bincount(truth.state, minlength=len(truth.state_names))
    resolution = "" if made.resolution is None else f", atoms at {made.resolution:g} Å"
    each = f"{number.min()} to {number.max()}" if np.ptp(number) else f"{number.min()}"
    region = "the whole box" if truth.snr_region == "box" else "the particle's disk"
    noise = (
        "no noise"
        if truth.noise_sigma == 0
        else f"noise of standard deviation {truth.noise_sigma:.4g}: signal-to-noise ratio {truth.snr:g} "
        f"(variances, over {region})"
    )
    console.print(f"{len(truth)} images of {truth.box} pixels of {truth.pixel_size:g} Å{resolution}; {noise}")
    console.print(
        f"{len(number)} states by {truth.quantity}, {each} images each; {truth.renderer}; seed {truth.seed}"
    )
    if truth.state_probability is not None:
        console.print(f"Ceiling, from the exact probability of each state given an image: {_ceilings(truth)}")
    for path in (made.star, made.stack, made.truth_file, made.states):
        if path is not None:
            console.print(f"  {path}")


def _ceilings(truth: Truth) -> str:
    found = []
    if truth.ceiling is not None:
        name = "circular correlation" if truth.circular else "|Spearman|"
        found.append(f"{name} {truth.ceiling:.3f} of the expected {truth.quantity} with the true one")
    if truth.composition_ceiling is not None:
        found.append(f"{100 * truth.composition_ceiling:.1f} % of the compositions can be told")
    if truth.accuracy_ceiling is not None and (truth.ceiling is None or truth.few_states):
        found.append(f"{100 * truth.accuracy_ceiling:.1f} % of the most probable states are the true ones")
    return ", ".join(found)
