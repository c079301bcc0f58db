"""The code that mypy checks does what its types say."""

from __future__ import annotations

import typing

import pytest

import einsdiff as ed
from tests.typing import user


def test_user_code_runs_and_gives_what_its_types_say(monkeypatch):
    checked = []

    def assert_type(value, expected):
        origin = typing.get_origin(expected) or expected
        assert isinstance(value, origin), (value, expected)
        checked.append(value)
        return value

    monkeypatch.setattr(user, "assert_type", assert_type)
    user.write_expressions()
    assert len(checked) > 50


@pytest.mark.parametrize("call", user.REFUSED)
def test_what_mypy_refuses_raises_an_error_of_its_own(call):
    with pytest.raises((ed.EinsdiffError, TypeError)):
        call()
