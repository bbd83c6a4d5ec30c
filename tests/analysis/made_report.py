"""An analysis of a small run whose motion is known, made by hand, under names that a page has to escape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from run.slider import PIXEL_SIZE, spread_latents, write_slider_run
from trimorph.analysis.analysis import Analysis, Figure, StateFiles, Traversal
from trimorph.analysis.components import find_components
from trimorph.analysis.states import States
from trimorph.data.mrc import write_map
from trimorph.reconstruction.fsc import shell_correlation
from trimorph.reconstruction.write import write_csv
from trimorph.run.embedding import read_embedding

COUNT, NOISE = 90, 0.01
HOSTILE = '<b onload="x()">&'
COMMAND = "trimorph train </code></pre><script>alert('1')</script>"


def made_analysis(folder: Path) -> tuple[Path, Analysis]:
    """The folder of an analysis of three states with own maps of known noise, and what it says."""
    place = folder / f"data {HOSTILE}"
    place.mkdir(parents=True)
    latents = spread_latents(COUNT, together=2.0, apart=0.5)
    run = write_slider_run(place, angles=[(37.0 * i, 7.0 * i % 180) for i in range(COUNT)], latents=latents)
    told = json.loads((run.path / "provenance.json").read_text())
    (run.path / "provenance.json").write_text(json.dumps({**told, "command": COMMAND}))
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in made_metrics()))
    embedding = read_embedding(run.path)
    components = find_components(embedding.mean)
    order = np.argsort(np.argsort(components.scores[:, 0]))
    label = np.digitize(order, [30, 75])
    label[order == 0] = -1  # one of none
    centre = np.array([np.flatnonzero(order == rank)[0] for rank in (15, 50, 80)])
    states = States(label, centre, embedding.mean[centre], "known3")
    target = place / "analysis"
    (target / "states").mkdir(parents=True)
    (target / "pc1").mkdir()
    files = tuple(_state(target, run, states, number) for number in (1, 2, 3))
    z = np.linspace(states.z[0], states.z[2], 4)
    maps = tuple(Path("pc1") / f"vol_{number:03d}.mrc" for number in range(1, 5))
    for path, latent in zip(maps, z, strict=True):
        write_map(target / path, run.volume(latent), PIXEL_SIZE)
    (target / "figures").mkdir()
    imsave(target / "figures" / "states.png", np.zeros((4, 6, 3)))
    (target / f"a{HOSTILE.replace('/', '')}.gif").write_bytes(b"GIF89a")
    return target, Analysis(
        target,
        embedding,
        states,
        components,
        {"defocus": np.full(COUNT, 12000.0), "state": label + 1},
        files,
        (Traversal("pc1", z, maps),),
        (Figure(Path("figures/states.png"), f"Title {HOSTILE}", f"Caption {HOSTILE}"),),
        lines=(f"A line {HOSTILE}",),
        settings={"name": HOSTILE},
    )


def made_metrics() -> list[dict[str, object]]:
    """Three epochs in two stages, of which the last still falls by a tenth."""
    lines: list[dict[str, object]] = []
    for epoch, loss in enumerate((2.0, 1.1, 1.0), start=1):
        stage, limit = ("coarse", 16.0) if epoch == 1 else ("fine", 8.0)
        common = {"epoch": epoch, "stage": stage, "resolution": limit, "seconds": 30.0}
        lines.append({"kind": "step", "step": 10 * epoch - 5, "terms": {"likelihood": loss + 0.1}, **common})
        lines.append({"kind": "epoch", "step": 10 * epoch, "terms": {"likelihood": loss}, **common})
    return lines


def _state(folder: Path, run, states: States, number: int) -> StateFiles:  # type: ignore[no-untyped-def]
    """The model's map of a state, and own maps that are the same with noise."""
    density, rng = run.volume(states.z[number - 1]), np.random.default_rng(number - 1)
    scale = NOISE * float(np.abs(density).max())
    halves = [density + rng.normal(0, scale, density.shape).astype(np.float32) for _ in (1, 2)]
    names = [Path("states") / f"{kind}_{number:02d}.mrc" for kind in ("state", "own", "half1", "half2")]
    for name, values in zip(names, (density, 0.5 * (halves[0] + halves[1]), *halves), strict=True):
        write_map(folder / name, values, PIXEL_SIZE)
    curves = shell_correlation(*halves, pixel_size=PIXEL_SIZE)
    write_csv(folder / "states" / f"own_{number:02d}_fsc.csv", curves)
    count = int(states.number()[number - 1])
    return StateFiles(
        number=number,
        particles=count,
        share=count / len(states.label),
        map=names[0],
        own=names[1],
        half1=names[2],
        half2=names[3],
        resolution=8.0 + number,
        effective=12.5 * number,
        agreement=1.0 - 0.1 * number,
        curves=Path("states") / f"own_{number:02d}_fsc.csv",
    )
