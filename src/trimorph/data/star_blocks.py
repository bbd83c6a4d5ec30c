"""STAR files to blocks of strings and back, token for token.

The `starfile` library reads and writes; the structure is checked first, because what it cannot read it cuts
short or fills in without a word (a `#` inside a value, a row that is short, a block name that occurs twice).
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import starfile

from trimorph.core.errors import InputError
from trimorph.data.atomic import atomic_path

StarBlocks = dict[str, pd.DataFrame | dict[str, str]]

_QUOTED_ROW = re.compile(r"""(?:[ \t]*(?:"[^"'\t]*"|'[^"'\t]*'|[^\s"']+)(?=\s|$))*[ \t]*""")
_TOKEN = re.compile(r"""["']([^"']*)["']|(\S+)""")


def read_blocks(path: Path) -> StarBlocks:
    """All blocks of a star file: a loop as a frame of strings, a list of pairs as a dictionary of strings.

    Errors: OSError where the file cannot be read; InputError, with the line, where it is not a star file that
    can be read and written back unchanged.
    """
    scanned = _scan(path)
    names = sorted({column for block in scanned for column in block.columns})
    linecache.cache.pop(
        str(path), None
    )  # starfile would take an earlier, failed read of this path from there
    try:
        blocks: StarBlocks = starfile.read(path, always_dict=True, parse_as_string=names)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: found a star file that cannot be read ({error}); wanted blocks `data_...` with "
            "`loop_`, column names and rows. Write it again with the program that made it."
        ) from error
    for block in scanned:
        _restore(path, block, blocks)
    return blocks


def write_blocks(blocks: Mapping[str, pd.DataFrame | dict[str, str]], path: Path, overwrite: bool) -> None:
    """Write blocks of strings as a star file, atomically."""
    with atomic_path(path, overwrite) as temporary:
        starfile.write(dict(blocks), temporary)


@dataclass
class _Block:
    """Structure of one block: where it starts, its columns, and its rows as they stand in the file."""

    name: str
    line: int
    loop: bool = False
    columns: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)


def _scan(path: Path) -> list[_Block]:
    lines = _lines(path)
    blocks: list[_Block] = []
    header = False
    for number, line in enumerate(lines, start=1):
        if line.startswith("data_") and len(line.split()) == 1:
            if blocks and not blocks[-1].columns:
                raise _bad_line(
                    path, blocks[-1].line, f"block data_{blocks[-1].name} without content", "columns"
                )
            blocks.append(_Block(name=line[5:], line=number))
            header = False
        elif line and not line.startswith("#"):
            if not blocks:
                continue
            header = _scan_line(path, number, line, blocks[-1], header)
        elif blocks and blocks[-1].loop and header and blocks[-1].columns:
            header = False
    _check(path, blocks)
    return blocks


def _scan_line(path: Path, number: int, line: str, block: _Block, header: bool) -> bool:
    """Take one line into its block, and say whether the loop's header goes on."""
    if line.startswith("loop_"):
        if block.loop or block.columns:
            raise _bad_line(path, number, f"a second loop_ in block data_{block.name}", "one loop a block")
        block.loop = True
        return True
    if block.loop and header and line.startswith("_"):
        block.columns.append(line.split()[0][1:])
        return True
    if line.startswith(("data_", "_")) and block.loop:
        raise _bad_line(path, number, f'the row "{line[:60]}"', "rows that start with neither data_ nor _")
    if not block.loop:
        if not line.startswith("_") or len(_tokens(path, number, line)) != 2:
            raise _bad_line(path, number, f'"{line[:60]}"', "`_name value`, or `loop_`, under data_")
        block.columns.append(line.split()[0][1:])
        return False
    found = _count(path, number, line)
    if found != len(block.columns):
        raise _bad_line(
            path, number, f"{found} values", f"{len(block.columns)}, one for each column of data_{block.name}"
        )
    block.rows.append(line)
    return False


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: found bytes that are not text (at byte {error.start}); wanted a star file. Is it "
            "compressed, or of another kind?"
        ) from error
    lines = [line.strip(" \t") for line in text.split("\n")]
    if not text.replace("\n", "").replace("\t", "").isprintable():
        for number, line in enumerate(lines, start=1):
            for character in line:
                if not character.isprintable() and character != "\t":
                    raise _bad_line(
                        path, number, f"the character {character!r}", "printable text, spaces and tabs"
                    )
    return lines


def _count(path: Path, number: int, line: str) -> int:
    if "#" in line or '"' in line or "'" in line:
        return len(_tokens(path, number, line))
    return len(line.split())


def _tokens(path: Path, number: int, line: str) -> list[str]:
    if "#" in line:
        raise _bad_line(
            path, number, "a # inside a row", "no # in values and no comments after them (rename the file)"
        )
    if not _QUOTED_ROW.fullmatch(line):
        raise _bad_line(path, number, "a quote inside a value", "quotes only around whole values")
    return [quoted or plain for quoted, plain in _TOKEN.findall(line)]


def _check(path: Path, blocks: list[_Block]) -> None:
    if not any(block.columns for block in blocks):
        raise InputError(
            f"{path}: found no block of data; wanted a star file with `data_...`, `loop_` and column names. "
            "Is the file empty, or of another kind?"
        )
    names = [block.name for block in blocks]
    for block in blocks:
        if names.count(block.name) > 1:
            raise _bad_line(
                path, block.line, f"the block name data_{block.name} twice", "each block name once"
            )
        twice = {column for column in block.columns if block.columns.count(column) > 1}
        if twice or "" in block.columns:
            named = ", ".join(sorted(twice)) or "(without a name)"
            raise _bad_line(
                path, block.line, f"column {named} twice in data_{block.name}", "each column once"
            )
    if not blocks[-1].columns:
        raise _bad_line(path, blocks[-1].line, f"block data_{blocks[-1].name} without content", "columns")


def _restore(path: Path, block: _Block, blocks: StarBlocks) -> None:
    """Check what was read against the structure, and put back tokens that stand for a missing number."""
    read = blocks.get(block.name)
    if isinstance(read, dict):
        if not block.loop and list(read) == block.columns:
            return
    elif read is not None and list(read.columns) == block.columns and len(read) == len(block.rows):
        for column in read.columns[read.isna().any()]:
            values = read[column].astype(object)
            for row in values.index[values.isna()]:
                values[row] = _tokens(path, 0, block.rows[row])[block.columns.index(column)]
            read[column] = values.astype(str)
        return
    raise _bad_line(
        path,
        block.line,
        f"block data_{block.name}, which could not be read whole",
        f"{len(block.rows)} rows of {len(block.columns)} columns",
    )


def _bad_line(path: Path, line: int, found: str, wanted: str) -> InputError:
    return InputError(f"{path}: line {line}: found {found}; wanted {wanted}. Correct the line.")
