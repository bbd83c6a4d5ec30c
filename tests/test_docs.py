"""What the documentation says can be done: its Python runs, its command lines have the flags they name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import trimorph
from trimorph.cli.main import COMMANDS, run
from trimorph.methods import linear
from trimorph.methods.field import FieldSettings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(?:<!-- files: (?P<files>[^>]*) -->\n)?```python\n(?P<code>.*?)```", re.S)
_COMMAND = re.compile(r"^\$ trimorph (.*)$", re.M)


def blocks(page: Path, *, with_files: bool) -> list[tuple[str, list[str]]]:
    """Code and needed files of a page's Python blocks, of those that need files, or of the rest."""
    found = [(match["code"], (match["files"] or "").split()) for match in _BLOCK.finditer(page.read_text())]
    return [block for block in found if bool(block[1]) == with_files]


def named(pages: list[Path]) -> list[object]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


@pytest.fixture(autouse=True, scope="module")
def _shown_less() -> Iterator[None]:
    """What linear modes of a few images are like does not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "IMAGES_SHOWN", 300)
        yield


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a reader of the pages has: particles.star and a run with two latents."""
    folder = tmp_path_factory.mktemp("example")
    made = trimorph.simulate("adk", folder / "particles", count=60, box=24, pixel_size=4.5, snr=1.0)
    recipe = trimorph.Recipe(
        method="field",
        data=trimorph.ParticleInput(particles=made.star),
        settings=FieldSettings(latent_dim=2, epochs=1, width=16, encoder_width=16),
        training=trimorph.TrainingSettings(),
    )
    trimorph.train(recipe, folder / "run")
    return folder


@pytest.mark.parametrize("page", named([page for page in PAGES if blocks(page, with_files=False)]))
def test_python_of_the_page_runs(page: Path, example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(example)
    names: dict[str, object] = {"__name__": page.stem}
    for number, (code, _) in enumerate(blocks(page, with_files=False), start=1):
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", named([page for page in PAGES if blocks(page, with_files=True)]))
def test_python_on_recorded_data_runs(
    page: Path, shared: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for code, files in blocks(page, with_files=True):
        for file in files:
            os.symlink(shared(file), tmp_path / Path(file).name)
        exec(compile(code, page.name, "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("page", named([page for page in PAGES if _COMMAND.search(page.read_text())]))
def test_commands_of_the_page_exist_with_their_flags(page: Path) -> None:
    for line in _COMMAND.findall(page.read_text()):
        words = shlex.split(line, comments=True)
        known = _help(words[0], words[1] if words[0] == "train" else None)
        for flag in (word for word in words if re.match(r"--?[a-z]", word)):
            assert re.search(rf"(?<![\w-]){flag}(?![\w-])", known), f"trimorph {line}: no {flag}"


@pytest.mark.parametrize("page", named(PAGES))
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


@cache
def _help(command: str, method: str | None) -> str:
    """The help of a command."""
    from contextlib import redirect_stdout
    from io import StringIO

    assert command in COMMANDS
    words = [command, *([method] if method else []), "--help"]
    with redirect_stdout(StringIO()) as text, pytest.raises(SystemExit):
        run(words)
    return text.getvalue()
