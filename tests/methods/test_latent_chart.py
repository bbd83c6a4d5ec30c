"""The chart of the modes: curves, rings and sheets in many dimensions are unfolded, and noise is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from trimorph.data.angles import circular_correlation
from trimorph.evaluation.recovery import neighbour_correlation
from trimorph.methods.chart_start import RESOLVED, expected_coordinates, fit_start
from trimorph.methods.latent_chart import LANDMARKS, LatentChart, latent_chart
from trimorph.methods.networks import ResidualMLP
from trimorph.methods.posterior import Posterior

NOISE = 0.05


def _seen(
    place: NDArray[np.float64], noise: float = NOISE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior means scattered about these places, and their covariances."""
    random = np.random.default_rng(1)
    covariance = np.tile(noise**2 * np.eye(place.shape[1]), (len(place), 1, 1))
    return place + noise * random.standard_normal(place.shape), covariance


def _harmonics(angle: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A small thing on a circle, as modes of density see it: waves that fall off slowly."""
    return np.concatenate(
        [[np.cos(m * angle) / m, np.sin(m * angle) / m] for m in range(1, count + 1)], axis=0
    ).T


def _best_spearman(coordinate: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return max(abs(float(spearmanr(column, truth).statistic)) for column in coordinate.T)


def test_an_arc_that_bends_through_six_modes_is_one_coordinate() -> None:
    angle = np.random.default_rng(0).uniform(0, 1.5 * np.pi, 1500)
    chart = latent_chart(*_seen(_harmonics(angle, 3)), most=4)
    assert chart.coordinate.shape == (len(chart.landmark), 1)
    assert _best_spearman(chart.coordinate, angle[chart.landmark]) > 0.995
    assert chart.unexplained < 0.1


def test_a_ring_is_two_coordinates_that_go_round() -> None:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 1500)
    chart = latent_chart(*_seen(_harmonics(angle, 3)), most=4)
    assert chart.coordinate.shape[1] == 2
    found = np.arctan2(chart.coordinate[:, 1], chart.coordinate[:, 0])
    assert abs(circular_correlation(found, angle[chart.landmark])) > 0.98


def test_a_path_beside_something_that_comes_and_goes_is_two_coordinates() -> None:
    random = np.random.default_rng(0)
    angle, present = random.uniform(0, 1.2 * np.pi, 1500), random.integers(0, 2, 1500)
    place = np.column_stack([_harmonics(angle, 2), 0.8 * present])
    chart = latent_chart(*_seen(place), most=2)
    assert chart.coordinate.shape[1] == 2
    along, there = angle[chart.landmark], present[chart.landmark]
    assert neighbour_correlation(chart.coordinate, along) > 0.99
    one = np.column_stack([chart.coordinate, np.ones(len(along))])
    told = one @ np.linalg.lstsq(one, there)[0]
    assert told[there == 1].min() > told[there == 0].max()


@pytest.mark.parametrize("seed", [0, 4, 5])
def test_what_comes_and_goes_is_not_lost_among_harmonics_as_slow(seed: int) -> None:
    random = np.random.default_rng(seed)
    angle, present = random.uniform(0, 1.2 * np.pi, 1500), random.integers(0, 2, 1500)
    place = np.column_stack([_harmonics(angle, 2), 0.5 * present])
    chart = latent_chart(*_seen(place, 0.14), most=4)
    assert chart.coordinate.shape[1] == 2
    told = roc_auc_score(present[chart.landmark], chart.coordinate[:, 1])
    assert max(told, 1 - told) > 0.98  # of the functions alone, 0.79 to 0.92


def test_clusters_that_do_not_touch_stay_apart() -> None:
    label = np.random.default_rng(0).integers(0, 3, 900)
    chart = latent_chart(*_seen(5 * np.eye(4)[label], 0.1), most=4)
    middle = np.array([chart.coordinate[label[chart.landmark] == one].mean(0) for one in range(3)])
    nearest = ((chart.coordinate[:, None] - middle) ** 2).sum(-1).argmin(1)
    assert (nearest == label[chart.landmark]).mean() > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_ball_of_noise_has_no_coordinate(seed: int) -> None:
    place = np.random.default_rng(seed).standard_normal((1500, 8))
    assert latent_chart(*_seen(place), most=4).coordinate.shape[1] == 0


def test_nothing_is_said_of_few_particles_or_of_none_that_differ() -> None:
    angle = np.linspace(0, 3, 40)
    for place in (_harmonics(angle, 2), np.zeros((500, 4))):
        chart = latent_chart(place, np.tile(np.eye(4), (len(place), 1, 1)), most=2)
        assert chart.coordinate.shape[1] == 0
        assert chart.unexplained == 1


def test_landmarks_are_those_that_are_seen_best() -> None:
    angle = np.random.default_rng(0).uniform(0, 3, 3 * LANDMARKS)
    mean, covariance = _seen(_harmonics(angle, 2))
    covariance[::2] *= 4
    chart = latent_chart(mean, covariance, most=2)
    assert len(chart.landmark) == LANDMARKS
    assert (chart.landmark % 2 == 1).all()


def test_expected_coordinates_are_sums_over_the_landmarks() -> None:
    """The likelihood of each landmark's place, written as a normal density, without the prior."""
    random = np.random.default_rng(2)
    truth = torch.tensor(random.standard_normal((30, 2)))
    covariance = torch.diag_embed(torch.tensor(random.uniform(0.05, 0.5, (30, 2))))
    mean = 0.6 * truth
    chart = LatentChart(np.arange(0, 30, 2), random.standard_normal((15, 1)), 0.1)
    expected, variance = expected_coordinates(chart, mean.float(), covariance.float())
    spread = covariance[::2].mean(0)
    for number in range(30):
        precision = torch.linalg.inv(covariance[number])
        data = torch.linalg.inv(precision - torch.eye(2))
        place = data @ precision @ mean[number]
        normal = torch.distributions.MultivariateNormal(place, data + spread)
        share = torch.softmax(normal.log_prob(mean[::2]), 0).numpy()
        direct = float(share @ chart.coordinate[:, 0])
        assert float(expected[number]) == pytest.approx(direct, abs=1e-4)
        least = max(float(share @ chart.coordinate[:, 0] ** 2) - direct**2, RESOLVED**2)
        assert float(variance[number]) == pytest.approx(least, abs=1e-4)


def test_a_network_starts_at_what_it_is_shown() -> None:
    features = torch.randn(800, 3, generator=torch.Generator().manual_seed(0))
    mean = torch.stack([features[:, 0] * features[:, 1], torch.zeros(800)], 1)
    target = Posterior.diagonal(mean, torch.tensor([-3.0, 0.0]).expand(800, 2))
    torch.manual_seed(0)
    network = ResidualMLP(3, 4, width=64, layers=2)
    fit_start(network, features, target)
    with torch.no_grad():
        found, log_variance = network(features[None])[0].chunk(2, dim=-1)
    assert float((found - mean).square().mean()) < 0.02
    assert float((log_variance[:, 0] + 3).abs().mean()) < 0.4
    assert float(log_variance[:, 1].abs().mean()) < 0.1
