"""AtomicDensity: the density that electrons see in a structure."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import gemmi
import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from trimorph.core.disk import FourierDisk
from trimorph.core.errors import InputError
from trimorph.core.gaussians import Gaussians
from trimorph.core.gridding import OVERSAMPLING, Gridding
from trimorph.core.point_field import MOLMAP_WIDTH
from trimorph.core.volume import AbstractVolume
from trimorph.data.structure import Structure

RESIDUE = "Res"
"""Element name of a pseudo-residue: one Gaussian with the mass of a mean amino acid (C5 N1.4 O1.5)."""

PIXELS_TO_SPARE = 2
"""Between the blurred structure and the edge of the box."""

_SPREAD_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class FormFactor:
    """f(k) = sum_i amplitude_i exp(-falloff_i k^2 / 4), k in 1/Å: amplitudes in Å, falloffs in Å^2."""

    amplitude: tuple[float, ...]
    falloff: tuple[float, ...]

    def __call__(self, k2: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Value at squared frequencies."""
        terms = [a * torch.exp(-0.25 * b * k2) for a, b in zip(self.amplitude, self.falloff, strict=True)]
        return torch.stack(terms).sum(0)


def electron_form_factor(element: str) -> FormFactor:
    """Elastic electron scattering factor of a neutral atom, five Gaussians up to s = 2 / Å.

    Source: Peng, Ren, Dudarev & Whelan, Acta Cryst. A52 (1996) 257, table 1 (s = k / 2),
    as tabulated in gemmi.

    >>> carbon = electron_form_factor("C")
    >>> round(float(carbon(torch.zeros(1))), 4)
    2.5088
    """
    if element == RESIDUE:
        return FormFactor((18.6,), (8 * pi**2 * 1.8**2,))
    known = gemmi.Element(element)
    coefficients = known.c4322
    if coefficients is None or known.atomic_number == 0:
        raise InputError(
            f'Scattering: no electron form factor for element "{element}"; wanted a neutral atom of the '
            "periodic table up to Cf. Check the element column of the structure file."
        )
    return FormFactor(tuple(coefficients.a), tuple(coefficients.b))


def atomic_number_form_factor(element: str) -> FormFactor:
    """A point of the atomic number's weight, which is what ChimeraX's ``molmap`` takes for an atom."""
    number = gemmi.Element(element).atomic_number
    if number == 0:
        raise InputError(
            f'Scattering: found the element "{element}"; wanted one of the periodic table. Check the element '
            "column of the structure file."
        )
    return FormFactor((float(number),), (0.0,))


