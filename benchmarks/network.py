"""How fast the decoder's network is: python benchmarks/network.py [--width 256] [--images 32] [--box 64].

Forward and backward of the residual network of `field` on all half-plane pixels of some images, against the
same layers written plainly in torch. Processor time on one thread, the best of five.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import process_time

import torch
from torch import Tensor, nn

from trimorph.core.disk import FourierDisk
from trimorph.methods.networks import ResidualMLP
from trimorph.training.memory import keep_freed_memory


def main() -> None:
    """Time both, the plain one first, as keeping freed memory cannot be undone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--box", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pixels, features = len(FourierDisk(options.box, 1.0)), 3 * options.box
    network = ResidualMLP(features, 2, width=options.width, layers=options.layers, condition=8)
    x, z = torch.randn(options.images, pixels, features), torch.randn(options.images, 8)
    plain = seconds(lambda: plainly(network, x, z), network)
    keep_freed_memory()
    ours = seconds(lambda: network(x, z), network)
    print(f"{options.width} x {options.layers}, {options.images} images of {pixels} pixels, images/s:")
    print(f"plain torch {options.images / plain:.2f}, trimorph {options.images / ours:.2f}")
    print(f"ratio {plain / ours:.2f}")


def plainly(network: ResidualMLP, x: Tensor, z: Tensor) -> Tensor:
    """The same function, layer by layer."""
    assert network.condition is not None
    hidden = torch.relu(network.first(x) + network.condition(z)[:, None])
    for layer in network.hidden:
        hidden = torch.relu(layer(hidden) + hidden)
    out: Tensor = network.last(hidden)
    return out


def seconds(forward: Callable[[], Tensor], network: nn.Module) -> float:
    """Processor time of a forward and backward pass."""
    times = []
    for _ in range(6):
        network.zero_grad()
        start = process_time()
        forward().square().sum().backward()
        times.append(process_time() - start)
    return min(times[1:])


if __name__ == "__main__":
    main()
