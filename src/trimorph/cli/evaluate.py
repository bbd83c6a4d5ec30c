"""`trimorph evaluate RUN --truth NAME_truth.npz`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from trimorph.cli.shown_path import shown


def command(
    sources: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    truth: Path,
    states: Path | None = None,
    maps: tuple[Path, ...] = (),
    weights: Path | None = None,
    config: Path | None = None,
    mask: Path | None = None,
    images: int | Literal["all"] = 100,
    structures: tuple[Path, ...] = (),
    distance: tuple[str, ...] = (),
    classes: bool = False,
    epoch: int | None = None,
    ignore_voxel_size: bool = False,
    brief: bool = False,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
) -> None:
    """Score latents and maps of runs, and of other programs, against the truth of a simulation.

    trimorph evaluate run --truth particles_truth.npz

    trimorph evaluate run cryodrgn/z.19.pkl --truth particles_truth.npz -o comparison

    trimorph evaluate z.npy --maps volumes --truth particles_truth.npz

    Args:
        sources: Folders of runs, and files of latents (.npz, .npy, cryoDRGN's z.pkl).
        truth: NAME_truth.npz, as trimorph simulate writes it.
        states: Folder with the map of each state; NAME_states beside the truth by default.
        maps: For each file of latents a folder of maps (vol_000.mrc ...) with z_values.txt, a row a map.
        weights: cryoDRGN's weights.N.pkl, for one file of latents; found beside its z.N.pkl by itself.
        config: cryoDRGN's config.yaml that goes with the weights.
        mask: MRC mask (0 to 1) for the masked scores; by default one around what is dense in any state.
        images: How many images, spread over the data, have their maps compared, or all; and states at most.
        structures: PDB or mmCIF files that were simulated, every model a state, for runs of segments.
        distance: Two groups of residues ("A:118-160 to A:30-59") whose distance is compared.
        classes: The states have no order, whatever their numbers.
        epoch: Use the runs after this epoch; the latest by default.
        ignore_voxel_size: Take given maps to lie on the truth's grid whatever their headers say.
        brief: Leave out what each score asks.
        output: New folder for tables and pictures; by default evaluation beside the latents, or in the run's
            analysis.
    """
    from trimorph.cli.progress import bar
    from trimorph.evaluation.evaluate import evaluate
    from trimorph.evaluation.evaluation_table import table_lines

    folder = output or _beside(sources[0] if sources else Path())
    with bar("Maps") as tell:
        found = evaluate(
            sources,
            truth,
            states=states,
            maps=maps,
            weights=weights,
            config=config,
            mask=mask,
            images=None if images == "all" else images,
            structures=structures,
            distances=distance,
            classes=classes,
            epoch=epoch,
            ignore_voxel_size=ignore_voxel_size,
            output=folder,
            progress=tell,
        )
    print("\n".join(table_lines(found, explain=not brief)))
    print(f"scores.json, scores.csv, tables and pictures in {shown(folder)}")


def _beside(source: Path) -> Path:
    """Where an evaluation is written unless told."""
    return source / "analysis" / "evaluation" if source.is_dir() else source.parent / "evaluation"