@dataclass(frozen=True, eq=False)
class AtomicDensity(AbstractVolume):
    """The density of atoms, blurred by a Gaussian of standard deviation ``width`` Å.

    F(k) = exp(-2 pi^2 width^2 k^2) sum_elements f_e(k) sum_{atoms of e} exp(-2 pi i k x) / pixel_size^3.
    ``positions`` holds one (n, 3) tensor an element, in Å, and ``form_factors`` the factor of each.
    """

    positions: tuple[Float[Tensor, "_ 3"], ...]
    form_factors: tuple[FormFactor, ...]
    width: float

    @classmethod
    def of(
        cls,
        structure: Structure,
        *,
        resolution: float,
        origin: np.ndarray | None = None,
        electrons: bool = True,
    ) -> AtomicDensity:
        """Density of a structure at a resolution in Å, about ``origin`` (the centre of its atoms by default).

        ``electrons`` takes electron form factors, else atomic numbers.
        """
        if not resolution > 0:
            raise InputError(f"Scattering: found a resolution of {resolution} Å; wanted a positive number.")
        centre = structure.position.mean(0) if origin is None else np.asarray(origin)
        elements = np.unique(structure.element)
        factor = electron_form_factor if electrons else atomic_number_form_factor
        return cls(
            positions=tuple(
                torch.as_tensor(
                    structure.position[structure.element == element] - centre, dtype=torch.float32
                )
                for element in elements
            ),
            form_factors=tuple(factor(str(element)) for element in elements),
            width=MOLMAP_WIDTH * resolution,
        )

    @property
    def atoms(self) -> int:
        """Number of atoms."""
        return sum(map(len, self.positions))

    @property
    def reach(self) -> float:
        """Distance in Å from the origin to the farthest atom."""
        return max(float(position.norm(dim=1).max()) for position in self.positions)

    def project(self, rotation: Float[Tensor, "b 3 3"], disk: FourierDisk) -> Complex[Tensor, "b n"]:
        """Central slices: exact sums over the atoms, one separable product an element."""
        k2 = (disk.frequency**2).sum(-1)
        total = torch.zeros(len(rotation), len(disk), dtype=torch.complex64)
        for position, form_factor in zip(self.positions, self.form_factors, strict=True):
            width = torch.full((1, len(position)), self.width)
            points = Gaussians(position[None], torch.ones_like(width), width)
            total += points.project(rotation, disk) * form_factor(k2)
        return total

    def voxels(self, box: int, pixel_size: float) -> Float[Tensor, "v box box box"]:
        """The density on a grid, band-limited to its Nyquist frequency: exact transform, error under 1e-5."""
        self.require_room(box, pixel_size)
        kernel = Gridding(width=6)
        axis = torch.arange(box) - box // 2
        frequency = axis.float() / (box * pixel_size)
        half = torch.arange(box // 2 + 1)
        frequency_x = half.float() / (box * pixel_size)
        k2 = frequency[:, None, None] ** 2 + frequency[:, None] ** 2 + frequency_x**2
        total = torch.zeros(box, box, len(half), dtype=torch.complex64)
        for position, form_factor in zip(self.positions, self.form_factors, strict=True):
            total += _point_transform(position, kernel, box=box, pixel_size=pixel_size) * form_factor(k2)
        taper = kernel.taper(box)
        taper_x = torch.cat([taper[box // 2 :], taper[:1]])[: len(half)]
        total *= torch.exp(-2 * pi**2 * self.width**2 * k2) / (
            taper[:, None, None] * taper[:, None] * taper_x * pixel_size**3
        )
        if box % 2 == 0:  # the Nyquist planes have no mate
            total[0], total[:, 0], total[..., -1] = 0, 0, 0
        spectrum = torch.fft.ifftshift(total, dim=(0, 1))
        return torch.fft.fftshift(torch.fft.irfftn(spectrum, s=(box, box, box)))[None]

    def require_room(self, box: int, pixel_size: float) -> None:
        """Raise where an atom would leave the box at some orientation."""
        side = box * pixel_size
        margin = 2 * self.width + PIXELS_TO_SPARE * pixel_size
        if self.reach + margin > side / 2:
            smallest = int(np.ceil(2 * (self.reach + margin) / pixel_size / 8) * 8)
            raise InputError(
                f"Structure: its farthest atom is {self.reach:.0f} Å from the centre, and a box of {box} "
                f"pixels of {pixel_size:g} Å reaches {side / 2:.0f} Å; wanted {margin:.0f} Å to spare. "
                f"Take box {smallest}, or a larger pixel size."
            )


def blur_margin(resolution: float) -> float:
    """How far in Å the blur of a resolution reaches beyond an atom: two standard deviations."""
    return 2 * MOLMAP_WIDTH * resolution


def _point_transform(
    position: Float[Tensor, "n 3"], kernel: Gridding, *, box: int, pixel_size: float
) -> Complex[Tensor, "box box h"]:
    """Sum of exp(-2 pi i k x), times the kernel's taper, at kz and ky centred and kx >= 0 of a box."""
    fine = OVERSAMPLING * box
    grid = torch.zeros(fine, fine, fine)
    for part in (position * (OVERSAMPLING / pixel_size)).split(_SPREAD_AT_ONCE):
        grid += kernel.spread(torch.ones(len(part), 1), part, fine)[..., 0]
    spectrum = torch.fft.rfftn(torch.fft.ifftshift(grid))[..., : box // 2 + 1]
    wanted = (torch.arange(box) - box // 2) % fine
    return spectrum[wanted][:, wanted]
