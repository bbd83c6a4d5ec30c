"""simulate: particle images of known structures or maps, with the truth beside them."""

from __future__ import annotations

import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimorph.core.errors import InputError
from trimorph.data.acquisition import Acquisition, draw_acquisition
from trimorph.data.atomic import atomic_path
from trimorph.data.ensemble import assign_states
from trimorph.data.mrc import write_map
from trimorph.data.noise_profile import NoiseProfile, read_noise_profile, white_noise
from trimorph.data.scene import Scene, build_scene
from trimorph.data.simulated_images import Levels, Progress, write_images
from trimorph.data.simulation_settings import SimulationSettings
from trimorph.data.star import write_star
from trimorph.data.state_posterior import state_posterior
from trimorph.data.tables import make_table
from trimorph.data.truth import Truth


@dataclass(frozen=True, eq=False)
class Simulation:
    """What was written: a RELION 3.1 star file, its stack, the truth, and the folder with the states' maps.

    ``resolution`` in Å is that of the atoms; None for maps.
    """

    star: Path
    stack: Path
    truth_file: Path
    states: Path | None
    truth: Truth
    resolution: float | None


_ROW_BYTES = 500
"""Of one image in the star and truth files, at most."""


def simulate(
    source: str | Path | Sequence[str | Path],
    output: str | Path,
    settings: SimulationSettings | None = None,
    *,
    progress: Progress | None = None,
    **changes: Any,
) -> Simulation:
    """Simulate images of a recipe, of structures or of maps: OUTPUT.star, .mrcs, _truth.npz and _states/.

    ``source`` is a recipe (uniform, cooperative, noncontiguous, compositional, adk, linear, cyclic or mixed),
    or one or more structure files (PDB or mmCIF, the models of a file being successive states) or maps. An
    image is ``CTF x projection``, shifted, plus noise; its signal-to-noise ratio is that of
    :class:`SimulationSettings`, whose fields may be given by name. Nothing is overwritten.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> made = simulate("compositional", folder / "few", count=10, box=32, pixel_size=8.0, voxels=True)
    >>> made.star.name, str(np.bincount(made.truth.state))
    ('few.star', '[2 3 5]')
    """
    settings = _settings(settings, changes)
    paths = _Paths.of(Path(output), settings)
    scene = build_scene(source, settings)
    _require_choice(scene, settings)
    _make_folder(paths, scene, settings)
    generator = np.random.default_rng([settings.seed, 5])
    state = assign_states(scene.ensemble.weights, settings.count, generator)
    half = 1 + generator.permutation(settings.count) % 2
    acquisition = draw_acquisition(settings, box=scene.box, pixel_size=scene.pixel_size)
    profile = _noise_profile(scene, settings)
    ahead = settings.count * len(scene.ensemble) if settings.ceiling else 0
    with ExitStack() as files:
        stack, truth_file, star = (
            files.enter_context(atomic_path(path)) for path in (paths.stack, paths.truth_file, paths.star)
        )
        if paths.states is not None:
            files.enter_context(_state_maps(paths.states, scene))
        levels = write_images(
            stack,
            scene,
            state,
            acquisition,
            snr=settings.snr,
            whole_box=settings.snr_region == "box",
            profile=profile,
            seed=settings.seed,
            progress=_stage(progress, 0, ahead),
        )
        truth = _truth(scene, settings, state, acquisition, levels, profile)
        if settings.ceiling:
            probability = state_posterior(
                stack,
                scene,
                acquisition,
                noise_sigma=levels.noise_sigma,
                profile=profile,
                progress=_stage(progress, 2 * settings.count, 0),
            )
            truth = replace(truth, state_probability=probability)
        truth.write(truth_file)
        _write_table(star, paths.stack, truth, half)
    return Simulation(
        star=paths.star,
        stack=paths.stack,
        truth_file=paths.truth_file,
        states=paths.states,
        truth=truth,
        resolution=scene.resolution,
    )


def _settings(settings: SimulationSettings | None, changes: dict[str, Any]) -> SimulationSettings:
    known = [field.name for field in fields(SimulationSettings)]
    for name in changes:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise InputError(f'simulate: no setting "{name}".{hint} Settings: {", ".join(known)}.')
    return replace(settings or SimulationSettings(), **changes)


