"""Panels of the picture of moved structures.

Letters: v states, g residues, s segments, n particles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimorph.reconstruction.figure import round_length
from trimorph.run.panels import GREY
from trimorph.run.structures_backbone import Backbone
from trimorph.run.structures_chimerax import PATH_COLOURS, STILL, segment_colours
from trimorph.run.structures_names import NamedSegments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATH_MAP = "viridis"
"""Colours of the states, from the first to the last."""

FAR = 0.55
"""Share of white where a trace is farthest behind."""

MOST_SEGMENTS, NARROW, LETTER = 10, 0.055, 0.0085
"""Segments whose turns are drawn at most; the smallest part of all residues on which a segment's name is
written, and the part that a letter of a chain's name takes."""


@dataclass(frozen=True, eq=False)
class Pictured:
    """What is drawn: places of residues (Å) in all states, and what was found of segments and particles."""

    backbone: Backbone
    states: Float[ndarray, "v g 3"]
    chain: Int[ndarray, " g"]
    residue_names: list[str]
    named: NamedSegments
    segment: Int[ndarray, " g"]
    share: Float[ndarray, "g s"]
    turns: Float[ndarray, "n s"]
    distances: dict[str, Float[ndarray, " n"]]
    state_distances: dict[str, Float[ndarray, " v"]]
    displacement: Float[ndarray, " g"]

    @property
    def colours(self) -> list[str]:
        """The colour of each residue: that of its segment in ChimeraX, or of its displacement without any."""
        if len(self.named):
            palette = [STILL, *segment_colours(len(self.named))]
            return [palette[number] for number in self.segment]
        from matplotlib.colors import LinearSegmentedColormap, to_hex

        steps = LinearSegmentedColormap.from_list("displacement", PATH_COLOURS[1:])
        return [to_hex(steps(share)) for share in self.displacement / max(self.displacement.max(), 1e-9)]


def draw_trace(axes: Axes, seen: Pictured, *, depth: int) -> None:
    """Backbones of the first state in grey and of the last by segment, paler where it is far behind."""
    from matplotlib.collections import LineCollection

    across, up = (axis for axis in range(3) if axis != depth)
    first, second = seen.backbone.bonds.T
    place = seen.states[-1][:, depth]
    colours = _paler(seen.colours, FAR * (place.max() - place) / max(float(np.ptp(place)), 1e-9))
    order = np.argsort(place[second], kind="stable")  # the nearest on top
    last, thin = len(seen.states) - 1, float(np.clip((400 / len(place)) ** 0.5, 0.4, 1.0))
    shown = [(0, 1.6, 1.0, GREY), *((i, 0.6, 0.45, "#cfcfcf") for i in range(1, last))] if last else []
    for state, width, alpha, colour in shown:
        lines = seen.states[state][:, [across, up]][np.stack([first, second], axis=1)]
        axes.add_collection(LineCollection(list(lines), colors=colour, linewidths=thin * width, alpha=alpha))
    lines = seen.states[last][:, [across, up]][np.stack([first, second], axis=1)][order]
    axes.add_collection(
        LineCollection(
            list(lines), colors=list(colours[second][order]), linewidths=2.2 * thin, capstyle="round"
        )
    )
    alone = [i for i, name in enumerate(seen.backbone.atom) if not name]
    if alone:
        x, y = seen.states[last][alone][:, [across, up]].T
        axes.scatter(x, y, c=colours[alone], s=9)
    flat = seen.states[:, :, [across, up]].reshape(-1, 2)
    middle, reach = 0.5 * (flat.min(0) + flat.max(0)), 0.55 * float(np.ptp(flat, axis=0).max())
    wide = np.array([1.25 * reach, reach])
    axes.set_aspect("equal")
    axes.set(xlim=middle[0] + wide[0] * np.array([-1, 1]), ylim=middle[1] + reach * np.array([-1, 1]))
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"along {'xyz'[depth]}", fontsize=9)
    axes.spines[:].set_visible(False)
    length = round_length(0.5 * reach)
    left, low = middle[0] - 0.95 * wide[0], middle[1] - 0.92 * reach
    axes.plot([left, left + length], [low, low], color="black", linewidth=2)
    axes.text(left, low + 0.03 * reach, f"{length:g} Å", fontsize=8)
    if last:
        said = "first state grey, last coloured" + ("" if len(seen.named) else " by displacement")
        axes.text(0.99, 0.02, said, transform=axes.transAxes, ha="right", fontsize=8)


