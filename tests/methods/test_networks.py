"""The residual network in pieces equals the plain one, values and gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from trimorph.methods import residual_chain as chain
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.residual_chain import residual_chain


def _plain(x: Tensor, shared: Tensor, parameters: list[Tensor]) -> Tensor:
    """The formula with torch's own operations and autograd."""
    (first, *hidden, last) = list(zip(parameters[::2], parameters[1::2], strict=True))
    y = nn.functional.linear(x, *first) + shared.repeat_interleave(len(x) // len(shared), dim=0)
    y = torch.relu(y)
    for weight, bias in hidden:
        y = torch.relu(nn.functional.linear(y, weight, bias) + y)
    return nn.functional.linear(y, *last)


def _inputs(
    *, groups: int, rows: int, layers: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Input, shared rows and parameters of a network from 5 to 3 features, 8 wide, that want gradients."""
    generator = torch.Generator().manual_seed(2)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    sizes = [5, *[8] * (layers + 1), 3]
    parameters = [value for i, o in pairwise(sizes) for value in (random(o, i), random(o))]
    return random(groups * rows, 5), random(groups, 8), parameters


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize(("groups", "rows"), [(1, 7), (3, 50), (4, 64), (5, 129)])
def test_equals_the_plain_network(
    monkeypatch: pytest.MonkeyPatch, layers: int, groups: int, rows: int
) -> None:
    """Pieces of 64 rows end inside groups, at their ends, and leave a last one short."""
    monkeypatch.setattr(chain, "CACHE_VALUES", 64 * 8)
    x, shared, parameters = _inputs(groups=groups, rows=rows, layers=layers)
    weights = torch.randn(groups * rows, 3, dtype=torch.float64)
    leaves = [x, shared, *parameters]
    results = []
    for network in (residual_chain, _plain):
        output = network(x, shared, parameters)
        results.append([output, *torch.autograd.grad((output * weights).sum(), leaves)])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)


def test_pieces_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    x, shared, parameters = _inputs(groups=2, rows=100, layers=2)
    whole = residual_chain(x, shared, parameters)
    monkeypatch.setattr(chain, "CACHE_VALUES", 1)
    torch.testing.assert_close(residual_chain(x, shared, parameters), whole, rtol=1e-12, atol=1e-12)


def test_without_gradients_it_is_the_same_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, shared, parameters = _inputs(groups=2, rows=100, layers=2)
    wanted = residual_chain(x, shared, parameters)
    through, kept = chain._through, []
    monkeypatch.setattr(
        chain, "_through", lambda *values, **more: (kept.append(more), through(*values, **more))[1]
    )
    with torch.no_grad():
        found = residual_chain(x, shared, parameters)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert not found.requires_grad
    assert kept == [{}]


def test_gradients_by_finite_differences() -> None:
    x, shared, parameters = _inputs(groups=2, rows=4, layers=1)
    assert torch.autograd.gradcheck(
        lambda a, b, *rest: residual_chain(a, b, list(rest)), (x, shared, *parameters)
    )


def test_bfloat16_stays_close_to_single_precision() -> None:
    x, shared, parameters = _inputs(groups=3, rows=100, layers=2, dtype=torch.float32)
    leaves = [x, shared, *parameters]
    exact = residual_chain(x, shared, parameters)
    exact_gradients = torch.autograd.grad(exact.square().mean(), leaves)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = residual_chain(x, shared, parameters)
    rounded_gradients = torch.autograd.grad(rounded.square().mean(), leaves)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    for ours, wanted in zip([rounded, *rounded_gradients], [exact, *exact_gradients], strict=True):
        assert ours.dtype == torch.float32
        assert float(((ours - wanted).norm() / wanted.norm()).detach()) < 0.06


def test_latent_apart_equals_latent_beside_the_input() -> None:
    """W (x, z) = W_x x + W_z z: the first layer may be split."""
    torch.manual_seed(0)
    split = ResidualMLP(6, 2, width=16, layers=2, condition=3)
    joined = ResidualMLP(9, 2, width=16, layers=2)
    joined.load_state_dict(
        {name: value for name, value in split.state_dict().items() if not name.startswith("condition")}
        | {"first.weight": torch.cat([split.first.weight, split.condition.weight], dim=1)}
    )
    x, z = torch.randn(4, 10, 6), torch.randn(4, 3)
    beside = torch.cat([x, z[:, None].expand(-1, 10, -1)], dim=-1)
    torch.testing.assert_close(split(x, z), joined(beside), rtol=1e-5, atol=1e-6)


def test_gradient_reaches_input_latent_and_every_parameter() -> None:
    torch.manual_seed(0)
    network = ResidualMLP(6, 2, width=16, layers=2, condition=3)
    x, z = torch.randn(4, 10, 6, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    network(x, z).square().sum().backward()
    for value in (x, z, *network.parameters()):
        assert value.grad is not None
        assert float(value.grad.abs().max()) > 0


def test_outputs_are_sums_of_the_last_units() -> None:
    network, x = ResidualMLP(3, 4, width=8, layers=2), torch.randn(2, 5, 3)
    units = network.units(x)
    assert units.shape == (2, 5, 8)
    assert float(units.detach().min()) >= 0.0
    torch.testing.assert_close(units @ network.last.weight.mT + network.last.bias, network(x))
