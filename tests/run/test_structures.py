"""Structures of a run: the hinge that was put in is in the tables, atoms and maps lie on each other."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from data.test_template import rows_of
from run.hinger import (
    ADK,
    AXIS,
    BOUNDARY,
    BOX,
    MIDDLE,
    PIVOT,
    PIXEL_SIZE,
    HingerSettings,
    centred_structure,
    hinge_latents,
    structure_problem,
    write_hinge_run,
    write_structure_run,
)
from trimorph.cli.main import run as command
from trimorph.core.errors import InputError
from trimorph.core.point_field import PointField
from trimorph.data.mrc import read_map, write_map
from trimorph.data.residues import scattering_weight
from trimorph.data.structure import read_structure
from trimorph.data.template import Template
from trimorph.methods import registry
from trimorph.methods.segments import SegmentsSettings
from trimorph.run.choose_latents import Chosen
from trimorph.run.run import Run
from trimorph.run.start import StartSettings
from trimorph.run.structures import StructuresReport, write_structures
from trimorph.run.structures_files import write_ensemble, write_state_maps
from trimorph.run.structures_found import Found
from trimorph.run.structures_model import MovingStructure
from trimorph.run.structures_particles import write_particles
from trimorph.run.structures_sample import Sample
from trimorph.run.structures_screws import Screws

DISTANCE = "A:165-180 to A:30-59,A:90-100"
Z = "0,0; 0.5,0; -0.8,1"
ANGLES = np.array([0.0, 0.5, -0.8])
ELSEWHERE = (40.0, -30.0, 8.0)


@pytest.fixture(autouse=True)
def _hinger_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")
        return write_hinge_run(tmp_path_factory.mktemp("hinge"))


@pytest.fixture(scope="module")
def report(run: Run) -> StructuresReport:
    """Of three given latents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "hinger", "run.hinger:Hinger")
        return write_structures(run.path, z=Z, distances=[DISTANCE], random=50)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def numbers(table: list[dict[str, str]], *names: str) -> NDArray[np.float64]:
    return np.array([[float(row[name]) for name in names] for row in table])


def places(path: Path, model: int) -> NDArray[np.float64]:
    found = gemmi.read_structure(str(path))[model]
    return np.array([site.atom.pos.tolist() for site in found.all()])


def test_the_hinge_that_was_put_in_is_in_the_table(report: StructuresReport) -> None:
    table = [row for row in rows(report.folder / "states.csv") if row["segment"] == "2"]
    assert {row["name"] for row in table} == {f"A:{BOUNDARY}-214"}
    np.testing.assert_allclose(numbers(table, "angle")[:, 0], np.rad2deg(np.abs(ANGLES)), atol=1e-3)
    axis = numbers(table, "axis_x", "axis_y", "axis_z")
    np.testing.assert_allclose(axis, np.sign(ANGLES)[:, None] * AXIS, atol=1e-4)
    main = numbers(rows(report.folder / "segments.csv"), "axis_x", "axis_y", "axis_z")[1]
    assert abs(main @ AXIS) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(numbers(table, "turn")[:, 0], np.rad2deg(ANGLES) * (main @ AXIS), atol=1e-3)
    assert table[0]["hinge_x"] == ""  # nothing turns, so there is none
    hinge = numbers(table[1:], "hinge_x", "hinge_y", "hinge_z") - PIVOT - MIDDLE
    assert np.abs(hinge - (hinge @ AXIS)[:, None] * AXIS).max() < 1e-3
    np.testing.assert_allclose(numbers(table, "slide")[:, 0], 0.0, atol=1e-4)
    np.testing.assert_allclose(numbers(table, "occupancy")[:, 0], [1.0, 1.0, 0.5])
    still = [row for row in rows(report.folder / "states.csv") if row["segment"] == "1"]
    assert numbers(still, "angle", "shift").max() < 1e-4


def test_residues_fluctuate_as_the_random_particles_do(run: Run, report: StructuresReport) -> None:
    particle = [int(row["particle"]) for row in rows(report.folder / "quality.csv")[3:]]
    assert len(set(particle)) == 50
    structure = read_structure(run.path.parent / "adk.pdb")[0]
    last = structure.position[structure.atom_name == "CA"][-1] - PIVOT - MIDDLE
    angle = run.latents().mean[particle, :1]
    place = Rotation.from_rotvec(angle * AXIS).apply(last)
    expected = np.sqrt(((place - place.mean(0)) ** 2).sum(1).mean())
    row = rows(report.folder / "residues.csv")[-1]
    assert float(row["fluctuation"]) == pytest.approx(expected, rel=1e-3)


