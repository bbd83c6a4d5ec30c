"""Places for maps: on the particles' own ways, not between them."""

import numpy as np
import pytest

from trimorph.run.quick_places import PERCENTILES, places_along, predicted_share


def ring(count: int) -> np.ndarray:
    angle = 2 * np.pi * (np.arange(count) + 0.5) / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_places_on_a_ring_lie_on_it():
    """A percentile of the first coordinate cuts a ring twice; the mean of both cuts is where nothing is."""
    points = ring(4000)
    for place in places_along(points, points):
        assert np.linalg.norm(place.z) == pytest.approx(1.0, abs=0.02)
    flat = places_along(points[:, :1], points)[2]
    assert np.linalg.norm(flat.z) < 0.1


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_particles_have_places_of_at_least_one(count):
    points = ring(count)
    places = places_along(points, points)
    assert [place.percentile for place in places] == list(PERCENTILES)
    assert all(np.isfinite(place.z).all() for place in places)


def test_predicted_share_is_that_of_the_signal():
    """Of unit signal with noise of variance 1/4 in each of two latents, 4/5 can be predicted."""
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, 2 * np.pi, 5000)
    z = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.5 * generator.normal(size=(5000, 2))
    # the mean of 20 others adds a twentieth of the noise
    assert predicted_share(angle, z) == pytest.approx(0.8 - 0.2 / 20, abs=0.01)
    assert predicted_share(generator.normal(size=5000), z) == pytest.approx(-0.05, abs=0.01)
