"""Optimisers: Adam for networks, and its sparse form for tables with one row a particle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trimorph.methods.base import Method
from trimorph.methods.particle_rows import ParticleRows

ParameterState = dict[str, dict[str, Any]]


def row_parameter_names(method: Method) -> dict[str, ParticleRows]:
    """Names of the parameters that hold one row a particle, with the tables that they belong to."""
    return {
        f"{name}.weight" if name else "weight": module
        for name, module in method.named_modules()
        if isinstance(module, ParticleRows)
    }


ROW_MOMENTS = (0.5, 0.9)
"""Decay of the moments of rows: a row is seen once an epoch, and must forget in a few."""


class Optimisers:
    """One Adam for the dense parameters of all groups, one SparseAdam for the rows.

    A group whose name a stage leaves out is frozen; its moments wait. State is kept by parameter name, so
    that it does not depend on the number of processes.
    """

    def __init__(self, method: Method, *, clip_norm: float, world: int = 1) -> None:
        self.method, self.clip_norm, self.world = method, clip_norm, world
        self.names: dict[Tensor, str] = {p: name for name, p in method.named_parameters()}
        rows = row_parameter_names(method)
        dense: list[dict[str, Any]] = []
        sparse: list[dict[str, Any]] = []
        for group, parameters in method.parameter_groups().items():
            own = [p for p in parameters if self.names[p] in rows]
            rest = [p for p in parameters if self.names[p] not in rows]
            dense += [{"params": rest, "name": group}] if rest else []
            sparse += [{"params": own, "name": group}] if own else []
        self.dense: list[nn.Parameter] = [p for group in dense for p in group["params"]]
        self.rows: list[nn.Parameter] = [p for group in sparse for p in group["params"]]
        self.optimisers: list[torch.optim.Optimizer] = []
        if dense:
            self.optimisers.append(torch.optim.Adam(dense, lr=0.0, fused=True))
        if sparse:
            self.optimisers.append(torch.optim.SparseAdam(sparse, lr=1.0, betas=ROW_MOMENTS))

    def freeze_all_but(self, groups: Mapping[str, float]) -> None:
        """Let only the parameters of some groups have a gradient."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    parameter.requires_grad_(group["name"] in groups)
                    parameter.grad = None

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)

    def step(self, rates: Mapping[str, float], factor: float) -> Tensor:
        """Move the parameters; return whether all gradients were finite (a scalar on the device).

        Rows' gradients are means over one process's batch, and are made means over all processes' here.
        """
        finite = self._clip().isfinite()
        for parameter in self.rows:
            if parameter.grad is not None:
                parameter.grad = parameter.grad.coalesce() / self.world
                finite = finite & parameter.grad.values().isfinite().all()
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rates.get(group["name"], 0.0) * factor
            optimiser.step()
        return finite

    def state(self) -> ParameterState:
        """Moments and step counts by parameter name; the tensors are the optimisers' own."""
        return {
            self.names[parameter]: dict(values)
            for optimiser in self.optimisers
            for parameter, values in optimiser.state.items()
        }

    def load(self, state: ParameterState) -> None:
        """Take copies of what :meth:`state` returned; parameters that it leaves out begin anew."""
        for optimiser in self.optimisers:
            optimiser.state.clear()
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    if self.names[parameter] in state:
                        optimiser.state[parameter] = _on(parameter.device, state[self.names[parameter]])

    def _clip(self) -> Tensor:
        gradients = [p.grad for p in self.dense if p.grad is not None]
        if not gradients:
            return torch.zeros((), device=next(iter(self.names)).device)
        norm = nn.utils.get_total_norm(gradients)
        if self.clip_norm > 0:
            nn.utils.clip_grads_with_norm_(self.dense, self.clip_norm, norm)
        return norm


def _on(device: torch.device, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.to(device, copy=True) if isinstance(value, Tensor) else value
        for key, value in values.items()
    }
