"""Structure of star files: what cannot be read whole is an error with its line, never a guess."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from star_files import OPTICS, PARTICLES, loop, write_files

from trimorph.core.ctf import CTF_PARAMETERS
from trimorph.core.errors import InputError
from trimorph.data.read import read_particles
from trimorph.data.star_blocks import read_blocks, write_blocks

HEAD = "data_\n\nloop_\n_rlnImageName #1\n_rlnVoltage #2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no block of data"),
        ("hello\n", "found no block of data"),
        ("data_\n", "found no block of data"),
        (HEAD + "1@a.mrcs 300\ndata_b\n", "line 7: found block data_b without content"),
        ("data_a\ndata_b\nloop_\n_x\n1\n", "line 1: found block data_a without content"),
        (HEAD + "1@a#1.mrcs 300\n", "line 6: found a # inside a row; wanted no # in values"),
        (HEAD + "1@a.mrcs 300\n2@a.mrcs\n", "line 7: found 1 values; wanted 2, one for each column"),
        (HEAD + "1@a.mrcs 300 7\n", "line 6: found 3 values; wanted 2"),
        (HEAD + "1@it's.mrcs 300\n", "line 6: found a quote inside a value"),
        (HEAD + '1@a.mrcs "300\n', "line 6: found a quote inside a value"),
        (HEAD + "1@a.mrcs 300\n" + HEAD + "1@a.mrcs 300\n", "found the block name data_ twice"),
        (HEAD + "_rlnVoltage #3\n1@a.mrcs 300 300\n", "line 1: found column rlnVoltage twice in data_"),
        (HEAD + "1@a.mrcs 300\nloop_\n", "line 7: found a second loop_ in block data_"),
        (HEAD + "data_set/1@a.mrcs 300\n", 'line 6: found the row "data_set/1@a.mrcs 300"; wanted rows that'),
        (HEAD + "1@a.mrcs 300\n_late #3\n", 'line 7: found the row "_late #3"'),
        (HEAD + "1@a.mrcs 300\r2@a.mrcs 300\r", r"line 6: found the character '\\r'; wanted printable text"),
        (HEAD + "1@a\xa0b.mrcs 300\n", r"line 6: found the character '\\xa0'"),
        ("data_\n_a 1\n_b\n", 'line 3: found "_b"; wanted `_name value`'),
    ],
)
def test_what_would_be_cut_short_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    star = tmp_path / "bad.star"
    star.write_text(text, newline="")
    with pytest.raises(InputError, match=message) as error:
        read_blocks(star)
    assert str(error.value).startswith(str(star))


def test_bytes_and_folders_and_absent_files(tmp_path: Path) -> None:
    star = tmp_path / "bad.star"
    star.write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    with pytest.raises(InputError, match=r"found bytes that are not text \(at byte 1\)"):
        read_blocks(star)
    with pytest.raises(FileNotFoundError):
        read_blocks(tmp_path / "absent.star")
    with pytest.raises(IsADirectoryError):
        read_blocks(tmp_path)


def test_a_file_that_is_mended_is_read_anew(tmp_path: Path) -> None:
    star = tmp_path / "a.star"
    star.write_text(HEAD + "1@a.mrcs\n")
    with pytest.raises(InputError, match="found 1 values"):
        read_blocks(star)
    star.write_text(HEAD + "1@a.mrcs 300\n")
    assert len(read_blocks(star)[""]) == 1
    star.write_text(HEAD + "1@a.mrcs 300\n2@a.mrcs 300\n")
    assert len(read_blocks(star)[""]) == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n \n"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path, newline: str, end: str) -> None:
    star = tmp_path / "a.star"
    star.write_bytes(b"\xef\xbb\xbf" + (HEAD + "1@a.mrcs 300" + end).replace("\n", newline).encode())
    block = read_blocks(star)[""]
    assert block.to_dict("list") == {"rlnImageName": ["1@a.mrcs"], "rlnVoltage": ["300"]}


TOKEN = st.one_of(
    st.text(
        st.characters(codec="ascii", exclude_characters="#'\"", exclude_categories=["Z", "C"]), min_size=1
    ).filter(lambda token: not token.startswith(("_", "data_", "loop_"))),
    st.sampled_from(["nan", "NaN", "<NA>", "NA", "null", "None", "1e5", "00012", "-0.0", "True", "1_000"]),
)


@given(rows=st.lists(st.lists(TOKEN, min_size=3, max_size=3), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_token_survives_reading_and_writing(rows: list[list[str]]) -> None:
    columns = {f"rln{name}": [row[place] for row in rows] for place, name in enumerate("ABC")}
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a.star", Path(folder) / "b.star"
        first.write_text(loop("particles", columns))
        once = read_blocks(first)
        write_blocks(once, second, overwrite=False)
        twice = read_blocks(second)
    assert once["particles"].to_dict("list") == columns
    assert twice["particles"].to_dict("list") == columns


NASTY = st.one_of(
    st.sampled_from(
        ["nan", "inf", "-inf", "1e400", "0", "-1", "abc", "1,5", "#", "'", '"', '""', "<NA>", "None"]
    ),
    st.sampled_from(
        ["1_0", "data_", "loop_", "_x", "@", "1@", "1@images.mrcs", "9@images.mrcs", "1e11", "9" * 20]
    ),
    st.floats(allow_nan=True).map(str),
    st.text(max_size=4),
)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_damaged_file_is_an_input_error_or_a_finite_table(data: st.DataObject) -> None:
    blocks = [
        ("optics", {k: list(v) for k, v in OPTICS.items()}),
        ("particles", {k: list(v) for k, v in PARTICLES.items()}),
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        _, columns = data.draw(st.sampled_from(blocks))
        column = data.draw(st.sampled_from(sorted(columns))) if columns else "rlnX"
        damage = data.draw(st.sampled_from(["value", "drop", "rename"]))
        if damage == "value" and column in columns:
            columns[column][data.draw(st.integers(0, len(columns[column]) - 1))] = data.draw(NASTY)
        elif damage == "drop":
            columns.pop(column, None)
        elif column in columns:
            columns[data.draw(NASTY) or "rlnX"] = columns.pop(column)
    _must_be_refused_or_finite("".join(loop(name, columns) for name, columns in blocks if columns))


@given(text=st.text(max_size=80), place=st.integers(0, 700), cut=st.integers(0, 300))
@settings(max_examples=100, deadline=None)
def test_text_put_anywhere_is_an_input_error_or_a_finite_table(text: str, place: int, cut: int) -> None:
    whole = loop("optics", OPTICS) + loop("particles", PARTICLES)
    _must_be_refused_or_finite(whole[:place] + text + whole[place + cut :])


def _must_be_refused_or_finite(text: str) -> None:
    """Any other exception than these two fails the test; so does a value that is not finite."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        star = write_files(Path(folder))
        star.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        try:
            table = read_particles(star)
        except (InputError, OSError):
            return
    arrays = [table.pixel_size, table.box, table.slice, table.rotation, table.shift]
    if table.ctf is not None:
        arrays += [getattr(table.ctf, name) for name in CTF_PARAMETERS]
    for array in arrays:
        assert array is None or (len(array) == len(table) and np.isfinite(array.astype(np.float32)).all())
