"""The report: one page that a parser reads, that needs nothing else and says what the analysis says."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from matplotlib.image import imread

from analysis.html_page import Element, Page
from analysis.made_report import COMMAND, COUNT, HOSTILE, made_analysis
from run.slider import Slider
from trimorph.analysis.analysis import Analysis
from trimorph.analysis.components import find_components
from trimorph.analysis.data_summary import DataSummary
from trimorph.analysis.report import write_report
from trimorph.analysis.report_concerns import find_concerns
from trimorph.analysis.report_png import size_of
from trimorph.analysis.states import States
from trimorph.methods import registry
from trimorph.run.embedding import Embedding

Made = tuple[Path, Analysis, Element, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Folder, analysis, page and source of a report on hostile names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "slider", f"{Slider.__module__}:Slider")
        folder, analysis = made_analysis(tmp_path_factory.mktemp("report"))
        source = write_report(folder, analysis).read_text(encoding="utf-8")
        yield folder, analysis, Page(source).root, source


def one(root: Element, name: str, **wanted: str) -> Element:
    """The only element of this kind."""
    (found,) = root.all(name, **wanted)
    return found


def table_after(root: Element, section: str) -> list[dict[str, Element]]:
    """Rows of the first table of a section, by the names of its columns."""
    table = next(one(root, "section", id=section).all("table"))
    head = [cell.text for cell in one(table, "thead").all("th")]
    return [dict(zip(head, row.children, strict=True)) for row in one(table, "tbody").all("tr")]


def test_the_page_is_well_formed_and_needs_nothing_else(made: Made) -> None:
    folder, _, root, source = made
    ids = [element.attributes["id"] for element in root.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in root.all():
        for name in ("src", "href", "data", "poster", "action", "srcset"):
            address = element.attributes.get(name, "")
            if address.startswith("#"):
                assert address[1:] in ids
            elif element.name == "a" and address:
                assert (folder / unquote(address)).exists(), address
            elif address:
                assert address.startswith(("data:image/", "data:video/")), address[:60]
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", one(root, "style").text + source.split("<script>")[-1]
    )
    assert len(source) < 5_000_000


def test_every_picture_decodes_and_is_told_in_words(made: Made) -> None:
    _, _, root, _ = made
    pictures = [*root.all("img"), *root.all("image")]
    assert len(pictures) > 40
    for element in pictures:
        address = element.attributes.get("src") or element.attributes["href"]
        kind, data = address.split(";base64,")
        raw = base64.b64decode(data, validate=True)
        if kind == "data:image/png":
            pixels = imread(io.BytesIO(raw), format="png")
            assert pixels.shape[1::-1] == size_of(raw)
            assert np.isfinite(pixels).all()
            if element.name == "img" and "width" in element.attributes:
                assert tuple(int(element.attributes[side]) for side in ("width", "height")) == size_of(raw)
        assert element.name == "image" or element.attributes["alt"].strip()
    for drawing in root.all("svg"):
        assert drawing.attributes.get("aria-label") or drawing.attributes.get("aria-hidden") == "true"


def test_the_table_of_states_has_the_numbers_of_the_analysis(made: Made) -> None:
    _, analysis, root, _ = made
    rows = table_after(root, "states")
    assert len(rows) == len(analysis.state_files)
    for row, state in zip(rows, analysis.state_files, strict=True):
        wanted = {
            "state": (state.number, str(state.number)),
            "particles": (state.particles, str(state.particles)),
            "share": (state.share, f"{100 * state.share:.0f}\u00a0%"),
            "effective particles": (state.effective, f"{state.effective:.0f}"),
            "resolution": (state.resolution, f"{state.resolution:.1f}\u00a0Å"),
            "own map to model": (state.agreement, f"{state.agreement:.2f}"),
        }
        for name, (value, words) in wanted.items():
            assert float(row[name].attributes["data-value"]) == pytest.approx(value, rel=1e-8), name
            assert row[name].text.replace(" ", "\u00a0") == words, name
        assert 0.9 < float(row["half sets agree"].attributes["data-value"]) <= 1


def test_components_and_particles_under_the_pointer_are_those_of_the_analysis(made: Made) -> None:
    _, analysis, root, _ = made
    for row, share in zip(table_after(root, "latents"), analysis.components.share, strict=True):
        assert float(row["share of variance"].attributes["data-value"]) == pytest.approx(share, rel=1e-6)
    told = json.loads(one(root, "script", id="latent-points").text)
    rows = np.array(told["particle"])
    assert len(rows) >= COUNT - 4
    label = analysis.states.label[rows]
    assert told["state"] == np.where(label < 0, -1, label + 1).tolist()
    assert set(told["extra"]["defocus"]) == {"1.2 µm"}
    first = analysis.components.scores[rows, 0]
    assert np.corrcoef(told["x"], first)[0, 1] > 0.9999
    assert np.corrcoef(told["y"], analysis.components.scores[rows, 1])[0, 1] < -0.9999


def test_names_from_outside_do_not_become_elements(made: Made) -> None:
    _, analysis, root, source = made
    assert HOSTILE in str(analysis.embedding.source)
    assert [script.attributes.get("id") for script in root.all("script")] == ["latent-points", None]
    assert not any("onload" in element.attributes for element in root.all())
    assert "<b onload" not in source
    assert COMMAND in [element.text for element in one(root, "section", id="run").all("pre")]
    texts = [element.text for element in root.all("strong")]
    assert f"Title {HOSTILE}." in texts
    assert any(f"A line {HOSTILE}" == element.text for element in root.all("p"))
    assert any(str(analysis.folder) == element.text for element in root.all("code"))


def test_each_section_says_how_to_read_it_and_is_in_the_contents(made: Made) -> None:
    _, _, root, _ = made
    sections = list(root.all("section"))
    listed = [link.attributes["href"] for link in one(root, "nav").all("a")]
    assert listed == [f"#{section.attributes['id']}" for section in sections]
    for section in sections:
        assert len(list(section.all("aside", class_="how"))) == 1, section.attributes


def test_sliders_know_as_many_names_as_there_are_frames(made: Made) -> None:
    _, analysis, root, _ = made
    players = {element.attributes["data-group"]: element for element in root.all("div", class_="player")}
    frames = {image.attributes["data-frames"] for image in root.all("img", **{"data-group": "slices"})}
    assert frames == {str(len(json.loads(players["slices"].attributes["data-names"])))}
    path = players["path-pc1"]
    source = one(root, "div", **{"data-source": "path-pc1"})
    strip = next(source.all("div", class_="strip"))
    points = len(analysis.traversals[0].z)
    assert len(list(strip.all("img"))) == points == len(json.loads(path.attributes["data-names"]))
    assert one(path, "input").attributes["max"] == str(points - 1)


def test_what_was_run_and_what_is_doubtful_is_said(made: Made) -> None:
    _, _, root, _ = made
    facts = {
        row.children[0].text: row.children[1].text
        for row in one(one(root, "section", id="run"), "dl").children
    }
    assert facts["method"] == "slider"
    assert facts["time in epochs"].split() == ["1", "min", "30", "s"]
    warned = [item.text for item in one(root, "ul", class_="concerns").all("li")]
    assert any(line.startswith("Few particles in states 1, 2 and 3.") for line in warned)
    assert any("trimorph validate" in line for line in warned)
    answers = [element.text for element in one(root, "dl", class_="answers").all("dd")]
    assert f"3 states of {COUNT} particles".replace(" ", "\u00a0") in answers[0].replace(" ", "\u00a0")
    assert "9.0 Å to 11.0 Å" in answers[2].replace("\u00a0", " ")
    assert "clear in every state" in answers[2]


def test_a_verdict_of_a_validation_stands_in_the_report(made: Made) -> None:
    _, analysis, _, _ = made
    assert analysis.embedding.run is not None
    path = analysis.embedding.run.path / "analysis" / "validation" / "verdict.json"
    path.parent.mkdir(parents=True)
    for heterogeneous, kind in ((True, "passed"), (False, "warning")):
        path.write_text(
            json.dumps({"heterogeneous": heterogeneous, "lines": ["mode 1: p = 0.5", "so it is"]})
        )
        found = find_concerns(
            analysis, data=DataSummary(None, None), nuisances={}, differences=(), metrics=[]
        )
        (told,) = (one for one in found if one.title.startswith("Validation"))
        assert (told.kind, told.words) == (kind, "Mode 1: p = 0.5. So it is.")
        assert not [one for one in found if "trimorph validate" in one.words]
    path.unlink()


def test_without_particles_and_own_maps_the_page_says_so(made: Made, tmp_path: Path) -> None:
    folder, analysis, _, _ = made
    bare = tuple(
        replace(
            one,
            own=None,
            half1=None,
            half2=None,
            resolution=None,
            effective=None,
            agreement=None,
            curves=None,
        )
        for one in analysis.state_files
    )
    outside = Embedding(analysis.embedding.mean, None, Path("z.pkl"))
    (tmp_path / "states").symlink_to(folder / "states")
    poorer = replace(analysis, embedding=outside, state_files=bare, traversals=(), figures=(), lines=())
    root = Page(write_report(tmp_path, poorer).read_text(encoding="utf-8")).root
    assert {row_name for row in table_after(root, "states") for row_name in row} == {
        "state",
        "particles",
        "share",
    }
    warned = next(one(root, "ul", class_="concerns").all("li")).text
    assert warned.startswith("No maps of the particles themselves.")
    assert "Not known" in [element.text for element in one(root, "dl", class_="answers").all("dd")][2]
    assert not {"run", "training", "paths"} & {section.attributes["id"] for section in root.all("section")}


def test_one_state_and_one_component_make_a_page_too(made: Made, tmp_path: Path) -> None:
    folder, analysis, _, _ = made
    mean = analysis.embedding.mean[:, :1]
    (tmp_path / "states").symlink_to(folder / "states")
    alone = replace(
        analysis,
        embedding=Embedding(mean, None, Path("z.npy")),
        components=find_components(mean),
        states=States(np.zeros(COUNT, int), np.array([0]), mean[:1], "kmeans1"),
        state_files=(replace(analysis.state_files[0], particles=COUNT, share=1.0),),
        traversals=(),
        figures=(),
    )
    root = Page(write_report(tmp_path, alone).read_text(encoding="utf-8")).root
    answers = [element.text for element in one(root, "dl", class_="answers").all("dd")]
    assert "There is one state alone" in answers[1]
    assert len(list(one(root, "section", id="latents").all("rect"))) == 60
    assert "changes" not in {section.attributes["id"] for section in root.all("section")}
