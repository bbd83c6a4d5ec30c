"""`trimorph path RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from trimorph.cli.shown_path import shown


def command(
    source: Annotated[Path, tyro.conf.Positional],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    by: Literal["graph", "density", "straight", "pc"] = "graph",
    anchors: str | None = None,
    z: str | None = None,
    z_file: Path | None = None,
    states: str | None = None,
    order: str | None = None,
    seed: int | None = None,
    loop: bool = False,
    points: int | None = None,
    pc: int | None = None,
    limits: tuple[float, float] | None = None,
    neighbours: int | None = None,
    most: int | None = None,
    connect: bool = False,
    epoch: int | None = None,
    volumes: bool = True,
    box: int | None = None,
    pixel_size: float | None = None,
    b_factor: float = 0.0,
    low_pass: float | None = None,
    crop: int | None = None,
    flip: bool = False,
    invert: bool = False,
) -> None:
    """Walk through the latents of a run: points, particles near them, maps or structures, picture and movie.

    trimorph path run --anchors 50,2020

    trimorph path run --by density --states kmeans:6 --order 1,4,6

    trimorph path z.pkl --by graph --anchors 50,100 -o path

    Args:
        source: Folder of a run, or a file of latents (.npz, .npy, cryoDRGN's z.pkl), which has no maps.
        output: New folder for what is written; analysis/path_... in the run by default.
        by: Way from anchor to anchor: through the graph of neighbours, where particles are dense, straight,
            or along a principal component, which needs no anchors.
        anchors: Numbers of particles, from 0, that the path leads to in turn ("50,2020").
        z: Latents that it leads to instead: components parted by commas, latents by semicolons ("0,0;1,0").
        z_file: File of latents that it leads to instead, one a line (.txt, .csv, .npy).
        states: States whose centres it leads to instead: kmeans:6, mixture:4, or mixture and peaks, which
            find a number themselves.
        order: Which states, from 1, in which order ("1,4,3"); all in their order by default.
        seed: Seed of the search for states: that of the analysis which found them; 0 by default.
        loop: Go back to the first anchor at the end.
        points: Number of points, evenly spaced from anchor to anchor; by default 10 if the path is straight,
            20 along the density of one or two components, else the particles that it goes through.
        pc: Principal component, from 1.
        limits: Percentiles of the particles between which the component is walked; 5 and 95 by default.
        neighbours: Neighbours of a particle on average, itself among them; 5 by default.
        most: The most neighbours of a particle; 10 by default, or twice the average where that is more.
        connect: Where the graph falls apart between anchors, cross its gaps.
        epoch: Use model and latents after this epoch; the last that has both by default.
        volumes: Make maps, or structures, and a movie of them.
        box: Box of the maps in voxels; that of training by default.
        pixel_size: Voxel size in Å; that of training by default.
        b_factor: B-factor in Å^2 to apply; a negative one sharpens.
        low_pass: Resolution in Å beyond which to filter out.
        crop: Keep the central cube of so many voxels; its origin is set so that it lies on the whole map.
        flip: Mirror along z: the other hand.
        invert: Invert the contrast.
    """
    from trimorph.analysis.paths_route import Route
    from trimorph.analysis.paths_write import write_path
    from trimorph.cli.progress import bar
    from trimorph.run.volumes import MapSettings

    route = Route(
        by=by, anchors=anchors, z=z, z_file=z_file, states=states, order=order, seed=seed,
        loop=loop, points=points, pc=pc, limits=limits, neighbours=neighbours, most=most, connect=connect,
    )  # fmt: skip
    maps = MapSettings(box, pixel_size, b_factor, low_pass, crop, flip, invert)
    with bar("Path") as progress:
        report = write_path(
            source,
            route,
            output=output,
            epoch=epoch,
            volumes=volumes,
            maps=None if maps == MapSettings() else maps,
            progress=progress,
        )
    for line in report.lines:
        print(line)
    names = sorted(path.name for path in report.folder.iterdir())
    print(f"{', '.join(names)} in {shown(report.folder)}")
