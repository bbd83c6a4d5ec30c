"""trimorph: structural ensembles from single-particle cryo-EM images.

Everything that the command line does is one call here; names are imported when they are first used.

>>> import trimorph
>>> ctf = trimorph.CTF(defocus_u=15000.0, defocus_v=14500.0)(trimorph.FourierDisk(64, 1.5))
>>> tuple(ctf.shape)
(1, 1634)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimorph.analysis.agreement import SelectionAgreement, StateAgreement, selections_agree, states_agree
    from trimorph.analysis.analysis import Analysis
    from trimorph.analysis.analysis_settings import AnalysisSettings
    from trimorph.analysis.analyze import analyze
    from trimorph.analysis.movie import write_movie
    from trimorph.analysis.paths import LatentPath, component_path, density_path, graph_path, straight_path
    from trimorph.analysis.paths_route import Route
    from trimorph.analysis.paths_write import PathReport, write_path
    from trimorph.analysis.select import Conditions, Selection, select
    from trimorph.analysis.states import States, find_states
    from trimorph.core.ctf import CTF
    from trimorph.core.disk import FourierDisk
    from trimorph.core.errors import InputError
    from trimorph.data.info import describe
    from trimorph.data.open import ParticleInput, open_particles
    from trimorph.data.particles import ParticleStack
    from trimorph.data.read import read_particles
    from trimorph.data.simulate import simulate
    from trimorph.data.tables import ParticleTable
    from trimorph.data.truth import Truth
    from trimorph.evaluation.evaluate import Evaluation, evaluate
    from trimorph.evaluation.validate import Validation, validate
    from trimorph.evaluation.validate_settings import ValidationSettings
    from trimorph.reconstruction.from_file import compare_maps
    from trimorph.reconstruction.reconstruct import reconstruct
    from trimorph.run.bias import BiasReport, check_bias
    from trimorph.run.chart import Chart, read_chart
    from trimorph.run.cryodrgn import load_cryodrgn
    from trimorph.run.embedding import Embedding, read_embedding
    from trimorph.run.encode import encode
    from trimorph.run.export_latents import write_latents
    from trimorph.run.export_modes import write_modes
    from trimorph.run.fit import Fit, fit
    from trimorph.run.modes import Modes
    from trimorph.run.motion import MotionReport, write_motion
    from trimorph.run.near import NearState, reconstruct_near
    from trimorph.run.observability import Observability, write_observability
    from trimorph.run.quick import quick
    from trimorph.run.recipe import Recipe
    from trimorph.run.run import Run
    from trimorph.run.structures import StructuresReport, write_structures
    from trimorph.run.train import resume, train
    from trimorph.run.volumes import MapSettings, write_volumes
    from trimorph.training.settings import TrainingSettings

_HOMES = {
    "SelectionAgreement": "analysis.agreement",
    "StateAgreement": "analysis.agreement",
    "selections_agree": "analysis.agreement",
    "states_agree": "analysis.agreement",
    "Analysis": "analysis.analysis",
    "AnalysisSettings": "analysis.analysis_settings",
    "analyze": "analysis.analyze",
    "write_movie": "analysis.movie",
    "LatentPath": "analysis.paths",
    "component_path": "analysis.paths",
    "density_path": "analysis.paths",
    "graph_path": "analysis.paths",
    "straight_path": "analysis.paths",
    "Route": "analysis.paths_route",
    "PathReport": "analysis.paths_write",
    "write_path": "analysis.paths_write",
    "Conditions": "analysis.select",
    "Selection": "analysis.select",
    "select": "analysis.select",
    "States": "analysis.states",
    "find_states": "analysis.states",
    "CTF": "core.ctf",
    "FourierDisk": "core.disk",
    "InputError": "core.errors",
    "describe": "data.info",
    "ParticleInput": "data.open",
    "open_particles": "data.open",
    "ParticleStack": "data.particles",
    "read_particles": "data.read",
    "simulate": "data.simulate",
    "ParticleTable": "data.tables",
    "Truth": "data.truth",
    "Evaluation": "evaluation.evaluate",
    "evaluate": "evaluation.evaluate",
    "Validation": "evaluation.validate",
    "validate": "evaluation.validate",
    "ValidationSettings": "evaluation.validate_settings",
    "compare_maps": "reconstruction.from_file",
    "reconstruct": "reconstruction.reconstruct",
    "BiasReport": "run.bias",
    "check_bias": "run.bias",
    "Chart": "run.chart",
    "read_chart": "run.chart",
    "load_cryodrgn": "run.cryodrgn",
    "Embedding": "run.embedding",
    "read_embedding": "run.embedding",
    "encode": "run.encode",
    "write_latents": "run.export_latents",
    "write_modes": "run.export_modes",
    "Fit": "run.fit",
    "fit": "run.fit",
    "Modes": "run.modes",
    "MotionReport": "run.motion",
    "write_motion": "run.motion",
    "NearState": "run.near",
    "reconstruct_near": "run.near",
    "Observability": "run.observability",
    "write_observability": "run.observability",
    "quick": "run.quick",
    "Recipe": "run.recipe",
    "Run": "run.run",
    "StructuresReport": "run.structures",
    "write_structures": "run.structures",
    "resume": "run.train",
    "train": "run.train",
    "MapSettings": "run.volumes",
    "write_volumes": "run.volumes",
    "TrainingSettings": "training.settings",
}

__all__ = [
    "CTF",
    "Analysis",
    "AnalysisSettings",
    "BiasReport",
    "Chart",
    "Conditions",
    "Embedding",
    "Evaluation",
    "Fit",
    "FourierDisk",
    "InputError",
    "LatentPath",
    "MapSettings",
    "Modes",
    "MotionReport",
    "NearState",
    "Observability",
    "ParticleInput",
    "ParticleStack",
    "ParticleTable",
    "PathReport",
    "Recipe",
    "Route",
    "Run",
    "Selection",
    "SelectionAgreement",
    "StateAgreement",
    "States",
    "StructuresReport",
    "TrainingSettings",
    "Truth",
    "Validation",
    "ValidationSettings",
    "analyze",
    "check_bias",
    "compare_maps",
    "component_path",
    "density_path",
    "describe",
    "encode",
    "evaluate",
    "find_states",
    "fit",
    "graph_path",
    "load_cryodrgn",
    "open_particles",
    "quick",
    "read_chart",
    "read_embedding",
    "read_particles",
    "reconstruct",
    "reconstruct_near",
    "resume",
    "select",
    "selections_agree",
    "simulate",
    "states_agree",
    "straight_path",
    "train",
    "validate",
    "write_latents",
    "write_modes",
    "write_motion",
    "write_movie",
    "write_observability",
    "write_path",
    "write_structures",
    "write_volumes",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'trimorph' has no attribute '{name}'")
    value = getattr(import_module(f"trimorph.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
