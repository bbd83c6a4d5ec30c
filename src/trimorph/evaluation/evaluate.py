"""evaluate: latents and maps of runs, and of other programs, against a known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.ensemble import CLASSES
from trimorph.data.structure import Structure
from trimorph.data.truth import Truth
from trimorph.evaluation.candidate import Candidate, MapChoice, distinct_names, read_candidate
from trimorph.evaluation.latent_scores import score_latents
from trimorph.evaluation.map_scores import Curves, Progress, blind_curves
from trimorph.evaluation.motion_scores import informed_latents
from trimorph.evaluation.scored import Scored, curve_values, moves_structure, score_candidate
from trimorph.evaluation.shell_correlation import cryobench_area
from trimorph.evaluation.structure_scores import true_structures
from trimorph.evaluation.true_maps import TrueMaps
from trimorph.evaluation.truth_spaces import as_classes, rows_of
from trimorph.run.new_folder import refuse_folder_in_use

IMAGES = 100
"""Images whose maps are compared unless told otherwise, as in CryoBench."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of candidates, of one who knows nothing, and of one who knows all but the states."""

    truth: Truth
    truth_file: Path
    scored: tuple[Scored, ...]
    blind: dict[str, float]
    ceiling: dict[str, float]
    blind_images: Curves | None = None
    notes: tuple[str, ...] = ()


