"""CryodrgnDecoder: a decoder that cryoDRGN trained, as a FourierField of ours.

What differs lives here alone: cryoDRGN's lattice has box + 1 points, its networks are asked for the half
space kz <= 0, its values are divided by the standard deviation that its config records, and with
``domain: hartley`` they are Hartley instead of Fourier coefficients. Contrast agrees: it inverts the images
and its CTF.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from trimorph.core.errors import InputError
from trimorph.core.fourier_field import FourierField, half_space_sign
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.positional import PositionalEncoding

GEOMETRIC = {
    "geom_ft": lambda box: (pi * box, 2 * pi),
    "geom_full": lambda box: (pi * box, 1.0),
    "geom_lowf": lambda box: (box / 2, 1.0),
    "geom_nohighf": lambda box: (box / 2, 2 * pi),
}
"""Longest and shortest encoding vector by cryoDRGN's name of the encoding; the rest are geometric between."""

ENCODINGS = ("gaussian", *GEOMETRIC, "linear_lowf")


@dataclass(frozen=True, eq=False)
class CryodrgnDecoder:
    """A trained decoder: ``decode(z)`` gives the field, ``volume(z)`` the map that cryoDRGN would write.

    The two agree inside Nyquist; cryoDRGN's map has the Nyquist shell as well.
    """

    network: ResidualMLP
    encoding: PositionalEncoding
    hartley: bool
    standard_deviation: float
    latent_dim: int
    box: int
    pixel_size: float

    def decode(self, z: Float[Tensor, "v d"]) -> FourierField:
        """The field at latents z."""
        return FourierField(self, z, scale=self.standard_deviation, pixel_size=self.pixel_size)

    def volume(self, z: Float[Tensor, " d"]) -> Float[Tensor, "box box box"]:
        """Map on cryoDRGN's own grid, from Hartley coefficients at all of its lattice.

        With ``domain: fourier`` they reach to the Nyquist sphere, with ``hartley`` into the corners.
        """
        axis = torch.arange(self.box) - self.box // 2
        index = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")[::-1], dim=-1)
        q = index / self.box
        coefficient = torch.zeros(self.box, self.box, self.box)
        for plane in range(self.box):
            inside = (index[plane] ** 2).sum(-1) * 4 <= self.box**2
            inside |= self.hartley
            coefficient[plane][inside] = self._hartley(q[plane][inside], z)
        axes = (0, 1, 2)
        transform = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(coefficient, dim=axes), dim=axes))
        return (transform.real - transform.imag) * (self.standard_deviation / self.box**3)

    def _hartley(self, q: Float[Tensor, "p 3"], z: Float[Tensor, " d"]) -> Float[Tensor, " p"]:
        with torch.no_grad():
            if self.hartley:
                return self.network(self.encoding(q)[None], z[None])[0, :, 0]
            sign = -half_space_sign(q)
            sign = torch.where(sign == 0, 1.0, sign)
            real, imaginary = self.network(self.encoding(q * sign[:, None])[None], z[None])[0].unbind(-1)
        return real - imaginary * sign

    def __call__(self, frequency: Float[Tensor, "v p 3"], z: Float[Tensor, "v d"]) -> Float[Tensor, "v p 2"]:
        """Real and imaginary part at frequencies in 1/Å with kz >= 0."""
        q = frequency * self.pixel_size
        with torch.no_grad():
            if not self.hartley:
                return self.network(self.encoding(-q), z) * torch.tensor([1.0, -1.0])
            mate, here = self.network(self.encoding(-q), z), self.network(self.encoding(q), z)
        return 0.5 * torch.cat([here + mate, mate - here], dim=-1)


def load_cryodrgn(weights: Path, config: Path, *, pixel_size: float) -> CryodrgnDecoder:
    """Read ``weights.N.pkl`` and ``config.yaml`` of a cryoDRGN 2 to 4 run of ``train_vae``.

    The file with the weights is read without executing anything in it. The config does not hold the pixel
    size; ``pixel_size`` is that of the training images in Å.
    """
    settings = yaml.safe_load(config.read_text())
    try:
        model, lattice = settings["model_args"], settings["lattice_args"]
        norm = settings["dataset_args"]["norm"]
        latent_dim, box = int(model["zdim"]), int(lattice["D"]) - 1
        name, domain, layers, width = model["pe_type"], model["domain"], model["players"], model["pdim"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{config}: found no {error} among its settings; wanted the config.yaml that cryoDRGN train_vae "
            "writes beside its weights."
        ) from error
    if name not in ENCODINGS or model.get("activation", "relu") != "relu":
        raise InputError(
            f"{config}: found positional encoding {name} and activation {model.get('activation')}; wanted "
            f"relu and one of {', '.join(ENCODINGS)}. Evaluate this model with cryoDRGN and read its volumes."
        )
    state = _decoder_state(weights)
    encoding = PositionalEncoding("none", box=box, sigma=1.0, seed=0)
    encoding.vectors = _vectors(name, box, state)
    network = ResidualMLP(
        encoding.features, 1 if domain == "hartley" else 2, width=width, layers=layers, condition=latent_dim
    )
    network.load_state_dict(_our_names(state, layers, _columns(name, encoding), latent_dim))
    network.eval()
    return CryodrgnDecoder(
        network, encoding, domain == "hartley", float(norm[1]), latent_dim, box, pixel_size
    )


def _vectors(name: str, box: int, state: dict[str, Tensor]) -> Tensor:
    """Phases for a frequency of one cycle a pixel, as in our positional encodings."""
    if name == "gaussian":
        return state["rand_freqs"] * (box // 2)
    count = box // 2
    if name == "linear_lowf":
        length = torch.arange(1, count + 1).float()
    else:
        high, low = GEOMETRIC[name](box)
        length = high * (low / high) ** (torch.arange(count) / (count - 1))
    return torch.cat([length[:, None] * axis for axis in torch.eye(3)])


def _decoder_state(weights: Path) -> dict[str, Tensor]:
    try:
        checkpoint: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{weights}: found no file of torch weights ({error}).") from error
    state = checkpoint.get("model_state_dict", {})
    found = {
        key.removeprefix("decoder."): value for key, value in state.items() if key.startswith("decoder.")
    }
    if "decoder.main.0.weight" not in found:
        raise InputError(
            f"{weights}: found no decoder among its {len(state)} tensors; wanted weights.N.pkl of train_vae."
        )
    return found


def _columns(name: str, encoding: PositionalEncoding) -> Tensor:
    """Places in cryoDRGN's encoded frequency of our sines and cosines."""
    count = len(encoding.vectors)
    if name == "gaussian":
        return torch.arange(encoding.features)
    an_axis = count // 3
    sine = torch.cat([torch.arange(an_axis) + 2 * axis * an_axis for axis in range(3)])
    return torch.cat([sine, sine + an_axis])


def _our_names(state: dict[str, Tensor], layers: int, columns: Tensor, latent_dim: int) -> dict[str, Tensor]:
    prefix = "decoder.main."
    first = state[f"{prefix}0.weight"]
    ours = {
        "first.weight": first[:, columns],
        "first.bias": state[f"{prefix}0.bias"],
        "condition.weight": first[:, first.shape[1] - latent_dim :],
        "last.weight": state[f"{prefix}{2 * layers + 2}.weight"],
        "last.bias": state[f"{prefix}{2 * layers + 2}.bias"],
    }
    for layer in range(layers):
        for kind in ("weight", "bias"):
            ours[f"hidden.{layer}.{kind}"] = state[f"{prefix}{2 * layer + 2}.linear.{kind}"]
    return ours
