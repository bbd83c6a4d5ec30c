"""`trimorph agree REPLICATES`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from trimorph.analysis.agreement import SelectionAgreement, StateAgreement


def command(
    replicates: Annotated[tuple[Path, ...], tyro.conf.Positional],
    *,
    states: str = "mixture:5",
    seed: int = 0,
) -> None:
    """Tell how far replicates agree: in the states of their particles, or in the particles of selections.

    trimorph agree run1 run2 run3 --states kmeans:8

    trimorph agree good1.pkl good2.pkl

    Args:
        replicates: Folders of runs, or files of latents of other programs (z.pkl, .npz, .npy), of the same
            particles; or selections: row numbers (.txt, .npy, .pkl), star files, or .cs files.
        states: How states are found in each run, and their number: kmeans, mixture or peaks.
        seed: Of the search for states.
    """
    from trimorph.analysis.agreement import are_selections, selections_agree, states_agree

    if are_selections(replicates):
        show_selections(selections_agree(replicates))
    else:
        show_states(states_agree(replicates, states=states, seed=seed))


def show_states(found: StateAgreement) -> None:
    """Print a row for each two replicates, and for two alone how many particles have each pair of states."""
    rows = []
    for (one, other), match, chance in zip(found.pairs, found.matches, found.chance, strict=True):
        share = f"{100 * match.agreement:.1f} %"
        rows.append(
            (
                found.names[one],
                found.names[other],
                share,
                f"{100 * chance:.1f} %",
                f"{match.adjusted_rand:.3f}",
            )
        )
    _print_table(("replicate", "and", "same state", "by chance", "adjusted Rand"), rows, words=2)
    if len(found.names) > 2:
        all_same = float(found.everywhere().mean())
        print(
            f"{100 * found.mean:.1f} % on average; {100 * all_same:.1f} % of the particles in all replicates"
        )
        return
    match = found.matches[0]
    partner = {int(match.first[i]): int(match.second[j]) for i, j in match.pairs}
    order = [partner[label] for label in match.first.tolist() if label in partner]
    order += [label for label in match.second.tolist() if label not in order]
    place = {label: column for column, label in enumerate(match.second.tolist())}
    counts = [
        (str(label + 1), *(str(match.table[row, place[column]]) for column in order))
        for row, label in enumerate(match.first.tolist())
    ]
    print(f"particles by their state in {found.names[0]} (down) and in {found.names[1]} (across):")
    _print_table(("", *(str(label + 1) for label in order)), counts, words=1)


def show_selections(found: SelectionAgreement) -> None:
    """Print how many particles each holds, each two, and all."""
    _print_table(
        ("selection", "particles"),
        [(name, str(number)) for name, number in zip(found.names, found.number, strict=True)],
        words=1,
    )
    rows = [
        (found.names[one], found.names[other], str(common), str(either), f"{common / max(either, 1):.3f}")
        for (one, other), common, either in zip(found.pairs, found.common, found.either, strict=True)
    ]
    if len(found.names) > 2:
        rows.append(("all", "", str(found.intersection), str(found.union), f"{found.jaccard:.3f}"))
    _print_table(("selection", "and", "in both", "in any", "Jaccard"), rows, words=2)


def _print_table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, words: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number < words else "right")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, soft_wrap=True).print(table)