def draw_segments(axes: Axes, seen: Pictured) -> None:
    """A strip of the residues, coloured by the shares of their segments, with the spread of boundaries."""
    from matplotlib.colors import to_rgb

    count = len(seen.segment)
    palette = np.array([to_rgb(colour) for colour in segment_colours(len(seen.named))]).reshape(-1, 3)
    rest = np.clip(1 - seen.share.sum(1, keepdims=True), 0, 1)
    strip = np.clip(seen.share @ palette + rest * np.array(to_rgb(STILL)), 0, 1)
    axes.imshow(strip[None], extent=(-0.5, count - 0.5, 0, 1), aspect="auto", interpolation="nearest")
    for number, (segment, name) in enumerate(
        zip(seen.named.segments, seen.named.names, strict=True), start=1
    ):
        members = sorted(segment.residues)
        if len(members) >= NARROW * count:
            label = name if len(members) >= 2.2 * NARROW * count and len(name) < 18 else str(number)
            axes.text(
                members[len(members) // 2], 0.5, label, ha="center", va="center", fontsize=8, color="white"
            )
        for place, spread in zip((members[0] - 0.5, members[-1] + 0.5), segment.spread, strict=True):
            if spread > 0:
                axes.plot(
                    [place - spread, place + spread], [1.16] * 2, color="black", linewidth=1.4, clip_on=False
                )
                axes.plot([place] * 2, [1.04, 1.28], color="black", linewidth=1.0, clip_on=False)
    axes.set(yticks=[], ylim=(0, 1), xlim=(-0.5, count - 0.5))
    axes.tick_params(bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_title("segments; bars above: standard deviation of a boundary", fontsize=9, loc="left", pad=15)


def draw_path(axes: Axes, seen: Pictured) -> None:
    """How far residues of each state are from where they are in the first, or in the start of one alone."""
    from matplotlib import colormaps

    several = len(seen.states) > 1
    origin = seen.states[0] if several else seen.backbone.position
    away = np.linalg.norm(seen.states - origin, axis=-1)
    breaks = np.flatnonzero(np.diff(seen.chain)) + 1
    for state in range(1 if several else 0, len(away)):
        share = state / max(len(away) - 1, 1)
        colour = colormaps[PATH_MAP](0.9 * share)
        line = np.insert(away[state], breaks, np.nan)
        place = np.insert(np.arange(len(seen.chain), dtype=float), breaks, np.nan)
        axes.plot(place, line, color=colour, linewidth=1.8 if share == 1 else 0.9)
    axes.set(ylim=(0, max(1.08 * float(away.max()), 0.5)))
    axes.set_ylabel("displacement (Å)", fontsize=9)
    axes.tick_params(labelsize=8)
    said = f"displacement from the first of {len(away)} states, to the last in yellow" if several else ""
    axes.set_title(said or "displacement from the start", fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    _name_residues(axes, seen)


def draw_turns(axes: Axes, seen: Pictured) -> None:
    """Distributions over the particles of the turns of the segments that turn most, one above the other."""
    spread = seen.turns.std(0)
    shown = np.sort(np.argsort(-spread, kind="stable")[:MOST_SEGMENTS]).tolist()
    colours = segment_colours(len(seen.named))
    low, high = np.percentile(seen.turns[:, shown], [0.2, 99.8])
    margin = 0.05 * max(high - low, 1.0)
    edges = np.linspace(low - margin, high + margin, 70)
    for row, own in enumerate(shown[::-1]):
        heights, _ = np.histogram(seen.turns[:, own], edges)
        axes.stairs(
            row + 0.86 * heights / max(heights.max(), 1), edges, baseline=row, fill=True, color=colours[own]
        )
    labels = [_short(seen.named.names[own], own + 1) for own in shown[::-1]]
    axes.set_yticks(np.arange(len(shown)) + 0.35, labels, fontsize=8)
    axes.tick_params(left=False, labelsize=8)
    axes.axvline(0.0, color="black", linewidth=0.7, linestyle=":")
    axes.set(xlim=(edges[0], edges[-1]), ylim=(-0.04, len(shown)))
    axes.set_xlabel("turn about the segment's main axis (degrees)", fontsize=9)
    axes.set_title(
        f"turns of segments in {len(seen.turns):,} particles".replace(",", " "), fontsize=9, loc="left"
    )
    axes.spines[["top", "right", "left"]].set_visible(False)


def draw_distance(axes: Axes, name: str, values: Float[ndarray, " n"], states: Float[ndarray, " v"]) -> None:
    """Distribution of a distance over the particles, and where the states are."""
    from matplotlib import colormaps

    axes.hist(values, bins=int(np.clip(len(values) ** 0.5, 8, 50)), color="#9db8d9")
    for number, value in enumerate(states):
        share = number / max(len(states) - 1, 1)
        axes.plot(
            value, 0, marker=6, color=colormaps[PATH_MAP](0.9 * share), clip_on=False, markersize=6, zorder=3
        )
    axes.set_xlabel("distance (Å); triangles: the states", fontsize=9)
    axes.set_title(name, fontsize=9, loc="left")
    axes.set(yticks=[])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _paler(colours: list[str], share: Float[ndarray, " g"]) -> Float[ndarray, "g 3"]:
    """Colours with so much white."""
    from matplotlib.colors import to_rgb

    known = {colour: to_rgb(colour) for colour in set(colours)}
    solid = np.array([known[colour] for colour in colours])
    return solid + share[:, None] * (1 - solid)


def _short(name: str, number: int) -> str:
    return name if len(name) <= 22 else f"segment {number}"


def _name_residues(axes: Axes, seen: Pictured) -> None:
    """Numbers of the author's below one chain; names of chains, parted by lines, below several."""
    starts = np.flatnonzero(np.diff(seen.chain, prepend=-1))
    if len(starts) == 1:
        numbers = [name.rpartition(":")[2] for name in seen.residue_names]
        step = max(1, int(round_length(len(numbers) / 8)))
        where = [i for i, text in enumerate(numbers) if text.lstrip("-").isdigit() and int(text) % step == 0]
        axes.set_xticks(where, [numbers[i] for i in where], fontsize=8)
        axes.set_xlabel(f"residue of chain {seen.residue_names[0].rpartition(':')[0]}", fontsize=9)
        return
    ends = np.append(starts[1:], len(seen.chain))
    for start in starts[1:]:
        axes.axvline(start - 0.5, color=GREY, linewidth=0.5, zorder=0)
    places: list[float] = []
    named: list[str] = []
    for i in np.argsort(starts - ends, kind="stable"):  # the longest first
        place = 0.5 * float(starts[i] + ends[i] - 1)
        name = seen.residue_names[starts[i]].rpartition(":")[0]
        if all(abs(place - other) > LETTER * (1 + len(name)) * len(seen.chain) for other in places):
            places.append(place)
            named.append(name)
    axes.set_xticks(places, named, fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("chain", fontsize=9)
