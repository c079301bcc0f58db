"""The permutation symbol and SymPy's ``LeviCivita``."""

import numpy as np
import pytest

import einsdiff as ed

sympy = pytest.importorskip("sympy")


def test_it_is_written_and_read():
    t = ed.parse("f_i = ε_ijk a_j b_k")
    written = t.to_sympy("indexed")
    assert written.has(sympy.LeviCivita)
    assert ed.from_sympy(written) == t


def test_labels_alone_are_read():
    i, j, k = sympy.symbols("i j k", integer=True)
    a, b = sympy.IndexedBase("a"), sympy.IndexedBase("b")
    found = ed.from_sympy(sympy.LeviCivita(i, j, k) * a[j] * b[k])
    assert str(found) == "f_i = ε_ijk a_j b_k"


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_values_are_those_of_sympy(n):
    labels = "ijkl"[:n]
    values = np.asarray(ed.parse(f"f_{labels} = ε_{labels}"))
    for place in np.ndindex(values.shape):
        assert values[place] == sympy.LeviCivita(*place)