@dataclass(frozen=True)
class _Paths:
    star: Path
    stack: Path
    truth_file: Path
    states: Path | None

    @classmethod
    def of(cls, output: Path, settings: SimulationSettings) -> _Paths:
        """Names of what will be written, none of which may exist."""
        name = output.stem if output.suffix in (".star", ".mrcs") else output.name
        if not re.fullmatch(r"[^\s#@]+", name):
            raise InputError(
                f'Simulation: found the output name "{name}"; wanted one without spaces, # and @, which a '
                "star file cannot hold. Choose another."
            )
        paths = cls(
            star=output.with_name(f"{name}.star"),
            stack=output.with_name(f"{name}.mrcs"),
            truth_file=output.with_name(f"{name}_truth.npz"),
            states=output.with_name(f"{name}_states") if settings.states else None,
        )
        for path in (paths.star, paths.stack, paths.truth_file, paths.states):
            if path is not None and path.exists():
                raise FileExistsError(
                    f"{path}: exists already and was left as it is. Choose another output name."
                )
        return paths


def _require_choice(scene: Scene, settings: SimulationSettings) -> None:
    if settings.ceiling and len(scene.ensemble) < 2:
        raise InputError(
            f"{scene.source}: found one state and the setting ceiling; wanted two states or more, which "
            "can be mistaken for one another. Leave ceiling out."
        )


def _noise_profile(scene: Scene, settings: SimulationSettings) -> NoiseProfile:
    if settings.noise_profile is None:
        return white_noise()
    return read_noise_profile(Path(settings.noise_profile), pixel_size=scene.pixel_size)


def _make_folder(paths: _Paths, scene: Scene, settings: SimulationSettings) -> None:
    """Make the output folder, and raise where its disk has too little room for what will be written."""
    folder = paths.star.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{folder}: cannot make this folder ({error.strerror}). Choose another output."
        ) from error
    voxels = settings.count * scene.box**2 + (len(scene.ensemble) * scene.box**3 if settings.states else 0)
    probabilities = settings.count * len(scene.ensemble) if settings.ceiling else 0
    needed, free = 4 * (voxels + probabilities) + _ROW_BYTES * settings.count, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{folder}: found {free / 1e9:.1f} GB free on its disk; wanted {needed / 1e9:.1f} GB. "
            "Make room, choose another output, or simulate fewer or smaller images."
        )


def _stage(progress: Progress | None, before: int, after: int) -> Progress | None:
    """Progress of one stage as that of the whole, with steps done before and steps to come after it."""
    if progress is None:
        return None
    return lambda done, total: progress(before + done, before + total + after)


@contextmanager
def _state_maps(folder: Path, scene: Scene) -> Iterator[None]:
    """Write the map of each state; the folder appears under its name when all else is written too."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    temporary.chmod(0o755)
    try:
        for number, volume in enumerate(scene.ensemble.volumes, start=1):
            density = volume.voxels(scene.box, scene.pixel_size)[0].numpy()
            corner = -(scene.box // 2) * scene.pixel_size
            write_map(
                temporary / f"state_{number:03d}.mrc",
                density,
                scene.pixel_size,
                origin=(corner, corner, corner),
            )
        yield
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _truth(
    scene: Scene,
    settings: SimulationSettings,
    state: NDArray[np.int64],
    acquisition: Acquisition,
    levels: Levels,
    profile: NoiseProfile,
) -> Truth:
    names = np.asarray(scene.ensemble.names)
    return Truth(
        state=state,
        coordinate=scene.ensemble.coordinate[state],
        label=names[state],
        rotation=acquisition.rotation,
        shift=acquisition.shift,
        ctf=acquisition.ctf,
        noise_power=profile.ring_power(scene.box, scene.pixel_size) * levels.noise_sigma**2,
        state_names=names,
        state_coordinate=scene.ensemble.coordinate,
        state_weights=scene.ensemble.weights,
        noise_sigma=levels.noise_sigma,
        signal_variance=levels.signal_variance,
        snr=math.inf if settings.snr is None else settings.snr,
        snr_region=settings.snr_region,
        pixel_size=scene.pixel_size,
        box=scene.box,
        diameter=scene.diameter,
        seed=settings.seed,
        quantity=scene.ensemble.quantity,
        source=scene.source,
        renderer="slices of maps" if scene.voxels else "projections of atoms",
        motion=scene.ensemble.motion,
        state_composition=scene.ensemble.composition,
    )


def _write_table(star: Path, stack: Path, truth: Truth, half: NDArray[np.int64]) -> None:
    table = make_table(
        stack.absolute(),
        len(truth),
        pixel_size=truth.pixel_size,
        box=truth.box,
        rotation=truth.rotation,
        shift=truth.shift,
        ctf=truth.ctf,
        half=half,
    )
    write_star(table, star)
