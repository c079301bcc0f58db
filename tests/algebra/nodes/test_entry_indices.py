"""Entries of variables that an expression takes."""

import numpy as np
import pytest

import einsdiff as ed


@pytest.mark.parametrize("text", ["x_5 y_1", "x_5^2 + y_0", "A_3j y_j x_0"])
def test_an_entry_that_an_array_does_not_have_is_refused_however_late_it_comes(text):
    f = ed.parse(text)
    small = {"x": np.ones(3), "y": np.ones(2), "A": np.ones((3, 2))}
    large = {"x": np.arange(7.0), "y": np.ones(2), "A": np.arange(8.0).reshape(4, 2)}
    for g in (f, ed.grad(f, wrt="y"), ed.grad(f, wrt="x")):
        given = {name: small[name] for name in f.names}
        with pytest.raises(ed.ShapeError, match=r"has no entry [35] along axis 0, whose size is 3"):
            g(**given)
    given = {name: large[name] for name in f.names}
    np.testing.assert_allclose(f(**given), np.asarray(ed.parse(text, **given)))
