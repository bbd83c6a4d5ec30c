"""`trimorph resume RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from trimorph.cli.companions import companions
from trimorph.cli.shown_path import shown
from trimorph.cli.train import guided
from trimorph.cli.training_display import TrainingDisplay
from trimorph.run.recipe import Recipe
from trimorph.run.train import resume


def command(
    run: Annotated[Path, tyro.conf.Positional], *, recipe: Path | None = None, processes: int = 1
) -> None:
    """Go on with a run that was stopped, exactly as if it had not been.

    Args:
        run: Folder of the run.
        recipe: A recipe.toml that must ask for what the run was started with; the run's own by default.
        processes: Processes that train together, one a CUDA device; on CPUs each takes its part of the cores.
    """
    wanted = None if recipe is None else Recipe.load(recipe)
    words = ["resume", str(run), *([] if recipe is None else ["--recipe", str(recipe)])]
    with companions(words, processes=processes), TrainingDisplay() as display:
        done = guided(lambda: resume(run, recipe=wanted, observer=display), run)
    display.say(f"run {shown(done.path)}")
