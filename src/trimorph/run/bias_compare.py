"""The decoded density and the moved structure side by side, at the ends and the middle of a walk.

Letters: v states (start, middle, end), d box, g residues.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from trimorph.methods.gradient_encoder import FINENESS
from trimorph.methods.latent_settings import LatentSettings
from trimorph.methods.structure_method import StructureMethod
from trimorph.reconstruction.segment_regions import around
from trimorph.run.bias_ends import Ends
from trimorph.run.bias_follow import band, followed, local_correlation, local_share, scale_of
from trimorph.run.bias_verdict import SegmentVerdict
from trimorph.run.run import Run

STATES = ("start", "middle", "end")
"""Of a walk along a principal component."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Densities that a decoder without a structure gives, those of the structure, and where residues are.

    ``decoded`` and ``structure`` are blurred to ``resolution`` (Å), the decoded one on the structure's scale;
    ``unmoved`` is the structure at z = 0. ``fine`` holds the changes from start to end of both in frequencies
    that the encoder has not seen, ``beyond`` its resolution, if there are any. ``mask`` is around all places
    of residues, which are in Å about the origin voxel.
    """

    decoded: Float[ndarray, "v d d d"]
    structure: Float[ndarray, "v d d d"]
    unmoved: Float[ndarray, "d d d"]
    fine: Float[ndarray, "two d d d"] | None
    place: Float[ndarray, "v g 3"]
    neutral: Float[ndarray, "g 3"]
    pixel_size: float
    resolution: float
    beyond: float | None
    mask: Float[ndarray, "d d d"]

    @classmethod
    def of(
        cls, run: Run, density: Run, z: Float[ndarray, "v l"], *, resolution: float, epoch: int | None
    ) -> Compared:
        """Decode both runs at latents, and bring them to one resolution and scale."""
        method = run.method(epoch)
        assert isinstance(method, StructureMethod)  # so checked
        disk = method.disk
        grid: dict[str, Any] = {"box": disk.box, "pixel_size": disk.pixel_size}
        latent = torch.as_tensor(z, dtype=torch.float32)
        with torch.no_grad():
            place = method.residue_motion(latent).place(method.position).double().numpy()
        decoded = density.volume(z, **grid)
        structure = run.volume(np.concatenate([z, np.zeros_like(z[:1])]), **grid, epoch=epoch)
        reach = resolution + 2 * disk.pixel_size
        mask = around(place.reshape(-1, 3), **grid, reach=reach, edge=reach)
        blurred = [
            np.stack([band(one, pixel_size=disk.pixel_size, resolution=resolution) for one in many])
            for many in (decoded, structure)
        ]
        scale = scale_of(blurred[0], blurred[1][:-1], mask)
        beyond = unseen_beyond(run, epoch, resolution=resolution)
        fine = None
        if beyond is not None:
            changes = ((decoded[-1] - decoded[0]) / scale, structure[-2] - structure[0])
            kept = {"pixel_size": disk.pixel_size, "resolution": resolution, "beyond": beyond}
            fine = np.stack([band(change, **kept) for change in changes])
        return cls(
            decoded=blurred[0] / scale,
            structure=blurred[1][:-1],
            unmoved=blurred[1][-1],
            fine=fine,
            place=place,
            neutral=method.position.detach().double().numpy(),
            pixel_size=disk.pixel_size,
            resolution=resolution,
            beyond=beyond,
            mask=mask,
        )

    @cached_property
    def correlations(self) -> Float[ndarray, "v 2 g"]:
        """Local correlation of the decoded density with the moved and the unmoved structure.

        Voxels are those within a resolution of where a residue is moved to, or of where it was.
        """
        kept = {"radius": self.resolution, "pixel_size": self.pixel_size}
        return np.stack(
            [
                np.stack(
                    [
                        local_correlation(one, other, [place, self.neutral], **kept)
                        for other in (two, self.unmoved)
                    ]
                )
                for one, two, place in zip(self.decoded, self.structure, self.place, strict=True)
            ]
        )

    @property
    def changes(self) -> Float[ndarray, "two d d d"]:
        """From start to end: of the decoded density, and of the structure's."""
        return np.stack([self.decoded[-1] - self.decoded[0], self.structure[-1] - self.structure[0]])

    @cached_property
    def shares(self) -> Float[ndarray, " g"]:
        """How much of the change around each residue the density makes."""
        ends = [self.place[0], self.place[-1]]
        decoded, structure = self.changes
        return local_share(decoded, structure, ends, radius=self.resolution, pixel_size=self.pixel_size)

    @property
    def motion(self) -> Float[ndarray, " g"]:
        """How far each residue is from start to end in Å."""
        return np.asarray(np.linalg.norm(self.place[-1] - self.place[0], axis=-1))

    def verdict(self, name: str, residues: tuple[int, ...], ends: Ends) -> SegmentVerdict:
        """What is to be said of a segment."""
        rows = list(residues)
        half = 0.5 * self.resolution
        places = self.place[[0, -1]][:, rows].reshape(-1, 3)
        region = around(places, box=len(self.unmoved), pixel_size=self.pixel_size, reach=half, edge=half)
        margin = half / self.pixel_size
        decoder, decoder_unseen = (
            None if pair is None else followed(pair[0], pair[1], region, margin=margin)
            for pair in (self.changes, self.fine)
        )
        assert decoder is not None  # as there are always changes
        both = self.correlations[[0, -1]][..., rows].mean((0, 2))
        particles_unseen = None
        if self.beyond is not None:
            particles_unseen = ends.followed(region, resolution=self.resolution, beyond=self.beyond)
        return SegmentVerdict(
            name=name,
            motion=float(np.sqrt((self.motion[rows] ** 2).mean())),
            decoder=decoder,
            particles=ends.followed(region, resolution=self.resolution),
            moved_correlation=float(both[0]),
            unmoved_correlation=float(both[1]),
            decoder_unseen=decoder_unseen,
            particles_unseen=particles_unseen,
        )


def unseen_beyond(run: Run, epoch: int | None, *, resolution: float) -> float | None:
    """Resolution in Å that the run's encoder sees to, if there is much between it and ``resolution``.

    None where the encoder sees all, or there is none.
    """
    settings, problem = run.recipe.settings, run.problem(epoch)
    if not isinstance(settings, LatentSettings):
        return None
    seen = settings.encoder_resolution if settings.encoder in ("gradient", "pixels") else None
    if settings.encoder == "object":
        seen = problem.modes_resolution
    elif settings.encoder == "gradient" and seen is None:
        seen = 2 * problem.radius / FINENESS
    return seen if seen is not None and seen > 1.2 * resolution else None
