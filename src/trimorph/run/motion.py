"""What moves in a run: Gaussians between two states, along principal components, and in a region alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.core.errors import InputError
from trimorph.data.mrc import write_map
from trimorph.methods.base import Method
from trimorph.methods.localised_modes import localised_modes, motion_jacobian
from trimorph.run.choose_latents import along_component, of_particles, parse_latents
from trimorph.run.motion_cloud import CloudMotion, decoded_cloud
from trimorph.run.motion_figure import draw_motion
from trimorph.run.motion_files import write_arrows, write_points, write_script, write_table
from trimorph.run.motion_latents import ends_along, latent_axes
from trimorph.run.motion_region import Sphere, within
from trimorph.run.motion_tables import write_components, write_directions, write_ends
from trimorph.run.new_folder import new_folder
from trimorph.run.run import Run
from trimorph.training.latents import Latents


@dataclass(frozen=True, eq=False)
class MotionReport:
    """What :func:`write_motion` found.

    ``components`` are the motions along all principal components, ``motions`` those that were written, in
    ``folder``. Only where a region was named: ``share`` of each of these motions inside it, for small
    steps, and ``inside`` (g,), which Gaussians are in it.
    """

    components: list[CloudMotion]
    motions: list[CloudMotion]
    folder: Path
    share: Float[ndarray, " k"] | None = None
    inside: Float[ndarray, " g"] | None = None


def write_motion(
    run: Path | str,
    *,
    output: Path | None = None,
    from_z: str | None = None,
    to_z: str | None = None,
    particles: tuple[int, int] | None = None,
    component: int | None = None,
    inside: Path | None = None,
    around: Sphere | None = None,
    amplitudes: bool = False,
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MotionReport:
    """Write how the Gaussians of a run move to a new folder, by default analysis/motion_NAME in the run.

    Between ``from_z`` and ``to_z`` ("0,1"), the latents of two ``particles``, or the 5th and the 95th
    percentile along a principal ``component``, the first by default: motion.csv, start.mrc, end.mrc,
    start.cif, end.cif, arrows.bild, motion.cxc, motion.png, z_values.csv; and components.csv for all
    principal components.

    With a mask ``inside`` or a sphere ``around`` (x, y, z, radius in Å from the map's first voxel), the same
    for every localised direction, in direction_1 ..., with directions.csv. ``amplitudes`` counts changes of
    amplitude as motion, too.

    Errors: InputError for a run without Gaussians or latents, or a choice that is double or wrong;
    FileExistsError for a folder in use.
    """
    opened = Run.open(run)
    method = opened.method(epoch)
    region = inside is not None or around is not None
    _refuse_double(
        {"--from-z and --to-z": from_z is not None or to_z is not None, "--particles": particles is not None,
         "--component": component is not None, "--inside": inside is not None, "--around": around is not None}
    )  # fmt: skip
    if amplitudes and not region:
        raise InputError(
            "Found --amplitudes without a region; wanted --inside or --around with it, for which it says "
            "what counts as motion. Leave it out: amplitudes are always listed."
        )
    decoded_cloud(method, torch.zeros(1, method.latent_dim))
    latents = opened.latents(epoch)
    components = [
        CloudMotion.between(method, along_component(latents, number, 2).z)
        for number in range(1, method.latent_dim + 1)
    ]
    home = opened.path / "analysis"
    if not region:
        ends, name = _ends(latents, from_z, to_z, particles, component or 1, method.latent_dim)
        motion = CloudMotion.between(method, ends)
        target = (output or home / name).absolute()
        with new_folder(target, holds="motion") as folder:
            write_components(folder / "components.csv", latents, components)
            _write_motion(folder, opened, motion, title=_title(motion), epoch=epoch)
        return MotionReport(components, [motion], target)
    pairs, share, part = _localised(method, latents, inside, around, amplitudes=amplitudes)
    motions = [CloudMotion.between(method, pair) for pair in pairs]
    target = (output or home / ("motion_inside" if around is None else "motion_around")).absolute()
    with new_folder(target, holds="motion") as folder:
        write_components(folder / "components.csv", latents, components)
        write_directions(folder / "directions.csv", motions, share=share, inside=part)
        for done, motion in enumerate(motions, start=1):
            inner = folder / f"direction_{done}"
            inner.mkdir()
            title = f"direction {done}: {100 * share[done - 1]:.1f} % of the motion is inside. "
            _write_motion(inner, opened, motion, title=title + _title(motion), epoch=epoch)
            if progress is not None:
                progress(done, len(motions))
    return MotionReport(components, motions, target, share, part)


def _refuse_double(given: dict[str, bool]) -> None:
    names = [name for name, there in given.items() if there]
    if len(names) > 1:
        raise InputError(f"Found {' and '.join(names)}; wanted one of {', '.join(given)}, or none.")


def _ends(
    latents: Latents,
    from_z: str | None,
    to_z: str | None,
    particles: tuple[int, int] | None,
    component: int,
    latent_dim: int,
) -> tuple[Float[ndarray, "2 d"], str]:
    """Latents of both ends, and what to call the motion."""
    if particles is not None:
        return of_particles(latents, f"{particles[0]},{particles[1]}").z, "motion_{}_{}".format(*particles)
    if from_z is None and to_z is None:
        return along_component(latents, component, 2).z, f"motion_pc{component}"
    if from_z is None or to_z is None:
        raise InputError(
            f"Found {'--to-z' if from_z is None else '--from-z'} alone; wanted both --from-z and --to-z."
        )
    ends = [parse_latents(text).z for text in (from_z, to_z)]
    for flag, z in zip(("--from-z", "--to-z"), ends, strict=True):
        if z.shape != (1, latent_dim):
            raise InputError(
                f"{flag}: found {len(z)} latents of {z.shape[1]} components; wanted one of {latent_dim}, the "
                "latent dimension of this run."
            )
    return np.concatenate(ends), "motion_z"


def _localised(
    method: Method, latents: Latents, mask: Path | None, sphere: Sphere | None, *, amplitudes: bool
) -> tuple[list[Float[ndarray, "2 d"]], Float[ndarray, " k"], Float[ndarray, " g"]]:
    """Ends of every localised direction, its share of motion inside, and the Gaussians inside."""
    axes = latent_axes(latents)
    centre = torch.as_tensor(latents.mean.mean(0), dtype=torch.float32)
    decode = partial(decoded_cloud, method)
    with torch.no_grad():
        place = decode(centre[None]).position[0].double().numpy()
    disk = method.disk
    inside = within(place, mask=mask, sphere=sphere, box=disk.box, pixel_size=disk.pixel_size)
    directions = torch.as_tensor(axes, dtype=torch.float32)
    jacobian = motion_jacobian(decode, centre, directions, amplitudes=amplitudes)
    moved = float(jacobian.square().sum((1, 2)).max()) ** 0.5 if len(axes) else 0.0
    if moved < 1e-3:
        raise InputError(
            f"Found Gaussians that move by {moved:.1g} Å a standard deviation of the latents; wanted some "
            "that move. Count changes of amplitude, too: --amplitudes. Or has the run found nothing?"
        )
    modes = localised_modes(jacobian, torch.as_tensor(inside))
    ends = [ends_along(latents, axes, direction) for direction in modes.direction.numpy()]
    return ends, modes.share.numpy(), inside


def _write_motion(folder: Path, run: Run, motion: CloudMotion, *, title: str, epoch: int | None) -> None:
    box, pixel_size = run.method(epoch).disk.box, run.method(epoch).disk.pixel_size
    density = run.volume(motion.z, epoch=epoch)
    for state, name in enumerate(("start", "end")):
        write_map(folder / f"{name}.mrc", density[state], pixel_size)
        write_points(folder / f"{name}.cif", motion, state, box=box, pixel_size=pixel_size)
    write_table(folder / "motion.csv", motion, box=box, pixel_size=pixel_size)
    write_arrows(folder / "arrows.bild", motion, box=box, pixel_size=pixel_size)
    write_script(folder / "motion.cxc")
    write_ends(folder / "z_values.csv", motion)
    draw_motion(folder / "motion.png", motion, density=density, pixel_size=pixel_size, title=title)


def _title(motion: CloudMotion) -> str:
    return (
        f"{motion.rms():.1f} Å in the root mean square of density, at most {motion.length.max():.1f} Å; "
        f"amplitudes by {100 * motion.amplitude_change:.0f} %"
    )
