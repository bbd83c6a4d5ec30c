"""Atomic writing: whole or not at all, and never over something else."""

from pathlib import Path

import pytest

from trimorph.data.atomic import atomic_path


def test_replaces_only_when_told_so(tmp_path: Path) -> None:
    target = tmp_path / "map.mrc"
    target.write_text("old")
    with pytest.raises(FileExistsError, match=r"map\.mrc.*left as it is.*--overwrite"), atomic_path(target):
        raise AssertionError("the block must not run")
    assert target.read_text() == "old"
    with atomic_path(target, overwrite=True) as temporary:
        assert temporary.suffix == ".mrc"
        assert temporary.parent == tmp_path
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.star"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target, overwrite=True) as temporary:
            temporary.write_text("half of it")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_made_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "z.pkl"

    def race() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("mine")
            target.write_text("theirs")

    with pytest.raises(FileExistsError, match="left as it is"):
        race()
    assert target.read_text() == "theirs"


def test_folder_must_exist_and_name_must_not_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist. Make it"):
        atomic_path(tmp_path / "nowhere" / "a.txt").__enter__()
    with pytest.raises(IsADirectoryError, match="found a folder"):
        atomic_path(tmp_path, overwrite=True).__enter__()
