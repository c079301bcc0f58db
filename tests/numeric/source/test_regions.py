"""Parts of arrays that views show: which entries these are, and which have none in common."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.source.regions import Region, through, whole


def entries(region: Region) -> np.ndarray:
    """Number the entries of the array in C order, and list those of the region."""
    indices = np.indices(tuple(region.sizes.values()))
    names = list(region.sizes)
    axes = [
        start + sum(c * indices[names.index(n)] for n, c in terms.items())
        for terms, start in region.axes
    ]
    shape = indices.shape[1:]
    return np.ravel_multi_index([np.broadcast_to(axis, shape) for axis in axes], region.shape)


@st.composite
def steps(draw, shape):
    """Draw a view of an array of this shape, as a step and as a function of arrays."""
    op = draw(st.sampled_from(["transpose", "diagonal", "slice", "split"]))
    rank = len(shape)
    if op == "transpose":
        axes = tuple(draw(st.permutations(range(rank))))
        return op, axes, lambda array: array.transpose(axes)
    if op == "diagonal":
        letters = "ijkl"[:rank]
        pairs = [(a, b) for b in range(rank) for a in range(b) if shape[a] == shape[b]]
        if pairs:
            a, b = draw(st.sampled_from(pairs))
            letters = letters[:b] + letters[a] + letters[b + 1 :]
        detail = f"{letters}->{''.join(dict.fromkeys(letters))}"
        return op, detail, lambda array: np.einsum(detail, array)
    if op == "split":
        parts = tuple((2, n // 2) if n % 2 == 0 and draw(st.booleans()) else (n,) for n in shape)
        return op, parts, lambda array: array.reshape([n for digits in parts for n in digits])
    texts = []
    for n in shape:
        k = draw(st.integers(0, n - 1))
        texts.append(draw(st.sampled_from([":", f"{k}:", f"{k}::-1", f"{k}::2", "::-1", str(k)])))
    texts = ["...", *texts] if draw(st.booleans()) else texts[: draw(st.integers(1, rank))]
    return op, tuple(texts), lambda array: eval(f"array[{', '.join(texts)}]", {"array": array})


@st.composite
def regions(draw, shape=None):
    """Draw a region of an array, and its entries as NumPy finds them."""
    if shape is None:
        shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    region = whole(shape)
    array = np.arange(np.prod(shape)).reshape(shape)
    for _ in range(draw(st.integers(0, 3))):
        if not 0 < array.ndim <= 4:
            break
        op, detail, view = draw(steps(array.shape))
        array = view(array)
        region = through(region, Instruction(op, "t1", ("t0",), detail, array.shape))
    return region, array


@given(regions())
def test_a_region_is_what_the_views_show(case):
    region, array = case
    assert tuple(region.sizes.values()) == array.shape
    np.testing.assert_array_equal(entries(region), array)


@given(st.data())
def test_regions_that_are_apart_have_no_entry_in_common(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    (a, in_a), (b, in_b) = data.draw(regions(shape)), data.draw(regions(shape))
    if a.is_apart(b):
        assert set(in_a.flat).isdisjoint(in_b.flat)
    assert a.is_apart(b) == b.is_apart(a)


def test_rows_are_apart_and_a_diagonal_meets_them():
    rows = [through(whole((3, 3)), Instruction("slice", "t1", ("t0",), (k,), (3,))) for k in "02"]
    diagonal = through(whole((3, 3)), Instruction("diagonal", "t1", ("t0",), "ii->i", (3,)))
    assert rows[0].is_apart(rows[1])
    assert not any(row.is_apart(diagonal) for row in rows)
    assert [region.is_whole for region in (whole((3, 3)), diagonal)] == [True, False]
