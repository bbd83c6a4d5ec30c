"""The whole chain on a small data set: simulate, train, write maps, and compare with the truth.

    python examples/demo.py [FOLDER]

Adenylate kinase closes two lids over its substrate. Particle images of that motion are made from the two
crystal structures that come with trimorph (PDB 4AKE, 1AKE), with CTF and noise, by a renderer that the model
does not share; then the model sees nothing but the images, their poses and CTFs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic

import numpy as np

import trimorph
from trimorph.cli.progress import bar
from trimorph.cli.train import guided
from trimorph.cli.training_display import TrainingDisplay
from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map
from trimorph.evaluation.figure import draw_recovery
from trimorph.evaluation.simulated_run import score_run
from trimorph.methods.field import FieldSettings


def main(folder: Path) -> None:
    """Run every step into a new folder."""
    start = monotonic()
    print(f"1. simulate    trimorph simulate adk -o {folder}/adk --count 4000 --box 32 --snr 0.5 --voxels")
    with bar("Simulating") as tell:
        made = trimorph.simulate(
            "adk", folder / "adk", count=4000, box=32, snr=0.5, voxels=True, progress=tell
        )
    states = made.star.with_name("adk_states")
    print(f"2. train       trimorph train field {made.star} -o {folder}/run --latent-dim 4")
    recipe = trimorph.Recipe(
        method="field",
        data=trimorph.ParticleInput(particles=made.star),
        settings=FieldSettings(latent_dim=4, epochs=16, width=128, encoder_width=128),
        training=trimorph.TrainingSettings(batch_size=32),
    )
    with TrainingDisplay() as display:
        run = guided(lambda: trimorph.train(recipe, folder / "run", observer=display), folder / "run")
    print(f"3. maps        trimorph volumes {folder}/run --pc 1 --points 5")
    maps = trimorph.write_volumes(run.path, pc=1, points=5, output=folder / "maps")
    scores = score_run(run, made.truth, states)
    picture = folder / "adk.png"
    draw(picture, run, made.truth, states)
    print(f"   latents     {run.path}/latents")
    print(
        f"   maps        {maps[0].parent} ({len(maps)} maps; open {maps[0].parent}/volumes.cxc in ChimeraX)"
    )
    print(f"   picture     {picture}")
    print(f"   {monotonic() - start:.0f} s in all")
    print(f"latents against the true motion: |Spearman| = {scores.correlation:.3f}")
    print(f"  as predicted from neighbours:  Spearman  = {scores.neighbour_correlation:.3f}")
    print(f"decoded against true maps:       FSC averaged over all shells = {scores.fsc:.3f}")


def draw(picture: Path, run: trimorph.Run, truth: trimorph.Truth, states: Path) -> None:
    """Latents and the maps of five particles along the true motion."""
    z = run.latents().mean
    chosen = np.argsort(truth.coordinate, kind="stable")[np.linspace(0, len(truth) - 1, 5).astype(int)]
    files = sorted(states.glob("*.mrc"))
    draw_recovery(
        picture,
        z=z,
        coordinate=truth.coordinate,
        quantity=truth.quantity,
        maps=run.volume(z[chosen]),
        true_maps=np.stack([read_map(files[state])[0] for state in truth.state[chosen]]),
        names=[f"particle {particle}" for particle in chosen],
        pixel_size=truth.pixel_size,
    )


def ending(folder: Path) -> int:
    """Run, and return the exit code as the command line does: 0 done, 1 the input's fault, 130 Ctrl-C."""
    try:
        main(folder)
    except KeyboardInterrupt:
        print("\ndemo: stopped. To start anew, remove the folder or name another.", file=sys.stderr)
        return 130
    except (InputError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(ending(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
