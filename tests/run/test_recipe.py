"""A recipe is one value and one commented TOML file."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from run.conftest import toy_recipe
from trimorph.core.errors import InputError
from trimorph.methods.registry import get_method, method_names
from trimorph.run.recipe import Recipe
from trimorph.run.settings_file import field_docstrings, from_table, to_toml
from trimorph.training.settings import TrainingSettings

STAR = Path("/data/particles.star")


def test_there_and_back(tmp_path):
    recipe = toy_recipe(STAR, seed=4, precision="bfloat16")
    recipe = replace(recipe, data=replace(recipe.data, box=32, half=1, passthrough=(Path("a.cs"),)))
    recipe = replace(recipe, settings=replace(recipe.settings, resolution=None))
    recipe.save(tmp_path / "recipe.toml")
    assert Recipe.load(tmp_path / "recipe.toml") == recipe
    assert recipe.differences(toy_recipe(STAR)) == {
        "data.passthrough": (["a.cs"], []),
        "data.half": (1, "none"),
        "data.box": (32, "none"),
        "settings.resolution": ("none", 20.0),
        "training.seed": (4, 0),
        "training.precision": ("bfloat16", "auto"),
    }


@pytest.mark.parametrize("name", method_names())
def test_defaults_of_every_method_survive_and_are_explained(name):
    kind = get_method(name).Settings
    recipe = replace(toy_recipe(STAR), method=name, settings=kind())
    text = recipe.to_toml()
    assert Recipe.from_toml(text) == recipe
    for docstring in field_docstrings(kind).values():
        assert docstring[:40] in text


def test_absent_keys_take_defaults_and_paths_become_absolute():
    recipe = Recipe.from_toml('method = "toy"\n[data]\nparticles = "some.star"\n[training]\nwarm_up = 0\n')
    assert recipe.training == TrainingSettings(warm_up=0.0)
    assert recipe.resolved().data.particles == Path.cwd() / "some.star"


START = 'method = "toy"\n[data]\nparticles = "some.star"\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            START + "[training]\nbatchsize = 3\n",
            ['[training] found the unknown key "batchsize"', '"batch_size"'],
        ),
        (
            START + "[settings]\nepochs = 2.5\n",
            ["[settings] epochs: found 2.5", "integer", "leave the key out"],
        ),
        (START + '[training]\nprecision = "half"\n', ["precision: found 'half'", "'float32'"]),
        (START + "[training]\nbatch_size = 0\n", ["[training]", "Found batch_size = 0; wanted at least 1"]),
        (START + "[trainning]\n", ['unknown section "trainning"', 'Did you mean "training"?']),
        (START.replace("toy", "toi"), ['Found method "toi"', "field"]),
        ('[data]\nparticles = "some.star"\n', ["found no method"]),
        ('method = "toy"\n', ["found no data", 'particles = "..."']),
        ('method = "toy"\n[data]\n', ["[data] particles", "required"]),
        ('method = "toy"\ndata = 3\n', ["found data = 3", "section [data]"]),
        ("method toy", ["not TOML"]),
    ],
)
def test_what_is_wrong_is_named(text, parts):
    with pytest.raises(InputError) as caught:
        Recipe.from_toml(text, source="my.toml")
    for part in parts:
        assert part in str(caught.value)
    if "toi" not in text:
        assert str(caught.value).startswith("my.toml")


@dataclass(frozen=True)
class Inner:
    """Inner."""

    size: float = 1.0
    """How large."""


@dataclass(frozen=True)
class Outer:
    """Outer."""

    inner: Inner = Inner()
    name: str | None = "x"
    """What it is called."""


def test_settings_in_settings():
    import tomllib

    outer = Outer(Inner(2.5), None)
    table = tomllib.loads(to_toml(outer, section="outer"))
    assert table == {"outer": {"name": "none", "inner": {"size": 2.5}}}
    assert from_table(Outer, table["outer"], source="f", section="outer") == outer
    with pytest.raises(InputError, match=r'\[outer\.inner\] found the unknown key "sise".*"size"'):
        from_table(Outer, {"inner": {"sise": 1.0}}, source="f", section="outer")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.toml: found no file; wanted a recipe"):
        Recipe.load(tmp_path / "absent.toml")
