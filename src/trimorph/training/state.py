"""The state of model and optimisers: copied, put back, gathered from all processes, dealt out again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trimorph.methods.base import Method
from trimorph.training.optimisers import Optimisers, ParameterState, row_parameter_names
from trimorph.training.processes import Processes

State = dict[str, Any]
"""``model``: tensors by name; ``optimiser``: moments by parameter name."""


def copy_state(method: Method, optimisers: Optimisers) -> State:
    """A copy of this process's own state, on its device."""
    return {
        "model": {name: value.detach().clone() for name, value in method.state_dict().items()},
        "optimiser": _map(optimisers.state(), torch.clone),
    }


def put_state(method: Method, optimisers: Optimisers, state: State) -> None:
    """Go back to what :func:`copy_state` gave."""
    method.load_state_dict(state["model"])
    optimisers.load(state["optimiser"])


def gather_state(method: Method, optimisers: Optimisers, processes: Processes) -> State | None:
    """The state as one process would have it, with all rows of all particles; None but in the first."""
    tables = row_parameter_names(method)
    model: dict[str, Tensor | None] = {}
    for name, value in method.state_dict().items():
        whole = name not in tables
        model[name] = value.detach() if whole else _gather(value.detach(), tables[name].count, processes)
    optimiser: dict[str, dict[str, Any]] = {}
    for name, values in sorted(optimisers.state().items()):
        count = tables[name].count if name in tables else None
        optimiser[name] = {
            key: _gather(value, count, processes)
            if count is not None and isinstance(value, Tensor) and value.dim() > 1
            else value
            for key, value in values.items()
        }
    return {"model": model, "optimiser": optimiser} if processes.first else None


def deal_state(method: Method, optimisers: Optimisers, state: State, processes: Processes) -> None:
    """Load a gathered state: everything, but of the rows only this process's own."""
    tables = row_parameter_names(method)
    rank, world = processes.rank, processes.world

    def own(name: str, value: Tensor) -> Tensor:
        return value[rank::world] if name in tables and value.dim() > 1 else value

    method.load_state_dict({name: own(name, value) for name, value in state["model"].items()})
    optimisers.load(
        {
            name: {
                key: own(name, value) if isinstance(value, Tensor) else value for key, value in values.items()
            }
            for name, values in state["optimiser"].items()
        }
    )


def _gather(value: Tensor, count: int, processes: Processes) -> Tensor | None:
    return processes.gather_rows(value, count=count)


def _map(state: ParameterState, change: Any) -> ParameterState:
    return {
        name: {key: change(value) if isinstance(value, Tensor) else value for key, value in values.items()}
        for name, values in state.items()
    }
