"""Selections: which particles are chosen, and that files hold all that their source says of them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import starfile
import torch
import yaml

from run.slider import NOISE, PIXEL_SIZE, Slider, spread_latents, write_slider_run
from trimorph.analysis.likelihood import misfit
from trimorph.analysis.select import Conditions, select
from trimorph.core.errors import InputError
from trimorph.core.imaging import render_batch
from trimorph.data.mrc import write_stack
from trimorph.data.open import ParticleInput, open_particles
from trimorph.data.read import read_particles
from trimorph.methods import registry
from trimorph.run.run import Run


@pytest.fixture(autouse=True)
def _slider_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.METHODS, "slider", f"{Slider.__module__}:Slider")


def made(folder: Path, count: int, *, particles: Path | None = None) -> Run:
    """A run of ``count`` particles; of those of another file, if it is given."""
    latents = spread_latents(count, together=2.0, apart=1.0)
    run = write_slider_run(folder, angles=[(3.0 * i, 40.0) for i in range(count)], latents=latents)
    if particles is None:
        return run
    (run.path / "recipe.toml").unlink()
    replace(run.recipe, data=ParticleInput(particles=particles)).save(run.path / "recipe.toml")
    return Run.open(run.path)


def chosen(run: Run, folder: Path, **conditions: object) -> list[int]:
    found = select(run.path, folder / "s.npy", Conditions(**conditions), overwrite=True)  # type: ignore[arg-type]
    rows = np.load(folder / "s.npy").tolist()
    assert rows == np.flatnonzero(found.chosen).tolist()
    return rows


def test_conditions_choose_what_they_say(tmp_path: Path) -> None:
    run = made(tmp_path, 40)
    z = run.latents().mean.astype(float)
    assert chosen(run, tmp_path, where=["z1:0:"]) == np.flatnonzero(z[:, 0] >= 0).tolist()
    both = chosen(run, tmp_path, where=["z1:0:1", "z2::0.5"])
    assert both == np.flatnonzero((z[:, 0] >= 0) & (z[:, 0] <= 1) & (z[:, 1] <= 0.5)).tolist()
    away = np.linalg.norm(z - z.mean(0), axis=1)
    assert chosen(run, tmp_path, where=["magnitude:1:"], invert=True) == np.flatnonzero(away < 1).tolist()
    near = np.argsort(((z - [0.5, 0.0]) ** 2).sum(1))[:7]
    assert chosen(run, tmp_path, near="0.5,0", nearest=7) == sorted(near.tolist())
    (tmp_path / "square.txt").write_text("-1 -1\n1,-1\n1 1\n-1 1\n")
    inside = np.flatnonzero((np.abs(z) < 1).all(1)).tolist()
    assert chosen(run, tmp_path, polygon=tmp_path / "square.txt", axes="z1,z2") == inside
    (tmp_path / "t.csv").write_text("particle,hinge\n" + "".join(f"{i},{i % 4}\n" for i in range(30)))
    assert chosen(run, tmp_path, where=[f"{tmp_path / 't.csv'}/hinge:2:"]) == [
        i for i in range(30) if i % 4 >= 2
    ]
    parts = [chosen(run, tmp_path, states="kmeans:3", clusters=str(number)) for number in (1, 2, 3)]
    assert sorted(row for part in parts for row in part) == list(range(40))
    along = (z - z.mean(0)) @ np.array([1.0, 1.0])  # the first principal component
    order = [along[part].mean() for part in parts]
    assert order in (sorted(order), sorted(order, reverse=True))


def test_draws_are_of_what_is_left_and_intersections_of_all(tmp_path: Path) -> None:
    run = made(tmp_path, 40)
    drawn = chosen(run, tmp_path, where=["z1:0:"], share=0.5, seed=3)
    positive = chosen(run, tmp_path, where=["z1:0:"])
    assert len(drawn) == round(0.5 * len(positive))
    assert set(drawn) < set(positive)
    select(run.path, tmp_path / "a.pkl", Conditions(where=["z1:0:"]))
    select(run.path, tmp_path / "b.star", Conditions(where=["z2:0:"]))
    both = chosen(run, tmp_path, index=[tmp_path / "a.pkl", tmp_path / "b.star"])
    assert both == np.flatnonzero((run.latents().mean >= 0).all(1)).tolist()
    either = chosen(run, tmp_path, union=[tmp_path / "a.pkl", tmp_path / "b.star"])
    assert either == np.flatnonzero((run.latents().mean >= 0).any(1)).tolist()
    with (tmp_path / "a.pkl").open("rb") as file:  # as cryoDRGN reads it
        assert pickle.load(file).tolist() == positive


def test_particles_have_a_misfit_of_one_and_junk_has_more(tmp_path: Path) -> None:
    """Every other image is what the model says of it, and noise; the others are noise alone."""
    run = made(tmp_path, 40)
    stack, method = open_particles(run.recipe.data), run.method()
    batch = stack[np.arange(40)]
    with torch.no_grad():
        image = batch.disk.inverse(render_batch(method.decode(torch.as_tensor(run.latents().mean)), batch))
    image[1::2] = 0
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    (tmp_path / "images.mrcs").unlink()
    write_stack(tmp_path / "images.mrcs", (image + NOISE * noise).numpy(), PIXEL_SIZE)
    value = misfit(run, run.latents())
    assert value[::2].mean() == pytest.approx(1.0, abs=0.05)
    assert value[1::2].min() > value[::2].max()
    assert chosen(run, tmp_path, best=0.5) == list(range(0, 40, 2))


def test_star_files_keep_every_token(tmp_path: Path, shared) -> None:
    source = shared("metadata/relion31.6opticsgroups.star")
    run = made(tmp_path, 139, particles=source)
    found = select(run.path, tmp_path / "s.star", Conditions(where=["z1:0:"]), add_latents=True)
    before, after = (starfile.read(path, always_dict=True) for path in (source, tmp_path / "s.star"))
    rows = before["particles"][found.chosen].reset_index(drop=True)
    added = after["particles"].drop(columns=["trimorphZ1", "trimorphZ2"])
    assert added.equals(rows)
    assert after["optics"].equals(before["optics"])
    z = run.latents().mean[found.chosen]
    np.testing.assert_allclose(after["particles"][["trimorphZ1", "trimorphZ2"]].to_numpy(), z, atol=1e-6)
    lines = source.read_text().splitlines()
    assert all(any(token in line for line in lines) for token in rows["rlnImageName"])
    again = read_particles(tmp_path / "s.star", need_images=False)
    np.testing.assert_array_equal(
        again.rotation, read_particles(source, need_images=False).select(found.chosen).rotation
    )


def test_cs_files_keep_every_field_and_have_a_group_beside(tmp_path: Path, shared) -> None:
    source = shared("metadata/cryosparc_J2_particles_exported.cs")
    run = made(tmp_path, 22, particles=source)
    found = select(
        run.path,
        tmp_path / "s.cs",
        Conditions(states="kmeans:2", clusters="2"),
        add_latents=True,
        add_classes=True,
    )
    before, after = np.load(source), np.load(tmp_path / "s.cs")
    names = list(before.dtype.names)
    for name in names:
        assert after.dtype[name] == before.dtype[name]
        np.testing.assert_array_equal(after[name], before[name][found.chosen])
    np.testing.assert_allclose(after["trimorph/z2"], run.latents().mean[found.chosen, 1])
    assert set(after["trimorph/class"].tolist()) == {2}
    group = yaml.safe_load((tmp_path / "s.csg").read_text())
    assert set(group["results"]) == {"blob", "ctf", "alignments2D"}
    assert group["results"]["blob"] == {
        "metafile": ">s.cs", "num_items": int(found.chosen.sum()), "type": "particle.blob",
    }  # fmt: skip
    select(run.path, tmp_path / "plain.cs", Conditions(states="kmeans:2", clusters="2"))
    plain = np.load(tmp_path / "plain.cs")
    assert plain.dtype == before.dtype
    np.testing.assert_array_equal(plain, before[found.chosen])


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({}, r"Found no condition"),
        ({"where": ["z3:0:"]}, r'component "z3"; wanted z1 to z2'),
        ({"where": ["z1:2:1"]}, r"from 2 to 1; wanted the lower limit first"),
        ({"where": ["z1:0"]}, r"wanted NAME:LOW:HIGH"),
        ({"where": ["hinge:0:"]}, r'condition on "hinge"; wanted NAME:LOW:HIGH'),
        ({"where": ["z1:900:"]}, r"Found no particle that fulfils all conditions"),
        ({"near": "0,1"}, r"wanted both, a latent and a number"),
        ({"near": "0,nan", "nearest": 3}, r'--near "0,nan"; wanted finite numbers'),
        ({"near": "0", "nearest": 3}, r"point of 1 components; wanted 2"),
        ({"states": "kmeans:41", "clusters": "1"}, r"Found 41 clusters; wanted from 1 to 40"),
        ({"states": "kmean:4", "clusters": "1"}, r'states "kmean:4"; wanted one of kmeans, mixture, peaks'),
        ({"states": "kmeans:4", "share": 0.5}, r"Found --states alone; wanted --clusters with it"),
        ({"clusters": "1"}, r"wanted --states with it"),
        ({"states": "mixture:2", "clusters": "0"}, r"Found state 0; wanted numbers from 1 to 2"),
        ({"share": 1.5}, r"wanted a share above 0 and up to 1"),
    ],
)
def test_wrong_conditions_are_named_and_leave_no_file(
    tmp_path: Path, conditions: dict[str, object], said: str
) -> None:
    run = made(tmp_path, 40)
    with pytest.raises(InputError, match=said):
        select(run.path, tmp_path / "s.star", Conditions(**conditions))  # type: ignore[arg-type]
    assert not (tmp_path / "s.star").exists()


def test_nothing_is_overwritten_and_endings_are_known(tmp_path: Path) -> None:
    run = made(tmp_path, 40)
    (tmp_path / "s.csg").write_text("mine")
    with pytest.raises(FileExistsError, match=r"s\.csg: the file exists already"):
        select(run.path, [tmp_path / "s.txt", tmp_path / "s.cs"], Conditions(where=["z1:0:"]))
    assert not (tmp_path / "s.txt").exists()
    with pytest.raises(InputError, match=r'found the ending "\.dat"; wanted \.star, \.cs'):
        select(run.path, tmp_path / "s.dat", Conditions(where=["z1:0:"]))
    with pytest.raises(InputError, match=r"found no cryoSPARC fields"):
        select(run.path, [tmp_path / "t.star", tmp_path / "t.cs"], Conditions(where=["z1:0:"]))
    assert not (tmp_path / "t.star").exists()
