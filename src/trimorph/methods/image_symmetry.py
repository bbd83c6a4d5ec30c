"""ImageSymmetry: the quarter turns and mirrors of an image, which are views of the same object."""

from __future__ import annotations

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from trimorph.core.disk import FourierDisk


class ImageSymmetry(nn.Module):
    """The eight images that quarter turns and a mirror make of one, exactly, on the half plane.

    A turned projection is a projection of the same object at another in-plane angle, and a mirrored one is
    its projection from behind. So all eight have the same latent, and a network that averages over them need
    not learn so: it is as if it had seen eight times the images.
    """

    def __init__(self, disk: FourierDisk) -> None:
        super().__init__()
        places, mates = zip(*(_moved(disk, matrix) for matrix in _symmetries()), strict=True)
        self.register_buffer("place", torch.stack(places), persistent=False)
        self.register_buffer("mate", torch.stack(mates), persistent=False)
        self.place: Tensor
        self.mate: Tensor

    def forward(self, image: Complex[Tensor, "b n"]) -> Complex[Tensor, "b 8 n"]:
        """All eight of each image, itself first; ``n`` may be whole rings short of the disk."""
        count = image.shape[1]
        taken = image[:, self.place[:, :count]]
        return torch.where(self.mate[:, :count], taken.conj(), taken)


def _symmetries() -> list[Tensor]:
    turn, mirror = torch.tensor([[0, -1], [1, 0]]), torch.tensor([[-1, 0], [0, 1]])
    turns = [torch.linalg.matrix_power(turn, power) for power in range(4)]
    return [*turns, *(mirror @ matrix for matrix in turns)]


def _moved(disk: FourierDisk, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Where on the half plane the value at each moved frequency lies, and whether it is the mate's."""
    moved = disk.index @ matrix.T
    mate = moved[:, 0] < 0
    moved = torch.where(mate[:, None], -moved, moved)
    span = disk.box + 1
    key = disk.index[:, 0] * span + disk.index[:, 1] + disk.box // 2
    order = torch.argsort(key)
    wanted = moved[:, 0] * span + moved[:, 1] + disk.box // 2
    return order[torch.searchsorted(key[order], wanted)], mate