def evaluate(
    sources: Sequence[Path | str] | Path | str,
    truth: Path | str,
    *,
    states: Path | None = None,
    maps: Sequence[Path] = (),
    weights: Path | None = None,
    config: Path | None = None,
    mask: Path | None = None,
    images: int | None = IMAGES,
    structures: Sequence[Path] = (),
    distances: Sequence[str] = (),
    classes: bool = False,
    epoch: int | None = None,
    ignore_voxel_size: bool = False,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score runs, and latents in files (.npz, .npy, cryoDRGN's z.pkl), against the truth of a simulation.

    ``truth`` is NAME_truth.npz, and ``states`` the folder of the states' maps, by default NAME_states beside
    it; without any, maps are not scored. ``maps`` are folders of maps for the sources that are files, one for
    each in order, ``weights`` and ``config`` cryoDRGN's decoder for the one file. ``images`` is how many are
    spread over the data to have their maps compared, None for all. ``structures`` are what was simulated, for
    runs that move one, with ``distances`` between groups of residues; ``classes`` says that states have no
    order. With ``output``, all is written to that new folder.

    Errors: FileExistsError for a folder in use; InputError for what does not belong together, before anything
    is computed.
    """
    from trimorph.evaluation.evaluation_files import write_evaluation

    if output is not None:
        refuse_folder_in_use(output, holds="evaluation")
    paths = [Path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    known = _read_truth(Path(truth), classes=classes)
    choices = _choices(paths, maps, weights, config, ignore_voxel_size)
    if images is not None and images < 1:
        raise InputError(f"Found {images} images; wanted at least 1, or all.")
    others = {path for path in paths if not path.is_dir()} if any(map(Path.is_dir, paths)) else set()
    candidates = [
        read_candidate(path, known, choice=choice, epoch=None if path in others else epoch, name=name)
        for path, choice, name in zip(paths, choices, distinct_names(paths), strict=True)
    ]
    true_maps, notes = _true_maps(Path(truth), known, states=states, mask=mask)
    true_models = true_structures(known, structures)
    _refuse_idle(candidates, true_models, structures=structures, distances=distances)
    scored = tuple(
        score_candidate(
            each, known, true_maps, true_models, images=images, distances=distances, progress=progress
        )
        for each in candidates
    )
    blind_images = _blind_images(scored, true_maps)
    found = Evaluation(
        truth=known,
        truth_file=Path(truth),
        scored=scored,
        blind=_blind(scored, blind_images, true_maps),
        ceiling=_ceiling(known, scored[0].candidate.rows, with_maps=true_maps is not None),
        blind_images=blind_images,
        notes=tuple(notes),
    )
    if output is not None:
        write_evaluation(found, output)
    return found


def _read_truth(file: Path, *, classes: bool) -> Truth:
    if not file.is_file():
        raise FileNotFoundError(
            f"{file}: found no file; wanted the NAME_truth.npz that trimorph simulate wrote. Check the path."
        )
    truth = Truth.read(file)
    return as_classes(truth) if classes else truth


def _choices(
    paths: list[Path],
    maps: Sequence[Path],
    weights: Path | None,
    config: Path | None,
    ignore_voxel_size: bool,
) -> list[MapChoice]:
    """Where each source's maps come from."""
    if not paths:
        raise InputError("Found nothing to evaluate; wanted the folder of a run, or a file of latents.")
    files = [path for path in paths if not path.is_dir()]
    if len(maps) not in (0, len(files)):
        raise InputError(
            f"Found {len(maps)} folders of maps and {len(files)} files of latents; wanted one folder for "
            "each file, in the same order, or none. Runs decode their own maps."
        )
    if (weights is None) != (config is None) or (weights is not None and (len(files) != 1 or maps)):
        raise InputError(
            f"Found --weights {weights}, --config {config}, {len(files)} files of latents and {len(maps)} "
            "folders of maps; wanted both weights and config, for one file without a folder of maps. "
            "Evaluate other programs one by one."
        )
    folders = iter(maps) if maps else iter([None] * len(files))
    return [
        MapChoice(None if path.is_dir() else next(folders), None if path.is_dir() else weights,
                  None if path.is_dir() else config, ignore_voxel_size)
        for path in paths
    ]  # fmt: skip


def _true_maps(
    file: Path, truth: Truth, *, states: Path | None, mask: Path | None
) -> tuple[TrueMaps | None, list[str]]:
    """The maps of the states, and what is said where there are none."""
    folder = states
    if folder is None:
        folder = file.with_name(file.name.removesuffix("_truth.npz") + "_states")
        if not folder.is_dir():
            if mask is not None:
                raise InputError(
                    f"Found --mask {mask} and no {folder.name} beside {file.name}; wanted the maps of the "
                    "states to use it for. Say with --states where they are."
                )
            return None, [f"no {folder.name} beside {file.name}: maps are not scored (--states says where)"]
    return TrueMaps.read(folder, truth, mask=mask), []


def _refuse_idle(
    candidates: Sequence[Candidate],
    true_models: list[Structure] | None,
    *,
    structures: Sequence[Path],
    distances: Sequence[str],
) -> None:
    """Raise InputError for structures that no candidate moves, and distances that are in none."""
    if distances and true_models is None:
        raise InputError(
            f'Found --distance "{distances[0]}" and no true structures; wanted those that were simulated. '
            "Pass them with --structures."
        )
    if (structures or distances) and not any(moves_structure(each) for each in candidates):
        raise InputError(
            "Found true structures and nothing that moves one; wanted a run of segments among what is "
            "evaluated. Leave --structures and --distance out."
        )


def _blind_images(scored: tuple[Scored, ...], true_maps: TrueMaps | None) -> Curves | None:
    """What one map for all says of the images that the first candidate with maps was asked for."""
    asked = next((each.images for each in scored if each.images is not None), None)
    return None if true_maps is None or asked is None else blind_curves(asked.state, true_maps)


def _blind(scored: tuple[Scored, ...], images: Curves | None, true_maps: TrueMaps | None) -> dict[str, float]:
    """What latents score that were dealt to the particles at random, one map, and a structure at rest."""
    z, truth = scored[0].candidate.z, scored[0].truth
    found = score_latents(z[np.random.default_rng(0).permutation(len(z))], truth)
    values = found.values | found.blind
    states = next((each.states for each in scored if each.states is not None), None)
    if images is not None and true_maps is not None:
        values |= curve_values(images, "image")[0]
        if states is not None:
            one = blind_curves(states.state, true_maps)
            values |= curve_values(one, "state")[0] | curve_values(one, "state_mean")[0]
    moved = next((each.structures for each in scored if each.structures is not None), None)
    return values if moved is None else values | moved.blind()


def _ceiling(known: Truth, rows: Int[ndarray, " n"], *, with_maps: bool) -> dict[str, float]:
    """What one scores who knows all but the states, where the truth has their probabilities."""
    found: dict[str, float] = {}
    truth = rows_of(known, rows)
    if truth.state_probability is not None and truth.quantity != CLASSES:
        found |= score_latents(informed_latents(truth), truth).values
    if truth.accuracy_ceiling is not None:
        found["accuracy"] = truth.accuracy_ceiling
    if with_maps:
        curve = np.ones(truth.box // 2)
        area = float(cryobench_area(curve, box=truth.box))
        for name in ("image", "state", "state_mean"):
            found |= {f"{name}_fsc": 1.0, f"{name}_fsc_masked": 1.0}
            found |= {f"{name}_area": area, f"{name}_area_masked": area}
    return found
