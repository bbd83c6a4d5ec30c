"""Concern: a question that an analysis leaves open, or one that was asked and is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Concern:
    """A question that the result leaves open: a warning, or a note on what was not looked at.

    ``passed`` says that the question was asked and is answered; its words then say how.
    """

    kind: Literal["warning", "note", "passed"]
    title: str
    words: str


def listed(thing: str, numbers: Sequence[int]) -> str:
    """Numbers of states as words.

    >>> listed("State", [1]), listed("State", [1, 2, 5])
    ('State 1', 'States 1, 2 and 5')
    """
    return f"{thing}{'' if len(numbers) == 1 else 's'} {worded([str(number) for number in numbers])}"


def worded(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> worded(["defocus", "shift"])
    'defocus and shift'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(words: str) -> str:
    """Words with a large letter at the beginning and a stop at the end."""
    found = words[:1].upper() + words[1:]
    return found if found.endswith(".") else found + "."
