"""validate: is the motion of a run in its particles? Halves, nulls, verdicts, what could have been seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.evaluation.nulls import Null, NullDraws, draw_nulls
from trimorph.evaluation.power import (
    LADDER,
    Power,
    Region,
    choose_region,
    find_power,
    most_steps,
    named_region,
)
from trimorph.evaluation.validate_cross import MOST, Crossed, cross
from trimorph.evaluation.validate_files import write_validation
from trimorph.evaluation.validate_halves import has_encoder, refuse_recipe, train_halves
from trimorph.evaluation.validate_images import SeenImages, see_images
from trimorph.evaluation.validate_modes import decoded_modes, displacements
from trimorph.evaluation.validate_scores import Whitened
from trimorph.evaluation.validate_seeds import SeedPair, compare_seeds
from trimorph.evaluation.validate_settings import ValidationSettings
from trimorph.evaluation.validate_test import PairTest, linear_test, pair_test
from trimorph.evaluation.validate_verdict import ModeVerdict, Source, judge, say
from trimorph.run.embedding import of_run
from trimorph.run.new_folder import new_folder, refuse_folder_in_use
from trimorph.run.provenance import check_unchanged
from trimorph.run.run import Run
from trimorph.training.observer import Observer

SECONDS = 1.6e-3
"""CPU seconds an image that one test takes, with six modes: 2,000 images on a Xeon at 2.5 GHz."""

TELL = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Validation:
    """What :func:`validate` found, and the folder where it is.

    ``modes`` has a verdict a mode; ``linear`` and ``given`` are the tests of the linear modes and of those of
    the run's method, ``crossed`` what each half's model makes of the other half, ``power`` what could have
    been seen; the last three are None where they were not asked for, or cannot be had. ``seeds`` are pairs of
    models, where there are several of a half set. ``lines`` say all.
    """

    folder: Path
    modes: tuple[ModeVerdict, ...]
    linear: PairTest
    given: PairTest | None
    draws: NullDraws
    null: Null
    crossed: tuple[Crossed, Crossed] | None
    power: Power | None
    seeds: tuple[SeedPair, ...]
    lines: tuple[str, ...]

    @property
    def heterogeneous(self) -> bool:
        """Whether any mode is real."""
        return any(mode.real for mode in self.modes)


def plan_validation(run: Path | str, settings: ValidationSettings) -> tuple[str, ...]:
    """What a validation will do and about how long it takes, in words; nothing is done.

    Errors: those of opening the run.
    """
    opened = Run.open(run)
    count = opened.problem().particles
    tests = 1 + settings.nulls + (most_steps(len(LADDER)) if settings.power else 0)
    lines = [
        f"{tests} tests of {count} particles ({settings.nulls} of them of redrawn ones, "
        f"{tests - 1 - settings.nulls} for the power): about {_clock(tests * SECONDS * count)} of CPU"
    ]
    if settings.retrain:
        seconds = max((float(line.get("seconds", 0.0)) for line in opened.metrics()), default=0.0)
        several = f", with {settings.seeds} seeds each" if settings.seeds > 1 else ""
        took = "as the run took" if settings.seeds == 1 else f"{settings.seeds} times as long as the run took"
        lines.append(
            f"two half sets trained apart by the run's recipe{several}: about "
            f"{_clock(settings.seeds * seconds)}, {took}; "
            "less where they are there already, nothing with --no-retrain; "
            f"8 times {min(MOST, count // 2)} images decoded by them"
        )
    return tuple(lines)


def validate(
    run: Path | str,
    settings: ValidationSettings | None = None,
    *,
    output: Path | None = None,
    epoch: int | None = None,
    observer: Observer | None = None,
    progress: TELL | None = None,
) -> Validation:
    """Test whether particles differ, mode by mode, and write it to a new folder: analysis/validation.

    ``observer`` follows the training of the half sets, which stay in analysis/validation_halves in the run;
    ``progress`` is told (part, done, of how many). docs/validation.md says what it means, and what it
    cannot tell.

    Errors: InputError for a run without latents, with too few particles, whose input files have changed, or
    whose recipe cannot be trained on half of them; FileNotFoundError for files that are gone;
    FileExistsError for a folder in use.
    """
    settings, opened = settings or ValidationSettings(), Run.open(run)
    target = (output or opened.path / "analysis" / "validation").absolute()
    refuse_folder_in_use(target, holds="validation")
    latents = _latents(opened, settings, epoch)
    images = see_images(
        opened,
        resolution=settings.resolution,
        epoch=epoch,
        seed=settings.seed,
        progress=_part(progress, "reading"),
    )
    asked: dict[str, Any] = {"modes": settings.modes, "seed": settings.seed}
    linear, seen = linear_test(images, shuffles=settings.shuffles, **asked)
    region = None if settings.region is None else named_region(images, linear.mean, settings.region)
    again = _Retrained()
    if settings.retrain:
        again = _retrained(opened, images, seen, linear, settings, epoch, observer, progress)
    given = again.given
    draws = draw_nulls(
        images, linear, given, count=settings.nulls, progress=_part(progress, "nulls"), **asked
    )
    null = draws.null
    tests: dict[Source, PairTest] = {"linear": linear} if given is None else {"run": given, "linear": linear}
    modes = judge(tests, null, level=settings.level, latents=latents, displacement=again.displacement)
    power = _power(images, linear, null, modes, settings, region, _part(progress, "power"))
    lines = say(
        modes,
        draws,
        null=null,
        level=settings.level,
        shuffles=settings.shuffles,
        crossed=again.crossed,
        seeds=again.seeds,
        power=power,
    )
    found = Validation(target, modes, linear, given, draws, null, again.crossed, power, again.seeds, lines)
    with new_folder(target, holds="validation") as folder:
        write_validation(folder, found, settings, images, box=opened.problem(epoch).box)
    return found


def _latents(run: Run, settings: ValidationSettings, epoch: int | None) -> Float[ndarray, "n d"]:
    """Latents of all particles, where all that is needed is there and as it was."""
    if run.method(epoch).latent_dim == 0:
        raise InputError(
            f"{run.path}: found a run of latent dimension 0; wanted one with latents, in which particles "
            "differ. Train with --latent-dim 1 or more."
        )
    latents = of_run(run, epoch=epoch).mean
    if settings.retrain:
        refuse_recipe(run)
    check_unchanged(run.path / "provenance.json")
    return latents


@dataclass(frozen=True, eq=False)
class _Retrained:
    """What models of half sets add to the test; nothing where none are trained."""

    given: PairTest | None = None
    displacement: Float[ndarray, " k"] | None = None
    crossed: tuple[Crossed, Crossed] | None = None
    seeds: tuple[SeedPair, ...] = ()


def _retrained(
    run: Run,
    images: SeenImages,
    seen: Whitened,
    linear: PairTest,
    settings: ValidationSettings,
    epoch: int | None,
    observer: Observer | None,
    progress: TELL | None,
) -> _Retrained:
    """Train the half sets, and ask their models; modes and cross-encoding are those of the first seeds."""
    home = run.path / "analysis" / "validation_halves"
    halves = train_halves(run, images.half, home, seeds=settings.seeds, observer=observer)
    first, crossed = (halves[0][0], halves[1][0]), None
    given, displacement = _given(seen, first, linear, settings)
    pairs: tuple[SeedPair, ...] = ()
    if settings.seeds > 1:
        pairs = compare_seeds(run, halves, images, modes=settings.modes, epoch=epoch)
    if all(has_encoder(half) for half in first):
        told = _part(progress, "crossing")
        crossed = cross(run, first, images.half, epoch=epoch, seed=settings.seed, progress=told)
    return _Retrained(given, displacement, crossed, pairs)


def _given(
    seen: Whitened, halves: tuple[Run, Run], linear: PairTest, settings: ValidationSettings
) -> tuple[PairTest, Float[ndarray, " k"]]:
    """The test of the modes that the half sets' models decode, and by how much the first's move density."""
    radius = float(seen.images.disk.radius[-1])
    grid: dict[str, Any] = {"box": seen.images.box, "pixel_size": seen.images.pixel_size, "radius": radius}
    (first, place, chosen), (second, _, _) = (
        decoded_modes(half, count=settings.modes, **grid) for half in halves
    )
    test = pair_test(seen, (first, second), mean=linear.mean, shuffles=settings.shuffles, seed=settings.seed)
    return test, displacements(halves[0], place, halves[0].latents().mean[chosen])


def _power(
    images: SeenImages,
    test: PairTest,
    null: Null,
    modes: tuple[ModeVerdict, ...],
    settings: ValidationSettings,
    region: Region | None,
    progress: Callable[[int, int], None],
) -> Power | None:
    if not settings.power:
        return None
    varies = any(mode.real for mode in modes if mode.source == "linear")
    return find_power(
        images,
        test,
        null,
        region=region or choose_region(images, test, varies=varies),
        moved=settings.moved,
        modes=settings.modes,
        shuffles=settings.shuffles,
        level=settings.level,
        seed=settings.seed,
        progress=progress,
    )


def _part(progress: TELL | None, name: str) -> Callable[[int, int], None]:
    """Progress of one part as that of the whole."""
    return lambda done, count: None if progress is None else progress(name, done, count)


def _clock(seconds: float) -> str:
    """A time to two figures.

    >>> _clock(42.0), _clock(600.0), _clock(9000.0)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"
