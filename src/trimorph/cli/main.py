"""The command `trimorph`: find the subcommand, hand it the rest, turn errors into exit codes."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TextIO

COMMANDS = {
    "info": "what a star or .cs file holds, and what is missing for which method",
    "simulate": "particle images of a structure or of maps, with the truth beside them",
    "reconstruct": "weighted back-projection with half maps and FSC",
    "fsc": "Fourier shell correlation of two maps",
    "fit": "a structure placed in a map, from any start",
    "quick": "mean map, linear modes, latents and a picture of them, in the first minute",
    "train": "fit a method to particles: trimorph train field particles.star -o run",
    "resume": "go on with a run that was stopped",
    "volumes": "maps of a run at chosen latents",
    "analyze": "states of a run: maps, the particles' own beside them, tables, pictures, report",
    "path": "a walk through the latents: graph, density, straight; maps, picture and movie on the way",
    "structures": "atomic structures of a segments run: ensemble, tables, quality, picture",
    "modes": "modes of a linear run: eigenvolumes, maps along them, table and picture",
    "motion": "what moves in a gaussians run: arrows, maps, table, also of one region alone",
    "bias": "whether density that never saw the structure of a segments run moves with it",
    "observability": "how much each particle's view can say of its latent",
    "validate": "whether motion is real: half sets, nulls, a verdict a mode, what could have been seen",
    "select": "particles of a run by their latents: star, .cs with .csg, or row numbers",
    "evaluate": "scores of runs and of other programs' latents and maps against a known truth",
    "agree": "how far replicates agree in their states, or selections in their particles",
    "latents": "latents of a run as csv, npy or cryoDRGN's pkl",
}


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one subcommand and return the exit code: 0 done, 1 the input's fault, 2 usage, 130 Ctrl-C."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"trimorph {version('trimorph')}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        from difflib import get_close_matches

        near = get_close_matches(name, COMMANDS, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        print(f'trimorph: no command "{name}".{hint} Commands: {", ".join(COMMANDS)}.', file=sys.stderr)
        return 2
    return _call(name, rest)


def usage() -> str:
    """The text of `trimorph --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "trimorph: structural ensembles from single-particle cryo-EM images",
            "",
            "usage: trimorph COMMAND [options]     (trimorph COMMAND --help for its options)",
            "",
            *lines,
        ]
    )


def _call(name: str, rest: list[str]) -> int:
    import tyro

    from trimorph.cli.none_word import with_none
    from trimorph.core.errors import InputError

    warnings.showwarning = _remark
    try:
        module = importlib.import_module(f"trimorph.cli.{name}")
        if name == "train":  # its flags depend on the method that the first word names
            module.command(rest)
        else:
            tyro.cli(module.command, prog=f"trimorph {name}", args=rest, registry=with_none())
    except KeyboardInterrupt:
        print(f"trimorph {name}: stopped.", file=sys.stderr)
        return 130
    except (InputError, OSError) as error:
        print(f"trimorph {name}: {error}", file=sys.stderr)
        return 1
    return 0


def _remark(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line, and once, without the line of code that it came from."""
    text = f"note: {message}"
    if text not in _REMARKS:
        _REMARKS.add(text)
        print(text, file=sys.stderr)


_REMARKS: set[str] = set()
