"""What a request may say of itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from facedeblur.serve.requests import RefusedError, host_of, numbers_of, strength_of


def request(**query: str):
    return SimpleNamespace(query=query)


def test_hosts():
    assert host_of("//127.0.0.1:8000") == "127.0.0.1" and host_of("//[::1]:8000") == "::1"
    for address in ("//[::1", "//]"):
        with pytest.raises(RefusedError) as caught:
            host_of(address)
        assert caught.value.status == 400


@pytest.mark.parametrize("text", ("-0.1", "1.1", "nan", "inf", "much", ""))
def test_a_strength_is_a_number_from_0_to_1(text):
    assert strength_of("0.5") == 0.5
    with pytest.raises(RefusedError, match="strength: must be a number from 0 to 1"):
        strength_of(text)


def test_a_box_is_four_numbers():
    assert numbers_of(request(), "box", 4) == ()
    assert numbers_of(request(box="1,2.5,3,4"), "box", 4) == (1, 2.5, 3, 4)
    for text in ("1,2,3", "1,2,3,four", ""):
        with pytest.raises(RefusedError, match="box: must be 4 numbers"):
            numbers_of(request(box=text), "box", 4)


def test_headers_of_a_refusal():
    assert RefusedError(503, "busy", Retry_After="30").headers == {"Retry-After": "30"}
