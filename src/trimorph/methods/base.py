"""Method: the contract between a generative model and everything else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from trimorph.core.batch import Batch
from trimorph.core.disk import FourierDisk
from trimorph.core.noise import NoiseModel
from trimorph.core.volume import AbstractVolume
from trimorph.methods.particle_rows import ParticleRows
from trimorph.methods.posterior import Posterior


@dataclass(frozen=True)
class Stage:
    """A part of training with one resolution limit and one set of learning rates.

    ``resolution`` is in Å (None: all frequencies). ``learning_rate`` has one entry a parameter group; a
    group that is absent is frozen.
    """

    name: str
    epochs: int
    resolution: float | None
    learning_rate: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method is told of the data before it sees a batch.

    ``pixel_size`` in Å, ``particles`` the number of images in use, ``radius`` of the particle in Å. ``noise``
    is the power in the images; before their window it was that over ``window_share``. Only where
    :meth:`Method.wants` says so: ``mean``, the back-projected map of all particles; ``mask``, 1 where
    the density may vary, if the user says where; ``half``, each particle's half set (0 or 1); ``modes``,
    those of the linear model, each as long as its latent's standard deviation, on the coarsest grid for
    ``modes_resolution`` in Å, and ``mode_latents``, what is said of them by some of the particles (see
    :func:`packed`); ``points``, x, y, z (Å) and weight of each of the parts that the model is to have, if the
    user has a structure; ``chain``, the number of the chain of each, and ``part``, that of the part that the
    user put it in, or -1 where it stays, with ``part_segments``, the most rigid segments of each part;
    ``beads``, what scatters in place of the points, and ``bead_point``, the number of the point that each
    goes with; ``trace``, where the atom of each point stands that its chain is traced by; ``movable``, the
    numbers of the points that may move, if not all; ``latents``, those of all particles where they are given.
    """

    box: int
    pixel_size: float
    particles: int
    radius: float
    noise: NoiseModel
    mean: Float[Tensor, "d d d"] | None = None
    mask: Float[Tensor, "d d d"] | None = None
    half: Int[Tensor, " n"] | None = None
    modes: Float[Tensor, "k c c c"] | None = None
    modes_resolution: float | None = None
    mode_latents: Float[Tensor, "m f"] | None = None
    window_share: float = 1.0
    points: Float[Tensor, "g 4"] | None = None
    chain: Int[Tensor, " g"] | None = None
    part: Int[Tensor, " g"] | None = None
    part_segments: Int[Tensor, " p"] | None = None
    beads: Float[Tensor, "b 4"] | None = None
    bead_point: Int[Tensor, " b"] | None = None
    trace: Float[Tensor, "g 3"] | None = None
    movable: Int[Tensor, " m"] | None = None
    latents: Float[Tensor, "n l"] | None = None


Ingredient = Literal[
    "mean",
    "mask",
    "half",
    "modes",
    "points",
    "chain",
    "part",
    "part_segments",
    "beads",
    "bead_point",
    "trace",
    "movable",
    "latents",
]
"""Parts of a :class:`Problem` that cost time to make, or that few methods have a use for."""


@runtime_checkable
class Survey(Protocol):
    """A look at the particles between two stages; every process looks at its own."""

    def batches(self, resolution: float | None) -> Iterator[Batch]:
        """All images once, up to a resolution in Å."""

    def total(self, values: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """Sum over the processes."""


class Method(nn.Module, ABC):
    """A generative model of particle images with one latent an image.

    A concrete method is final. It gets ``(settings, problem)``, registers its parameters, and says how images
    become latents and latents become volumes. It knows no file, optimiser or device.
    """

    Settings: ClassVar[type[Any]]
    BATCH_SIZE: ClassVar[int] = 64
    """Images a step where the user does not say."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.disk = FourierDisk(problem.box, problem.pixel_size)
        self.register_buffer("noise_power", problem.noise.power.clone())

    @classmethod
    @abstractmethod
    def wants(cls, settings: Any) -> frozenset[Ingredient]:
        """What the problem has to hold for these settings."""

    @classmethod
    @abstractmethod
    def refuse(cls, settings: Any, problem: Problem) -> None:
        """Raise InputError where the settings do not fit the problem, before anything that takes time.

        The problem is still without modes.
        """

    @property
    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """The plan of training; :meth:`review` may change what is still to come."""

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """Number of latent components; 0 for a homogeneous model."""

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the names that the stages' learning rates use; every parameter once."""

    @abstractmethod
    def encode(self, batch: Batch) -> Posterior:
        """Posterior of each image's latent. The whole batch is at hand: image, pose, CTF, index."""

    @abstractmethod
    def decode(self, z: Float[Tensor, "v d"]) -> AbstractVolume:
        """The densities that latents stand for."""

    @abstractmethod
    def forward(self, batch: Batch, stage: Stage, progress: float) -> dict[str, Tensor]:
        """Terms of the loss, each a mean over the batch; their sum is minimised.

        The batch is already limited to the stage's resolution; ``progress`` runs from 0 to 1 over training.
        """

    @abstractmethod
    def begin(self) -> Iterator[str]:
        """Make ready what takes time, once before the first step; lines for the user as it goes on."""

    @abstractmethod
    def review(self, stage: Stage, survey: Survey) -> list[str]:
        """Settle what only the whole of a finished stage can tell; what was found, in lines for the user."""

    def particle_rows(self) -> list[ParticleRows]:
        """Tables with one row a particle, which data-parallel training shards."""
        return [module for module in self.modules() if isinstance(module, ParticleRows)]

    @property
    def noise(self) -> NoiseModel:
        """The noise that the likelihood is whitened by."""
        power: Any = self.noise_power
        return NoiseModel(power)
