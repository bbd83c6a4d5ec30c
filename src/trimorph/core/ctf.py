"""CTF: the contrast transfer function of a weak-phase object."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import pi
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimorph.core.disk import FourierDisk


@dataclass(frozen=True, eq=False)
class CTF:
    """CTF parameters of n images, and the CTF itself when called on a disk.

    ``gamma = pi lambda k^2 defocus(azimuth) - pi/2 Cs lambda^3 k^4 + phase_shift`` and
    ``CTF = scale exp(-B k^2 / 4) (sqrt(1 - w^2) sin gamma + w cos gamma)``, which is +w at k = 0.
    Defocus is in Å and positive under focus, angles are in radians, voltage in kV, spherical aberration in
    mm, B in Å^2. Parameters are scalars or hold one value an image, as tensors or as numpy arrays.

    Source: RELION's sign; Mindell & Grigorieff, J. Struct. Biol. 142 (2003) 334, eqs. 1 to 5.

    >>> ctf = CTF(defocus_u=15000.0, defocus_v=15000.0, amplitude_contrast=0.1)
    >>> round(float(ctf(FourierDisk(64, 1.5))[0, 0]), 6)
    0.1
    """

    defocus_u: Any
    defocus_v: Any
    defocus_angle: Any = 0.0
    phase_shift: Any = 0.0
    voltage: Any = 300.0
    spherical_aberration: Any = 2.7
    amplitude_contrast: Any = 0.1
    b_factor: Any = 0.0
    scale: Any = 1.0

    def __len__(self) -> int:
        return max(int(np.prod(np.shape(getattr(self, name)))) for name in CTF_PARAMETERS)

    def __getitem__(self, index: Any) -> CTF:
        """The parameters of some of the images, or, with ``...``, of all."""
        take = {name: getattr(self, name) for name in CTF_PARAMETERS}
        return CTF(**{name: value[index] if np.ndim(value) else value for name, value in take.items()})

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> CTF:
        """Return the same parameters as tensors on a device."""
        return CTF(
            **{
                name: torch.as_tensor(getattr(self, name), dtype=dtype, device=device)
                for name in CTF_PARAMETERS
            }
        )

    def __call__(self, disk: FourierDisk) -> Float[Tensor, "b n"]:
        """Evaluate on a disk: one row an image."""
        column = {
            name: torch.as_tensor(getattr(self, name), dtype=torch.float32, device=disk.device).reshape(-1, 1)
            for name in CTF_PARAMETERS
        }
        kx, ky = disk.frequency.unbind(-1)
        k2 = kx**2 + ky**2
        u, v = column["defocus_u"], column["defocus_v"]
        angle = column["defocus_angle"]
        # (u + v)/2 + (u - v)/2 cos 2(azimuth - angle), times k^2 and without a trigonometric call a pixel
        defocus_k2 = 0.5 * (u + v) * k2 + 0.5 * (u - v) * (
            torch.cos(2 * angle) * (kx**2 - ky**2) + torch.sin(2 * angle) * (2 * kx * ky)
        )
        wavelength = electron_wavelength(column["voltage"])
        aberration = 0.5 * column["spherical_aberration"] * 1e7 * wavelength**3 * k2**2
        w = column["amplitude_contrast"]
        gamma = pi * (wavelength * defocus_k2 - aberration) + column["phase_shift"] + torch.asin(w)
        return column["scale"] * torch.exp(-0.25 * column["b_factor"] * k2) * torch.sin(gamma)


CTF_PARAMETERS = tuple(field.name for field in fields(CTF))


def electron_wavelength(voltage: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Relativistic wavelength in Å of electrons accelerated by ``voltage`` kV.

    lambda = h / sqrt(2 m e V (1 + e V / (2 m c^2))).   Source: CODATA 2018 constants.

    >>> round(float(electron_wavelength(torch.tensor(300.0))), 6)
    0.019687
    """
    planck, mass, charge, light = 6.62607015e-34, 9.1093837015e-31, 1.602176634e-19, 299792458.0
    a = planck / (2 * mass * charge) ** 0.5 * 1e10
    b = charge / (2 * mass * light**2)
    volt = voltage * 1e3
    return a / torch.sqrt(volt * (1 + b * volt))
