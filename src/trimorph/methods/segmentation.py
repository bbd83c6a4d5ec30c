"""Segmentation: which residue belongs to which rigid segment, learned as a Gaussian mixture over the chain.

Letters: g residues, c lines (chains, or ranges that the user gave), m most segments of a line, v motions,
k components of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

START_SPREAD = 0.1
"""Standard deviation of the posteriors at the start; that of the priors is one."""


class Segmentation(nn.Module):
    """Shares w_im = (N(i; mu_m, sigma_m) pi_m)^exponent of residue i in segment m, which sum to one over m.

    A segment belongs to one line: residues that follow each other, numbered by ``line``, or -1 for those
    that are in no segment and stay. Lines have ``counts`` segments, so a residue looks only at those of its
    own: memory is residues x most segments of a line. On a line of n residues and S segments, in units of
    n / S residues, mu_m = m + 1/2 + a_m, sigma_m = ELU(s_m) + 1 and pi = softmax(alpha). The numbers a, s and
    alpha have normal posteriors and standard normal priors: without data, segments are equally long.
    Lines of one segment each leave nothing to learn.

    Source: Ducrocq et al., cryoSPHERE (ICLR 2025), eq. 6 and section 3.5, there with one line for all.
    """

    def __init__(self, line: Int[Tensor, " g"], counts: Int[Tensor, " c"], *, exponent: float) -> None:
        super().__init__()
        self.exponent = exponent
        most = int(counts.max())
        sizes = torch.bincount(line[line >= 0], minlength=len(counts))
        self.sizes = sizes.tolist()
        self.learned = most > 1
        order = torch.argsort(line, stable=True)[int((line < 0).sum()) :]
        self.in_order = len(order) == len(line) and bool((order == torch.arange(len(line))).all())
        first = torch.cumsum(sizes, 0) - sizes
        place = torch.zeros(len(line))
        place[order] = (torch.arange(len(order)) - first[line[order]] + 0.5) / sizes[line[order]]
        row = line.clamp_min(0)
        derived = {
            "row": row,
            "order": order,
            "member": line >= 0,
            "place": place,
            "valid": torch.arange(most) < counts[:, None],
        }
        for name, values in derived.items():
            self.register_buffer(name, values, persistent=False)
        self.row: Tensor
        self.order: Tensor
        self.member: Tensor
        self.place: Tensor  # from 0 to 1 along the line
        self.valid: Tensor
        self.register_buffer("owner", torch.arange(most).repeat(len(counts), 1))
        self.owner: Tensor
        self.register_buffer("used", derived["valid"].clone())
        self.used: Tensor
        register: Any = self.register_load_state_dict_pre_hook
        register(_as_of_old)
        if self.learned:
            self.mean = nn.Parameter(torch.zeros(3, len(counts), most))
            self.log_spread = nn.Parameter(torch.full((3, len(counts), most), START_SPREAD).log())

    def lay(self, line: Int[Tensor, " g"], counts: Int[Tensor, " c"]) -> None:
        """Begin anew with other numbers of segments; parameters stay the same objects."""
        fresh = Segmentation(line.cpu(), counts.cpu(), exponent=self.exponent).to(self.place.device)
        for name, parameter in self.named_parameters():
            parameter.data = fresh.get_parameter(name).data
        for name, values in fresh.named_buffers():
            setattr(self, name, values)

    def use(self, few: int, *, beyond: int) -> None:
        """Use the first ``few`` segments of lines with more than ``beyond``; the others hold nothing yet."""
        for line in range(len(self.sizes)):
            if beyond < int(self.valid[line].sum()):
                self.used[line, few:] = False

    @torch.no_grad()
    def tile(self, line: int, starts: Sequence[int]) -> None:
        """Use a segment of a line for each of the stretches that begin at these residues, the first at zero.

        With sigma and pi in proportion to the lengths, neighbours are equally likely where they meet.
        """
        size, count = self.sizes[line], len(starts)
        ends = torch.tensor([*starts, size], dtype=torch.float64) * count / size
        length, middle = ends.diff(), (ends[1:] + ends[:-1]) / 2
        width = torch.where(length > 1, length - 1, length.log())  # of ELU + 1
        found = torch.stack([middle - torch.arange(count) - 0.5, width, length.log()])
        self.mean[:, line, :count] = found.to(self.mean)
        self.log_spread[:, line, :count] = math.log(START_SPREAD)
        self.used[line] = torch.arange(self.used.shape[1]) < count

    @property
    def number(self) -> Int[Tensor, "c m"]:
        """Numbers of the segments on all lines, from 0, in the lines' order."""
        return (self.valid.flatten().cumsum(0) - 1).view(self.valid.shape)

    @property
    def owners(self) -> Int[Tensor, " s"]:
        """The number of the segment that each one moves as: itself, but where :meth:`merge` said another."""
        return self.number.gather(1, self.owner)[self.valid]

    def merge(self, owners: Int[Tensor, " s"]) -> None:
        """Let segments move as others of their lines do, which own them and themselves; by their numbers."""
        column = torch.arange(self.owner.shape[1]).to(self.owner).repeat(len(self.owner), 1)
        self.owner[self.valid] = column[self.valid][owners.to(self.owner)]

    def merged(self, share: Float[Tensor, "g m"]) -> Float[Tensor, "g m"]:
        """Shares with what belongs to a segment that another owns given to this one."""
        return torch.zeros_like(share).scatter_add(1, self.owner[self.row], share)

    def columns(self, numbers: list[int], line: int) -> list[int]:
        """Columns that segments of a line have in its residues' shares."""
        first = int(self.number[line, 0])
        return [number - first for number in numbers]

    @property
    def count(self) -> int:
        """Number of segments on all lines."""
        return int(self.valid.sum())

    def forward(self, *, sampled: bool) -> Float[Tensor, "g m"]:
        """Shares of the residues in their lines' segments: of a draw from the posteriors, or their means.

        Rows of residues that are in no segment are zero.
        """
        if not self.learned:
            return self._shares(None)
        numbers: Tensor = self.mean
        if sampled:
            numbers = numbers + self.log_spread.exp() * torch.randn_like(numbers)
        return self._shares(numbers)

    def draws(self, count: int, *, seed: int) -> Iterator[Float[Tensor, "g m"]]:
        """Shares as they may be under the posteriors, the same ones for a seed."""
        generator = torch.Generator().manual_seed(seed)
        for _ in range(count):
            if not self.learned:
                yield self._shares(None)
                continue
            noise = torch.randn(self.mean.shape, generator=generator).to(self.mean)
            yield self._shares(self.mean + self.log_spread.exp() * noise)

    def _shares(self, numbers: Float[Tensor, "3 c m"] | None) -> Float[Tensor, "g m"]:
        """Shares for shifts, widths and logits of the segments; whole where there is one a line."""
        member = self.member[:, None].to(self.place)
        if numbers is None:
            return member
        shift, width, logit = numbers.unbind(0)
        log_width = torch.where(width > 0, torch.log1p(width.clamp_min(0)), width)  # of ELU + 1
        centre = torch.arange(shift.shape[1]).to(shift) + 0.5 + shift
        place = self.place * self.used.sum(1)[self.row]
        distance = (place[:, None] - centre[self.row]) * torch.exp(-log_width)[self.row]
        density = (logit - log_width)[self.row] - 0.5 * distance.square()
        density = density.masked_fill(~self.used[self.row], -torch.inf)
        return torch.softmax(self.exponent * density, dim=-1) * member

    def divergence(self) -> Float[Tensor, ""]:
        """Kullback-Leibler divergence of the posteriors in use to the standard normal prior in nats."""
        variance = (2 * self.log_spread).exp()
        parts = 0.5 * (variance + self.mean.square() - 1) - self.log_spread
        return (parts * self.used).sum()

    def collect(
        self, share: Float[Tensor, "g m"], values: Float[Tensor, "g k"]
    ) -> tuple[Float[Tensor, "c m"], Float[Tensor, "c m k"]]:
        """Residues in each segment, and their mean values; segments without any have those of their line."""
        even = 1e-6 * self.valid[self.row] * self.member[:, None]
        weight = share + even
        empty = weight.new_zeros(*self.valid.shape, values.shape[1])
        total = empty[..., 0].index_add(0, self.row, weight)
        moment = empty.index_add(0, self.row, weight[..., None] * values[:, None])
        occupancy = empty[..., 0].index_add(0, self.row, share)
        return occupancy, moment / total.clamp_min(1e-12)[..., None]

    def spread(self, share: Float[Tensor, "g m"], values: Float[Tensor, "v k c m"]) -> Float[Tensor, "v k g"]:
        """Mean values of each residue's segments, weighted by its shares; zero for residues in none.

        Line by line, so that no residue meets a segment of another line.
        """
        rows = (share if self.in_order else share[self.order]).split(self.sizes)
        parts = [one @ weight.mT for one, weight in zip(values.unbind(2), rows, strict=True)]
        found = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
        if self.in_order:
            return found
        return values.new_zeros(*values.shape[:2], len(share)).index_copy(2, self.order, found)

    def padded(self, values: Float[Tensor, "v s k"]) -> Float[Tensor, "v k c m"]:
        """Values of the segments that there are, in the order of their lines, with zeros for the others."""
        if values.shape[1] < self.valid.numel():
            whole = values.new_zeros(len(values), self.valid.numel(), values.shape[-1])
            values = whole.index_copy(1, self.valid.flatten().nonzero()[:, 0], values)
        return values.mT.unflatten(-1, self.valid.shape)


def stretches(label: Int[Tensor, " n"]) -> list[int]:
    """Where runs of equal labels begin.

    >>> stretches(torch.tensor([4, 4, 1, 1, 1, 4]))
    [0, 2, 5]
    """
    return [0, *(1 + (label[1:] != label[:-1]).nonzero()[:, 0]).tolist()]


def _as_of_old(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """What checkpoints lack from before segments could be merged, and from before all were used."""
    for name in ("owner", "used"):
        state.setdefault(prefix + name, module.get_buffer(name))
