"""`trimorph train METHOD PARTICLES -o RUN`: the flags are the fields of the method's settings."""

from __future__ import annotations

import sys
from dataclasses import MISSING, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from trimorph.cli.companions import companions
from trimorph.cli.none_word import with_none
from trimorph.cli.shown_path import shown
from trimorph.cli.training_display import TrainingDisplay
from trimorph.core.errors import InputError
from trimorph.data.open import ParticleInput
from trimorph.methods.registry import get_method, method_names
from trimorph.run.focus import FocusSettings
from trimorph.run.recipe import Recipe
from trimorph.run.run import Run
from trimorph.run.settings_file import field_docstrings
from trimorph.run.start import StartSettings
from trimorph.run.train import train
from trimorph.training.interrupt import Interrupted
from trimorph.training.settings import TrainingSettings

USAGE = """usage: trimorph train METHOD PARTICLES -o RUN [options]
       trimorph train --recipe FILE.toml -o RUN [options]

Fit a method to particle images and leave its model, latents and metrics in the folder RUN.

METHOD     {names}   (trimorph train {first} --help for all options)
PARTICLES  a RELION .star or cryoSPARC .cs file
--recipe   a recipe.toml to start from; options on the command line come before what it says

example: trimorph train {first} particles.star -o run --box 128
then:    trimorph volumes run --kmeans 20"""

PROCESSES = "Processes that train together, one a CUDA device; on CPUs each takes its part of the cores."


def command(arguments: list[str]) -> None:
    """Fit a method to particles; see USAGE."""
    if not arguments or (arguments[0] in ("-h", "--help")):
        names = method_names()
        print(USAGE.format(names=", ".join(names), first=names[0]))
        return
    recipe, output, processes = parse(arguments)
    with companions(["train", *arguments], processes=processes), TrainingDisplay() as display:
        run = guided(lambda: train(recipe, output, observer=display), output)
    display.say(f"run {shown(run.path)}")
    if recipe.method == "linear":
        display.say(f"modes: trimorph modes {output}")
    display.say(f"maps: trimorph volumes {output} {'--kmeans 20' if (run.path / 'latents').exists() else ''}")


def guided(work: Any, path: Path) -> Run:
    """Do the work; when it is interrupted, say how to go on."""
    try:
        run: Run = work()
    except Interrupted as interrupted:
        print(f"\nstopped; saved {interrupted.checkpoint}", file=sys.stderr)
        print(f"go on with: trimorph resume {path}", file=sys.stderr)
        raise
    return run


def parse(arguments: list[str]) -> tuple[Recipe, Path, int]:
    """The recipe, output folder and number of processes that the words on the command line ask for."""
    file, rest = _take_recipe(arguments)
    start = None if file is None else Recipe.load(file)
    if rest and not rest[0].startswith("-") and (start is None or rest[0] in method_names()):
        name, rest = rest[0], rest[1:]
    elif start is not None:
        name = start.method
    else:
        raise InputError(f"Found no method before {rest[0]}; wanted one of {', '.join(method_names())}.")
    if start is not None and start.method != name:
        raise InputError(
            f'{file}: found method "{start.method}"; wanted "{name}" as on the command line. Leave the '
            "name out."
        )
    kind = get_method(name).Settings
    parsed = tyro.cli(
        _arguments(name, kind, start), prog=f"trimorph train {name}", args=rest, registry=with_none()
    )
    recipe = Recipe(
        method=name,
        data=ParticleInput(particles=parsed.particles, **_values(parsed.data)),
        settings=kind(**_values(parsed.method)),
        training=TrainingSettings(**_values(parsed.training)),
        focus=FocusSettings(**_values(parsed.focus)),
        start=StartSettings(**_values(parsed.start)),
    )
    return recipe, parsed.output, parsed.processes


def _take_recipe(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """Split --recipe FILE off, as its content decides which other flags there are."""
    for place, word in enumerate(arguments):
        if word == "--recipe" and place + 1 < len(arguments):
            return Path(arguments[place + 1]), arguments[:place] + arguments[place + 2 :]
        if word.startswith("--recipe="):
            return Path(word.removeprefix("--recipe=")), arguments[:place] + arguments[place + 1 :]
        if word == "--recipe":
            raise InputError("Found --recipe without a file; wanted --recipe FILE.toml.")
    return None, arguments


def _arguments(name: str, kind: type[Any], start: Recipe | None) -> type[Any]:
    """A dataclass that tyro turns into flat flags: particles, output, and a group for each settings class."""
    groups: dict[str, tuple[type[Any], Any, set[str]]] = {
        "method": (kind, None if start is None else start.settings, set()),
        "data": (ParticleInput, None if start is None else start.data, {"particles"}),
        "training": (TrainingSettings, None if start is None else start.training, set()),
        "focus": (FocusSettings, None if start is None else start.focus, set()),
        "start": (StartSettings, None if start is None else start.start, set()),
    }
    seen = dict.fromkeys(("particles", "output", "processes", "recipe"), "trimorph")
    for group, (cls, _, left_out) in groups.items():
        for item in fields(cls):
            if item.name in seen and item.name not in left_out:
                raise TypeError(f"{cls.__name__}.{item.name} is a flag of {seen[item.name]} already")
            seen[item.name] = group
    parts: list[Any] = [
        (key, Annotated[_group(cls, default, left_out), tyro.conf.OmitArgPrefixes], field())
        for key, (cls, default, left_out) in groups.items()
    ]
    particles: Any = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A .star or .cs file.")]
    output: Any = Annotated[Path, tyro.conf.arg(aliases=["-o"], help="New folder for the run.")]
    processes: Any = Annotated[int, tyro.conf.arg(help=PROCESSES)]
    given: Any = field() if start is None else field(default=start.data.particles)
    made = make_dataclass(
        "Train",
        [
            *parts,
            ("output", output, field()),
            ("processes", processes, field(default=1)),
            ("particles", particles, given),
        ],
        kw_only=True,
    )
    made.__doc__ = sys.modules[kind.__module__].__doc__
    return made


def _group(kind: type[Any], start: Any, left_out: set[str]) -> type[Any]:
    """A copy of a settings class for tyro, with other defaults and without some fields."""
    hints, texts = get_type_hints(kind), field_docstrings(kind)
    spec: list[Any] = []
    for item in fields(kind):
        if item.name in left_out:
            continue
        default = item.default if start is None else getattr(start, item.name)
        made: Any = field() if default is MISSING else field(default=default)
        text = texts.get(item.name, "").replace("%", "%%")
        spec.append((item.name, Annotated[hints[item.name], tyro.conf.arg(help=text)], made))
    made_class = make_dataclass(kind.__name__, spec, kw_only=True)
    made_class.__doc__ = kind.__doc__
    return made_class


def _values(group: Any) -> dict[str, Any]:
    return {item.name: getattr(group, item.name) for item in fields(group)}
