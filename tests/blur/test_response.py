import numpy as np
import pytest

from facedeblur.blur.response import Response, identity, response

LEVELS = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("curve", [identity, Response(2.2), Response(1.8)])
def test_encode_inverts_decode(curve):
    light = curve.decode(LEVELS)
    assert light.dtype == np.float32
    assert curve.encode(light).dtype == np.float32
    np.testing.assert_allclose(curve.encode(light), LEVELS, atol=1e-3)


def test_gamma_is_the_power_law():
    np.testing.assert_allclose(Response(2.2).decode(LEVELS), 255 * (LEVELS / 255.0) ** 2.2, rtol=1e-5)


def test_gamma_averages_light_not_intensity():
    black_and_white = np.array([0, 255], np.uint8)
    mean = Response(2.2).decode(black_and_white).mean()
    assert Response(2.2).encode(mean) == pytest.approx(255 * 0.5 ** (1 / 2.2), rel=1e-5)


@pytest.mark.parametrize("name", ["identity", "gamma2.2", "gamma2"])
def test_names_round_trip(name):
    assert response(name).name == name


@pytest.mark.parametrize("name", ["linear", "gamma", "gammatwo", ""])
def test_unknown_names_are_refused_with_the_choices(name):
    with pytest.raises(ValueError, match="identity.*gamma2.2"):
        response(name)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 9.0, float("nan")])
def test_impossible_exponents_are_refused(exponent):
    with pytest.raises(ValueError, match="exponent"):
        Response(exponent)