def test_segments_have_the_authors_numbers_and_the_spread_of_their_ends(report: StructuresReport) -> None:
    first, second = rows(report.folder / "segments.csv")
    assert [first[name] for name in ("name", "chain", "first", "last", "residues")] == [
        "A:1-129", "A", "1", "129", "129",
    ]  # fmt: skip
    assert (first["first_sd"], first["last_sd"]) == ("0", "1.5")
    assert (second["first_sd"], second["last_sd"]) == ("1.5", "0")
    residues = rows(report.folder / "residues.csv")
    assert [row["segment"] for row in residues] == ["1"] * 129 + ["2"] * 85
    assert numbers(residues[:129], "displacement", "fluctuation").max() < 1e-4


@pytest.mark.parametrize("ending", ["cif", "pdb"])
def test_all_atoms_are_there_under_their_names_where_the_hinge_takes_them(
    run: Run, report: StructuresReport, ending: str
) -> None:
    path, source = report.folder / f"ensemble.{ending}", run.path.parent / "adk.pdb"
    assert len(gemmi.read_structure(str(path))) == 3
    for model in range(2):
        assert rows_of(path, model) == rows_of(source)
    start = places(source, 0)
    np.testing.assert_allclose(places(path, 0), start, atol=2e-3)
    atoms = [site.residue.seqid.num for site in gemmi.read_structure(str(source))[0].all()]
    turns = np.array(atoms) >= BOUNDARY
    for model, angle in enumerate(ANGLES):
        pivot = PIVOT + MIDDLE
        expected = np.where(
            turns[:, None], Rotation.from_rotvec(angle * AXIS).apply(start - pivot) + pivot, start
        )
        np.testing.assert_allclose(places(path, model), expected, atol=3e-3)
    gone = [site.atom.occ for site in gemmi.read_structure(str(path))[2].all()]
    np.testing.assert_allclose(gone, np.where(turns, 0.5, 1.0))


