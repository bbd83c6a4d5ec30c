"""Truth: what a simulated data set was made with, image by image."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from trimorph.core.conventions import VERSION
from trimorph.core.ctf import CTF, CTF_PARAMETERS
from trimorph.core.errors import InputError
from trimorph.data.angles import circular_correlation
from trimorph.data.ensemble import CLASSES
from trimorph.data.motion import Motion

_ARRAYS = (
    "state", "coordinate", "label", "rotation", "shift", "noise_power",
    "state_names", "state_coordinate", "state_weights",
)  # fmt: skip
_OPTIONAL = ("state_composition", "state_probability")
_NUMBERS = {
    "noise_sigma": float, "signal_variance": float, "snr": float, "snr_region": str,
    "pixel_size": float, "box": int, "diameter": float, "seed": int,
    "quantity": str, "source": str, "renderer": str,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Truth:
    """Truth of n images over k states, in canonical units.

    ``state`` (n,), ``coordinate`` (n,) the state's reaction coordinate (what it is: ``quantity``), ``label``
    (n,) the state's name, ``rotation`` (n, 3, 3), ``shift`` (n, 2) in Å, ``ctf`` with arrays (n,);
    ``noise_sigma`` of a pixel, ``noise_power`` per ring as in core/conventions, ``signal_variance`` of the
    noise-free images over ``snr_region``, ``snr`` their ratio (infinite without noise), ``diameter`` of the
    particle in Å. Where they are known, ``motion`` is the path of what moves, in the object's frame, and
    ``state_composition`` (k,) the number of each state's composition. ``state_probability`` (n, k), where it
    was asked for, is the exact probability of each state given the image and all else that made it.
    """

    state: NDArray[np.int64]
    coordinate: NDArray[np.float64]
    label: NDArray[Any]
    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]
    ctf: CTF
    noise_power: NDArray[np.float64]
    state_names: NDArray[Any]
    state_coordinate: NDArray[np.float64]
    state_weights: NDArray[np.float64]
    noise_sigma: float
    signal_variance: float
    snr: float
    snr_region: str
    pixel_size: float
    box: int
    diameter: float
    seed: int
    quantity: str
    source: str
    renderer: str
    motion: Motion | None = None
    state_composition: NDArray[np.int64] | None = None
    state_probability: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.state)

    @property
    def few_states(self) -> bool:
        """Whether the states are so few, ten at most, that images can be sorted into them."""
        return len(self.state_names) <= 10

    @property
    def circular(self) -> bool:
        """Whether the coordinate is an angle all round a circle."""
        return self.motion is not None and self.motion.circular

    @property
    def composition(self) -> NDArray[np.int64] | None:
        """Number of each image's composition (n,), where states have one."""
        return None if self.state_composition is None else self.state_composition[self.state]

    @property
    def expected_coordinate(self) -> NDArray[np.float64] | None:
        """Mean of the coordinate over the probabilities of an image's states, (n,).

        Of angles it is the mean direction, that of the mean of exp(i angle), within [0, 2 pi).
        """
        if self.state_probability is None:
            return None
        if self.circular:
            return np.angle(self.state_probability @ np.exp(1j * self.state_coordinate)) % (2 * np.pi)
        return np.asarray(self.state_probability @ self.state_coordinate)

    @property
    def ceiling(self) -> float | None:
        """Correlation of the expected coordinate with the true one: what the best of methods could reach.

        |Spearman|, and for angles the circular correlation of :func:`circular_correlation`. None without the
        probabilities, where nothing varies, and for classes, whose numbers have no order.
        """
        expected = self.expected_coordinate
        if expected is None or self.quantity == CLASSES or not (np.ptp(expected) and np.ptp(self.coordinate)):
            return None
        if self.circular:
            return abs(circular_correlation(expected, self.coordinate))
        return abs(float(spearmanr(expected, self.coordinate).statistic))

    @property
    def composition_ceiling(self) -> float | None:
        """Share of images whose most probable composition is the true one.

        None without the probabilities, and where states have no composition or all the same.
        """
        of_state = self.state_composition
        if self.state_probability is None or of_state is None or not np.ptp(of_state[self.state]):
            return None
        present = np.unique(of_state)
        share = [self.state_probability[:, of_state == number].sum(1) for number in present]
        return float((present[np.argmax(share, axis=0)] == of_state[self.state]).mean())

    @property
    def accuracy_ceiling(self) -> float | None:
        """Share of images whose most probable state is the true one; None without the probabilities."""
        if self.state_probability is None:
            return None
        return float((self.state_probability.argmax(axis=1) == self.state).mean())

    def write(self, path: Path) -> None:
        """Write an .npz file without pickles; what is not known is left out of it."""
        values = {name: getattr(self, name) for name in (*_ARRAYS, *_NUMBERS)}
        values |= {name: getattr(self.ctf, name) for name in CTF_PARAMETERS}
        for name in _OPTIONAL:
            if getattr(self, name) is not None:
                values[name] = getattr(self, name)
        if self.motion is not None:
            values |= self.motion.arrays()
        np.savez_compressed(path, convention_version=VERSION, **values)

    @classmethod
    def read(cls, path: str | Path) -> Truth:
        """Read what :meth:`write` wrote, now or before there were motions and compositions."""
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays: dict[str, Any] = {name: file[name] for name in file.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read as .npz: {error}. Is the file complete?") from error
        missing = sorted({*_ARRAYS, *_NUMBERS, *CTF_PARAMETERS} - set(arrays))
        if missing:
            raise InputError(
                f"{path}: found no {', '.join(missing)}; wanted a file NAME_truth.npz of trimorph simulate."
            )
        return cls(
            **{name: arrays[name] for name in _ARRAYS},
            **{name: kind(arrays[name].item()) for name, kind in _NUMBERS.items()},
            ctf=CTF(**{name: arrays[name] for name in CTF_PARAMETERS}),
            state_composition=arrays.get("state_composition"),
            state_probability=arrays.get("state_probability"),
            motion=Motion.of_arrays(arrays, str(path)),
        )
