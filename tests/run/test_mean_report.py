"""What a run says of the FSC of its mean map, and reads back."""

import numpy as np
import pytest

from trimorph.reconstruction.fsc import ShellCorrelation
from trimorph.reconstruction.mean_map import MeanMap
from trimorph.run.mean_report import read_mean_fsc, report_mean
from trimorph.training.observer import Silent

EMPTY = np.zeros((8, 8, 8), dtype=np.float32)


class Listener(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        ([1.0, 0.9, 0.643, 0.0, 0.0], "half maps agree to 11.5 Å (FSC 0.143)"),  # crosses at shell 2.778
        ([1.0, 0.9, 0.8, 0.7, 0.6], "half maps agree to 8 Å (FSC 0.143), as far as the pixel size allows"),
        ([1.0, 0.1, 0.0, 0.0, 0.0], "half maps agree nowhere (FSC below 0.143). Check poses"),
    ],
)
def test_resolution_is_said_and_curve_is_kept(tmp_path, curve, said):
    curves = ShellCorrelation(8, 4.0, np.array(curve, dtype=np.float32))
    listener = Listener()
    report_mean(MeanMap(EMPTY, curves), tmp_path, listener)
    assert len(listener.lines) == 1
    assert said in listener.lines[0]
    found = read_mean_fsc(tmp_path)
    assert found is not None
    np.testing.assert_allclose(found[0], np.arange(5) / 32, atol=1e-6)
    np.testing.assert_allclose(found[1], curve, atol=1e-6)


def test_run_without_a_mean_map_has_no_curve(tmp_path):
    assert read_mean_fsc(tmp_path) is None
