"""SimulationSettings: everything that a simulated data set depends on, besides its states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trimorph.core.errors import InputError


@dataclass(frozen=True)
class SimulationSettings:
    """What is simulated. The same settings and seed give the same files."""

    count: int = 5000
    """Number of images."""

    box: int | None = None
    """Side of an image in pixels; None: 64 for structures, the map's own for maps."""

    pixel_size: float | None = None
    """Å; None: what keeps a map's side, else the smallest multiple of 0.25 Å at which the particle fills at
    most seven tenths of the box."""

    resolution: float | None = None
    """Å; atoms are blurred by a Gaussian of standard deviation 0.225 times it, as molmap does. None: two
    pixels."""

    voxels: bool = False
    """Make a map of each state and slice it, instead of projecting the atoms themselves: another renderer
    than that of any model, so that a test with it is fair."""

    snr: float | None = 0.1
    """Variance of the signal (projection times CTF) over that of the noise; None: no noise."""

    snr_region: Literal["box", "disk"] = "box"
    """Where the signal's variance is taken: the whole box, as is usual, or the disk of the particle's
    diameter."""

    noise_profile: str | None = None
    """File with the radial power of the noise (.npz, .npy or .txt, ring 0 first); None: white noise."""

    structure: str | None = None
    """Structure file that a recipe is made of; None: the recipe's built-in one."""

    moving: str | None = None
    """Part of that structure which a hinge turns, as CHAIN or CHAIN:FIRST-LAST, several joined by commas."""

    axis: tuple[float, float, float] | None = None
    """Direction (x, y, z) of the hinge's axis; None: the natural bend of the two parts."""

    subsets: tuple[str, ...] = ()
    """States of a compositional recipe as NAME=SELECTION, such as 30S=A* 50S=B* 70S=*."""

    weights: tuple[float, ...] = ()
    """How often each state occurs, in any scale; none: the recipe's own, or all alike."""

    poses: str = "uniform"
    """uniform, preferred, or a file with poses (.star, .cs, .npz) from which rows are drawn."""

    concentration: float = 4.0
    """How sharply preferred views gather about the z axis: kappa of a von Mises-Fisher distribution."""

    shift: float | None = None
    """Largest shift in pixels along x and y; None: the pose file's shifts, else a sixteenth of the box."""

    ctf: str | None = None
    """File with CTF parameters (.star, .cs, .npz) from which rows are drawn; None: the ranges below."""

    defocus: tuple[float, float] = (8000.0, 25000.0)
    """Range of defocus in Å, positive under focus."""

    astigmatism: float = 0.0
    """Largest difference of defocus U and V in Å, at a random angle."""

    voltage: float = 300.0
    """kV; like the next three, a CTF file's own value goes before it."""

    spherical_aberration: float = 2.7
    """mm."""

    amplitude_contrast: float = 0.1
    """Share of amplitude contrast, 0 to 1."""

    phase_shift: float = 0.0
    """Radians, as a phase plate gives it."""

    b_factor: float = 0.0
    """Å^2; the images' envelope is exp(-B k^2 / 4)."""

    seed: int = 0
    """Of everything random: states, poses, CTF, noise."""

    states: bool = True
    """Also write the map of each state to the folder NAME_states."""

    ceiling: bool = False
    """Also compute the exact probability of each state given an image and all that made it: the maps, the
    image's pose, shift and CTF, the noise. It is what the best of methods could know of the states."""

    def __post_init__(self) -> None:
        low, high = self.defocus
        checks = [
            (self.count >= 1, "count", self.count, "at least 1"),
            (self.box is None or self.box >= 8, "box", self.box, "at least 8 pixels"),
            (self.pixel_size is None or self.pixel_size > 0, "pixel_size", self.pixel_size, "more than 0 Å"),
            (self.resolution is None or self.resolution > 0, "resolution", self.resolution, "more than 0 Å"),
            (self.snr is None or self.snr > 0, "snr", self.snr, "more than 0, or None for no noise"),
            (
                self.snr is not None or not self.ceiling,
                "snr",
                "None with ceiling",
                "a number: without noise every state is told for certain",
            ),
            (self.shift is None or self.shift >= 0, "shift", self.shift, "0 pixels or more"),
            (self.concentration > 0, "concentration", self.concentration, "more than 0"),
            (low <= high, "defocus", self.defocus, "the smaller value first, in Å"),
            (self.astigmatism >= 0, "astigmatism", self.astigmatism, "0 Å or more"),
            (self.voltage > 0, "voltage", self.voltage, "more than 0 kV"),
            (0 <= self.amplitude_contrast <= 1, "amplitude_contrast", self.amplitude_contrast, "0 to 1"),
            (self.seed >= 0, "seed", self.seed, "0 or more"),
        ]
        for good, name, found, wanted in checks:
            if not good:
                raise InputError(f"Simulation: found {name} = {found}; wanted {wanted}. Change that setting.")
