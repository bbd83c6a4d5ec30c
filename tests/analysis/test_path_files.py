"""What a path leaves in its folder: tables that others read, maps, picture, movie; and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from run.hinge_run import ANGLES, write_hinge_run, write_structure
from run.hinge_run import write_particles as write_hinge_particles
from run.slider import spread_latents, write_slider_run
from trimorph.analysis import movie
from trimorph.analysis.movie import write_movie
from trimorph.analysis.paths import component_path
from trimorph.analysis.paths_crowd import crowd
from trimorph.analysis.paths_plane import PathPlane
from trimorph.analysis.paths_route import Route, find_path
from trimorph.analysis.paths_write import write_path
from trimorph.analysis.select import Conditions, select
from trimorph.core.errors import InputError
from trimorph.data.mrc import read_map
from trimorph.methods import registry
from trimorph.run.choose_latents import read_latents
from trimorph.run.run import Run
from trimorph.run.volumes import MapSettings, write_volumes


@pytest.fixture(autouse=True)
def _methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", "run.slider:Slider")
    monkeypatch.setitem(registry.METHODS, "hinge", "methods.known_hinge:KnownHinge")


@pytest.fixture(scope="module")
def slider(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "slider", "run.slider:Slider")
        latents = spread_latents(300, together=2.0, apart=0.5)
        return write_slider_run(tmp_path_factory.mktemp("slider"), angles=[(0.0, 0.0)] * 300, latents=latents)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_path_of_a_run_is_written_with_its_maps(slider: Run, tmp_path: Path) -> None:
    report = write_path(
        slider.path, Route(by="graph", anchors="3,40", connect=True), output=tmp_path / "path"
    )
    mean = slider.latents().mean.astype(np.float64)
    path = report.path
    assert path.particle[[0, -1]].tolist() == [3, 40]
    assert sorted(file.name for file in report.folder.iterdir() if file.name != "movie.mp4") == [
        "movie.gif", "particles.txt", "path.png", "volumes", "z_path.csv", "z_path.txt",
    ]  # fmt: skip
    # a plain table, as cryoDRGN's eval_vol --zfile reads it, and our own volumes --z-file
    np.testing.assert_allclose(np.loadtxt(report.folder / "z_path.txt"), mean[path.particle], rtol=1e-8)
    np.testing.assert_array_equal(np.loadtxt(report.folder / "particles.txt", dtype=int), path.particle)
    assert [int(row["row"]) for row in rows_of(report.folder / "z_path.csv")] == path.particle.tolist()
    for name in ("z_path.txt", "z_path.csv"):
        np.testing.assert_allclose(read_latents(report.folder / name).z, path.z, atol=1e-5)
    rows = rows_of(report.folder / "z_path.csv")
    assert [row["anchor"] for row in rows] == ["yes", *[""] * (len(path) - 2), "yes"]
    assert float(rows[-1]["length"]) == pytest.approx(path.length, rel=1e-5)
    # the maps are those of the model at the points
    assert len(report.maps) == len(path)
    for file, z in zip(report.maps, path.z, strict=True):
        np.testing.assert_allclose(read_map(file).values, slider.volume(z), atol=1e-6)
    script = (report.folder / "volumes" / "volumes.cxc").read_text()
    assert "vseries play #1" in script
    again = write_volumes(slider.path, z_file=report.folder / "z_path.txt", output=tmp_path / "again")
    np.testing.assert_allclose(read_map(again[1]).values, read_map(report.maps[1]).values, atol=1e-6)


def every_other_row(folder: Path, *, count: int) -> Run:
    """A run on the odd rows of its particle file, counted from 0."""
    latents = spread_latents(count, together=2.0, apart=0.5)
    run = write_slider_run(folder, angles=[(37.0 * i, 7.0 * i) for i in range(count)], latents=latents)
    star, index = run.recipe.data.particles, folder / "odd.txt"
    lines = star.read_text().splitlines()
    table, rows = lines[:-count], lines[-count:]
    star.write_text("\n".join([*table, *(row for row in rows for _ in (0, 1))]) + "\n")
    index.write_text("".join(f"{2 * number + 1}\n" for number in range(count)))
    recipe = run.path / "recipe.toml"
    text = recipe.read_text()
    assert text.count('\nindex = "none"') == 1
    recipe.write_text(text.replace('\nindex = "none"', f'\nindex = "{index}"'))
    return Run.open(run.path)


def test_particles_on_a_path_can_be_selected_from_their_file(tmp_path: Path) -> None:
    """Of a run that took every other row of its file, in which particle 20 is row 41."""
    run = every_other_row(tmp_path, count=40)
    route = Route(anchors="3,20", connect=True)
    report = write_path(run.path, route, output=tmp_path / "path", volumes=False)
    file = report.folder / "particles.txt"
    assert np.loadtxt(file, dtype=int)[[0, -1]].tolist() == [7, 41]
    chosen = select(run.path, tmp_path / "on.star", Conditions(index=[file])).chosen
    assert np.flatnonzero(chosen).tolist() == sorted(report.path.particle.tolist())
    rows = rows_of(report.folder / "z_path.csv")
    assert [int(row["row"]) for row in rows] == [2 * int(row["particle"]) + 1 for row in rows]
    run.recipe.data.particles.unlink()
    bare = write_path(run.path, route, output=tmp_path / "bare", volumes=False)
    assert any(line.startswith("no particles.txt, and no rows in z_path.csv") for line in bare.lines)
    assert not (bare.folder / "particles.txt").exists()
    assert "row" not in rows_of(bare.folder / "z_path.csv")[0]


def test_a_movie_has_a_frame_for_each_point_and_runs_to_and_fro(slider: Run, tmp_path: Path) -> None:
    route = Route(by="straight", z="-2,-2;2,2", points=5)
    report = write_path(slider.path, route, output=tmp_path / "path", maps=MapSettings(box=20))
    with Image.open(report.movies[0]) as film:
        assert film.n_frames == 8
        pictures = []
        for number in range(8):
            film.seek(number)
            pictures.append(np.asarray(film.convert("RGB")).astype(int))
    np.testing.assert_array_equal(pictures[1], pictures[7])
    assert np.abs(pictures[0] - pictures[4]).max() > 100
    # what stands still does not flicker: axes and labels of the latents
    changed = np.any([np.abs(picture - pictures[0]).sum(2) > 0 for picture in pictures], axis=0)
    assert not changed[-50:, 600:].any()
    assert (pictures[0][:3] == 255).all()


def test_structures_of_a_run_that_moves_one(tmp_path: Path) -> None:
    star, angles = write_hinge_particles(tmp_path, count=40, snr=1.0)
    run = write_hinge_run(tmp_path / "run", star, write_structure(tmp_path), latents=angles)
    report = write_path(run.path, Route(by="straight", z="-0.5;0.5", points=3, loop=True))
    assert report.folder == run.path / "analysis" / "path_straight_z"
    inside = report.folder / "structures"
    assert [path.name for path in report.maps] == ["state_01.mrc", "state_02.mrc", "state_03.mrc"]
    assert {"ensemble.cif", "structures.cxc", "quality.csv", "z_values.csv"} <= {
        p.name for p in inside.iterdir()
    }
    assert not (inside / "particles.csv").exists()
    import gemmi

    models = gemmi.read_structure(str(inside / "ensemble.cif"))
    ends = [np.array([list(atom.atom.pos) for atom in model.all()]) for model in (models[0], models[1])]
    assert np.linalg.norm(ends[0] - ends[1], axis=1).max() > 10  # one radian at the end of a hinge
    assert report.path.closed
    with Image.open(report.movies[0]) as film:
        assert film.n_frames == 2  # a loop ends before it repeats its first
    assert any("random particles" in line for line in report.lines)
    with pytest.raises(InputError, match="settings of maps for a run that moves a structure"):
        write_path(
            run.path, Route(by="straight", z="-0.5;0.2"), maps=MapSettings(box=12), output=tmp_path / "p"
        )
    assert len(ANGLES) == 8


def test_latents_of_another_program_have_a_path_without_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = np.random.default_rng(0).normal(size=(200, 3))
    np.save(tmp_path / "z.npy", z)
    monkeypatch.chdir(tmp_path)
    report = write_path("z.npy", Route(by="density", states="kmeans:4", order="1,3"))
    assert report.folder == tmp_path / "path_density_kmeans4_1_3"
    assert report.maps == ()
    assert {file.name for file in report.folder.iterdir()} == {
        "particles.txt", "path.png", "z_path.csv", "z_path.txt",
    }  # fmt: skip
    with pytest.raises(FileExistsError, match="wanted a new folder for the path"):
        write_path("z.npy", Route(by="density", states="kmeans:4", order="1,3"))
    with pytest.raises(InputError, match="settings of maps for latents of a file"):
        write_path("z.npy", Route(by="pc"), maps=MapSettings(box=12))
    with pytest.raises(InputError, match="settings of maps with --no-volumes"):
        write_path("z.npy", Route(by="pc"), volumes=False, maps=MapSettings(box=12))


def test_latents_of_one_component_are_drawn_over_their_histogram(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", z=np.random.default_rng(0).normal(size=(200, 1)))
    report = write_path(tmp_path / "z.npz", Route(by="pc", points=6), output=tmp_path / "path")
    with Image.open(report.folder / "path.png") as picture:
        assert picture.width > 1000


def test_empty_space_is_said() -> None:
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(size=(500, 2)), rng.normal([20.0, 0.0], size=(500, 2))])
    path, _ = find_path(z, Route(by="straight", z="0,0;20,0", points=11))
    found = crowd(z, path.z)
    assert found.usual == 10
    # brute force: half of the particles have as many within the radius
    apart = np.linalg.norm(z[:, None] - z[None], axis=2)
    assert np.median(np.sort(apart, axis=1)[:, found.usual]) == pytest.approx(found.radius, rel=0.05)
    np.testing.assert_array_equal(
        found.near, [(np.linalg.norm(z - point, axis=1) <= found.radius).sum() for point in path.z]
    )
    assert found.empty.tolist() == [False, False, *[True] * 7, False, False]
    assert "runs through empty space: no particles near points 3 to 9 of 11" in found.verdict
    inside = crowd(z, z[:1] * 0)
    assert "no part of the path runs through empty space" in inside.verdict


def test_a_path_is_drawn_where_it_can_be_seen() -> None:
    z = np.random.default_rng(0).normal(size=(400, 4)) * [5.0, 2.0, 1.0, 0.1]
    for number, names in ((1, ("pc1", "pc2")), (3, ("pc1", "pc3")), (4, ("pc1", "pc4"))):
        plane = PathPlane.of(z, component_path(z, number))
        assert plane.plane.names == names
        # where it does not run, it lies in the middle
        other = 1 if number == 1 else 0
        np.testing.assert_allclose(plane.along[:, other], 0, atol=1e-9)


def test_latents_that_are_no_particles_lead_to_the_nearest() -> None:
    z = np.random.default_rng(0).normal(size=(400, 2))
    near = int(np.linalg.norm(z - [0.5, 0.5], axis=1).argmin())
    path, lines = find_path(z, Route(by="graph", z="0.5,0.5;-0.5,0", connect=True))
    assert path.particle[0] == near
    assert lines[0].startswith(f"anchor 1: particle {near}, ")
    assert path.name == "graph_z"


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (Route(), "Found no anchors; wanted just one of --anchors"),
        (Route(anchors="1,2", z="0,0;1,1"), "Found --anchors and --z; wanted just one"),
        (Route(anchors="1,x"), 'Found --anchors "1,x"; wanted numbers like'),
        (Route(anchors="1,400"), "Found particle 400; wanted numbers from 0 to 399"),
        (Route(anchors="7"), "Found 1 anchor; wanted two or more"),
        (Route(z="0;1"), "Found anchors of 1 components; wanted 2"),
        (Route(by="pc", anchors="1,2"), "Found --anchors with --by pc; wanted it with --by graph or"),
        (Route(by="pc", pc=0), "Found principal component 0; wanted one from 1 to 2"),
        (Route(by="pc", points=0), "Found 0 points; wanted two or more"),
        (Route(by="pc", loop=True), "Found --loop with --by pc"),
        (Route(by="straight", anchors="1,2", connect=True), "Found --connect with --by straight"),
        (Route(by="density", anchors="1,2", neighbours=6), "Found --neighbours with --by density"),
        (Route(anchors="1,2", pc=1), "Found --pc with --by graph"),
        (Route(anchors="1,2", order="1,2"), "Found --order without states"),
        (Route(anchors="1,2", seed=3), "Found --seed without states"),
        (Route(by="pc", seed=3), "Found --seed with --by pc; wanted it with --by graph or"),
        (Route(states="means:3"), 'Found the states "means:3"'),
        (
            Route(states="kmeans:3", order="1,4"),
            "Found state 4; wanted numbers from 1 to 3, as there are 3 states",
        ),
        (Route(z_file=Path("absent.txt")), "absent.txt: found no file"),
    ],
)
def test_routes_that_lead_nowhere(route: Route, message: str) -> None:
    with pytest.raises((InputError, FileNotFoundError), match=message):
        find_path(np.random.default_rng(0).normal(size=(400, 2)), route)


def test_a_way_that_there_is_not() -> None:
    route = Route(anchors="1,2")
    object.__setattr__(route, "by", "along")  # as of a user whose types nobody checks
    with pytest.raises(InputError, match="Found --by along; wanted one of graph, density, straight, pc"):
        find_path(np.random.default_rng(0).normal(size=(400, 2)), route)


def frames(count: int) -> list[np.ndarray]:
    return [np.full((31, 40, 3), 40 * number, np.uint8) for number in range(count)]


def test_movies_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r'the ending ".avi"; wanted .gif or .mp4'):
        write_movie(tmp_path / "a.avi", frames(2))
    with pytest.raises(InputError, match="found no frames"):
        write_movie(tmp_path / "a.gif", [])
    write_movie(tmp_path / "one.gif", frames(1))
    monkeypatch.setattr(movie.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="found no ffmpeg; wanted it for an MP4"):
        write_movie(tmp_path / "a.mp4", frames(3))
    assert not (tmp_path / "a.mp4").exists()


def test_an_mp4_where_there_is_ffmpeg(tmp_path: Path) -> None:
    if movie.ffmpeg() is None:
        pytest.skip("needs ffmpeg")
    write_movie(tmp_path / "a.mp4", frames(3))
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


def test_ffmpeg_is_told_what_the_frames_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of ffmpeg keeps what it is given."""
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$0.told"\ncat > "$last"\n')
    program.chmod(0o755)
    monkeypatch.setattr(movie.shutil, "which", lambda name: str(program))
    write_movie(tmp_path / "a.mp4", frames(3), per_second=5.0)
    assert "-f rawvideo -pix_fmt rgb24 -s 40x30 -r 5 -i - " in (tmp_path / "ffmpeg.told").read_text()
    data = np.frombuffer((tmp_path / "a.mp4").read_bytes(), np.uint8).reshape(4, 30, 40, 3)
    assert data[:, 0, 0, 0].tolist() == [0, 40, 80, 40]
    program.write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    with pytest.raises(InputError, match=r"ffmpeg failed \(Unknown encoder libx264\)"):
        write_movie(tmp_path / "b.mp4", frames(3))