def correlation(path: Path, atoms: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Of atoms with a map, where its header says that it lies."""
    found = read_map(path)
    middle = np.array(found.origin) + BOX // 2 * PIXEL_SIZE
    field = PointField.of(
        torch.tensor(found.values - found.values.mean()), PIXEL_SIZE, resolution=12.0, margin=12.0
    )
    return float(field.correlation(torch.tensor(atoms - middle).float(), torch.tensor(weight).float()))


@pytest.mark.parametrize(
    ("at", "origin"),
    [(MIDDLE, None), (np.zeros(3), None), (MIDDLE + np.array(ELSEWHERE), ELSEWHERE)],
    ids=["from the corner", "from the centre", "in a map that lies elsewhere"],
)
def test_structures_lie_on_maps_of_the_same_state(
    tmp_path: Path, at: NDArray[np.float64], origin: tuple[float, float, float] | None
) -> None:
    given = tmp_path / "given.mrc"
    if origin is not None:
        write_map(given, np.zeros((BOX, BOX, BOX)), PIXEL_SIZE, origin=origin)
    made = write_hinge_run(tmp_path, at=at, map_file=given if origin else None)
    structure = MovingStructure.of(made)
    sample = Sample.of(structure, made.latents(), count=10, tell=lambda done: None)
    found = Found.of(structure, Chosen.free(np.array([[0.9, 0.0]]), "z"), sample)
    folder = tmp_path / "out"
    folder.mkdir()
    write_state_maps(folder, made, found, epoch=None, tell=lambda done: None)
    assert write_ensemble(folder, found) == ()
    atoms = places(folder / "ensemble.cif", 0)
    np.testing.assert_allclose(read_map(folder / "state_01.mrc").origin, origin or (0, 0, 0), atol=1e-3)
    weight = scattering_weight(read_structure(ADK)[0])
    right = correlation(folder / "state_01.mrc", atoms, weight)
    assert right > 0.95
    for shift in np.concatenate([3 * np.eye(3), -3 * np.eye(3)]):
        assert correlation(folder / "state_01.mrc", atoms + shift, weight) < right - 0.02
    unmoved = places(tmp_path / "adk.pdb", 0) - at + MIDDLE + (origin or 0)
    assert correlation(folder / "state_01.mrc", unmoved, weight) < right - 0.05


def test_every_particle_and_segment_has_its_motion(run: Run, report: StructuresReport) -> None:
    table = rows(report.folder / "particles.csv")
    assert len(table) == 2 * 300
    assert [row["particle"] for row in table[:4]] == ["0", "0", "1", "1"]
    moving = [row for row in table if row["segment"] == "2"]
    latents = run.latents().mean
    np.testing.assert_allclose(numbers(moving, "angle")[:, 0], np.rad2deg(np.abs(latents[:, 0])), rtol=1e-3)
    sign = np.sign(numbers(rows(report.folder / "segments.csv"), "axis_x")[1, 0] * AXIS[0])
    np.testing.assert_allclose(
        numbers(moving, "turn")[:, 0], sign * np.rad2deg(latents[:, 0]), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(numbers(moving, "occupancy")[:, 0], 1 - 0.5 * latents[:, 1], atol=1e-4)


def test_distances_are_those_of_the_turned_atoms(run: Run, report: StructuresReport) -> None:
    table = rows(report.folder / "distances.csv")
    name = DISTANCE.replace(",", "+")
    structure = read_structure(run.path.parent / "adk.pdb")[0]
    alpha = structure.select(structure.atom_name == "CA")
    first = (alpha.residue >= 165) & (alpha.residue <= 180)
    second = ((alpha.residue >= 30) & (alpha.residue <= 59)) | (
        (alpha.residue >= 90) & (alpha.residue <= 100)
    )
    pivot, other = PIVOT + MIDDLE, alpha.position[second].mean(0)
    expected = [
        np.linalg.norm(
            Rotation.from_rotvec(angle * AXIS).apply(alpha.position[first] - pivot).mean(0) + pivot - other
        )
        for angle in run.latents().mean[:, 0]
    ]
    np.testing.assert_allclose(numbers(table, name)[:, 0], expected, atol=2e-3)
    np.testing.assert_allclose(report.distances[DISTANCE], expected, atol=2e-3)


def test_chimerax_finds_every_residue_and_every_file(report: StructuresReport) -> None:
    values: dict[str, dict[str, float]] = defaultdict(dict)
    attribute = ""
    for name in ("segments", "displacement"):
        for line in (report.folder / f"{name}.defattr").read_text().splitlines():
            if line.startswith("\t"):
                _, place, value = line.split("\t")
                values[attribute][place] = float(value)
            elif line.startswith("attribute: "):
                attribute = line.removeprefix("attribute: ")
            else:
                assert line in ("match mode: any", "recipient: residues")
    assert list(values["trimorph_segment"]) == [f"/A:{number}" for number in range(1, 215)]
    assert list(values["trimorph_segment"].values()) == [1] * 129 + [2] * 85
    moved = np.array(list(values["trimorph_displacement"].values()))
    assert moved[:129].max() == 0.0
    ca = {
        model: places(report.folder / "ensemble.cif", model)[
            [site.atom.name == "CA" for site in gemmi.read_structure(str(ADK))[0].all()]
        ]
        for model in (1, 2)
    }
    np.testing.assert_allclose(moved, np.linalg.norm(ca[1] - ca[2], axis=1), atol=4e-3)
    script = (report.folder / "structures.cxc").read_text()
    for line in re.findall(r"^open (.*)$", script, re.M):
        for file in line.removesuffix(" vseries true").split():
            assert (report.folder / file).is_file()
    assert "color byattribute r:trimorph_segment #1 palette 0,#c0c0c0:1,#4477aa:2,#ee6677 " in script
    assert "#   color byattribute r:trimorph_displacement #1 palette 0,#f0f0f0:" in script
    colour, cylinder = (report.folder / "hinges.bild").read_text().splitlines()
    assert colour == ".color 0.933 0.400 0.467"
    ends = np.array([float(word) for word in cylinder.split()[1:7]]).reshape(2, 3)
    assert abs((ends[1] - ends[0]) @ AXIS) == pytest.approx(40.0, abs=1e-2)


def test_what_turns_as_a_body_breaks_only_where_it_is_cut(report: StructuresReport) -> None:
    table = rows(report.folder / "quality.csv")
    assert [row["state"] for row in table[:4]] == ["1", "2", "3", ""]
    assert len(table) == 3 + 50
    assert numbers(table[:1], "clashes", "bond_most", "angle_most", "rmsd").max() < 1e-2
    start = places(ADK, 0)
    alpha = start[[site.atom.name == "CA" for site in gemmi.read_structure(str(ADK))[0].all()]]
    arm = alpha[BOUNDARY - 1] - start.mean(0) - PIVOT  # the first that turns, as seen from the pivot
    before = alpha[BOUNDARY - 2] - start.mean(0) - PIVOT
    turned = Rotation.from_rotvec(0.5 * AXIS).apply(arm)
    change = abs(np.linalg.norm(turned - before) - np.linalg.norm(arm - before))
    assert float(table[1]["bond_most"]) == pytest.approx(change, abs=2e-3)
    assert float(table[1]["bond_rms"]) == pytest.approx(change / 213**0.5, abs=2e-3)
    assert report.lines[0].startswith("3 states: ")
    assert "behind A:129, by" in report.lines[0]
    assert report.lines[1].startswith("50 random particles: ")


def test_by_default_along_the_first_component_and_the_command_says_what_it_found(run: Run) -> None:
    with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()):
        code = command(
            ["structures", str(run.path), "--points", "4", "--random", "20",
             "--distance", "A:165-180 to A:30-59", "--distance", "A:1-10 to A:200-214"]
        )  # fmt: skip
    assert code == 0
    folder = run.path / "analysis" / "structures_pc1"
    assert [row["map"] for row in rows(folder / "z_values.csv")] == [
        f"state_{i:02d}.mrc" for i in range(1, 5)
    ]
    low, high = np.percentile(run.latents().mean[:, 0], [5, 95])
    np.testing.assert_allclose(
        numbers(rows(folder / "z_values.csv"), "z1")[[0, -1], 0], [low, high], atol=0.01
    )
    assert list(rows(folder / "distances.csv")[0]) == [
        "particle", "A:165-180 to A:30-59", "A:1-10 to A:200-214",
    ]  # fmt: skip
    for words in ("A:130-214", "4 states: ", "20 random particles: ", "Å on average", "structures.cxc"):
        assert words in said.getvalue()
    assert (folder / "structures.png").stat().st_size > 50_000
    with redirect_stderr(StringIO()) as said:
        assert command(["structures", str(run.path)]) == 1
    assert "found a folder that is not empty; wanted a new folder for the structures" in said.getvalue()


def test_motions_of_the_method_segments_are_those_of_its_atoms(tmp_path: Path) -> None:
    """Two routes: the table's screws, and the superposition of written CA atoms."""
    residues = centred_structure(tmp_path / "adk.pdb", at=MIDDLE)
    parts = residues.parts("A:1-80,A:81-214", source="test")
    more: dict[str, Any] = {
        "part": torch.as_tensor(parts.number),
        "part_segments": torch.as_tensor(parts.segments),
    }
    made = write_structure_run(
        tmp_path,
        method="segments",
        settings=SegmentsSettings(latent_dim=2, encoder="pixels", width=24, layers=1, encoder_width=24),
        problem=structure_problem(residues, at=MIDDLE, count=20, **more),
        latents=hinge_latents(20, spread=1.0),
        start=StartSettings(structure=tmp_path / "adk.pdb", ranges="A:1-80,A:81-214"),
    )
    folder = write_structures(made.path, particles="3,7", output=tmp_path / "out", random=5).folder
    alpha = [site.atom.name == "CA" for site in gemmi.read_structure(str(ADK))[0].all()]
    start = places(tmp_path / "adk.pdb", 0)[alpha]
    table = rows(folder / "states.csv")
    for row in table:
        own = slice(0, 80) if row["segment"] == "1" else slice(80, 214)
        a, b = start[own], places(folder / "ensemble.cif", int(row["state"]) - 1)[alpha][own]
        rotation, rest = Rotation.align_vectors(b - b.mean(0), a - a.mean(0))
        assert rest < 0.05
        found = numbers([row], "angle")[0, 0] * numbers([row], "axis_x", "axis_y", "axis_z")[0]
        np.testing.assert_allclose(found, np.rad2deg(rotation.as_rotvec()), atol=0.05)
        assert np.abs(found).max() > 0.5
        hinge = numbers([row], "hinge_x", "hinge_y", "hinge_z")[0]
        moved = rotation.apply(hinge - a.mean(0)) + b.mean(0)
        slide = numbers([row], "slide")[0, 0] * numbers([row], "axis_x", "axis_y", "axis_z")[0]
        np.testing.assert_allclose(moved - hinge, slide, atol=0.02)


def test_what_moves_without_segments_has_structures_and_distances(tmp_path: Path) -> None:
    residues = centred_structure(tmp_path / "adk.pdb", at=MIDDLE)
    made = write_structure_run(
        tmp_path,
        method="hinger",
        settings=HingerSettings(segments=False),
        problem=structure_problem(residues, at=MIDDLE, count=20),
        latents=hinge_latents(20),
        start=StartSettings(structure=tmp_path / "adk.pdb"),
    )
    folder = write_structures(made.path, z="0.5,0", distances=[DISTANCE]).folder
    assert {path.name for path in folder.iterdir()} == {
        "ensemble.cif", "ensemble.pdb", "state_01.mrc", "z_values.csv", "residues.csv", "quality.csv",
        "distances.csv", "segments.defattr", "displacement.defattr", "structures.cxc", "structures.png",
    }  # fmt: skip
    script = (folder / "structures.cxc").read_text()
    assert "\ncolor byattribute r:trimorph_displacement #1 palette 0,#f0f0f0:" in script
    residue = rows(folder / "residues.csv")[-1]  # one state: from where it starts
    far = places(folder / "ensemble.cif", 0) - places(tmp_path / "adk.pdb", 0)
    alpha = [site.atom.name == "CA" for site in gemmi.read_structure(str(ADK))[0].all()]
    assert float(residue["displacement"]) == pytest.approx(np.linalg.norm(far[alpha][-1]), abs=3e-3)


def test_copies_of_symmetric_particles_have_rows_of_their_own(tmp_path: Path) -> None:
    still = np.zeros((4, 2))
    turn = np.arange(8.0).reshape(4, 2)
    vector = np.zeros((4, 2, 3))
    screws = Screws(vector, turn, turn, vector, vector, still, 1 + still)
    path = tmp_path / "particles.csv"
    found = write_particles(path, np.arange(2, 6), [screws], segments=2, symmetry="C2")
    np.testing.assert_array_equal(found, turn)
    table = rows(path)
    assert [(row["particle"], row["copy"], row["segment"]) for row in table] == [
        (particle, copy, segment) for particle in "12" for copy in "01" for segment in "12"
    ]
    assert numbers(table, "turn")[:, 0].tolist() == list(range(8))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"z": "0,0", "pc": 1}, "Found --z and --pc; wanted just one"),
        ({"z": "0"}, "--z: found latents of 1 components; wanted 2"),
        ({"random": 0}, "Found --random 0; wanted 1 or more particles"),
        (
            {"distances": ["A:1-3"]},
            'Found --distance "A:1-3"; wanted two groups of residues with the word to',
        ),
        (
            {"distances": ["A:1-3 to B"]},
            '--distance: found no atom for "B"; its chains are A with residues 1',
        ),
    ],
)
def test_choices_that_cannot_be(run: Run, tmp_path: Path, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_structures(run.path, output=tmp_path / "s", **choice)
    assert not (tmp_path / "s").exists()


def test_runs_without_a_structure_say_what_to_do(trained: Run) -> None:
    with pytest.raises(InputError, match=r"method toy, which moves no structure; .*trimorph train segments"):
        write_structures(trained.path)


def test_another_file_than_that_of_training_is_refused(tmp_path: Path) -> None:
    made = write_hinge_run(tmp_path)
    path = tmp_path / "adk.pdb"
    template = Template.read(path)
    turned = Rotation.from_rotvec([0, 0, 0.1]).apply(template.position)
    template.write(path, [turned], overwrite=True)
    with pytest.raises(InputError, match=r"adk\.pdb: found residues up to [\d.]+ Å from where they stood"):
        write_structures(made.path)
    lines = [line for line in path.read_text().splitlines() if line[22:26] != " 200"]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"adk\.pdb: found 213 residues; wanted 214"):
        write_structures(made.path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"adk\.pdb: no such file"):
        write_structures(made.path)


def test_no_latents_no_motion(tmp_path: Path) -> None:
    residues = centred_structure(tmp_path / "adk.pdb", at=MIDDLE)
    made = write_structure_run(
        tmp_path,
        method="hinger",
        settings=HingerSettings(components=0),
        problem=structure_problem(residues, at=MIDDLE, count=5),
        latents=hinge_latents(5),
        start=StartSettings(structure=tmp_path / "adk.pdb"),
    )
    with pytest.raises(InputError, match="latent dimension 0, whose structure does not move"):
        write_structures(made.path)
