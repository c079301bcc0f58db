"""The table of operations: every one is written by all that write steps, and used by plans."""

from __future__ import annotations

import pytest

import einsdiff as ed
from einsdiff.numeric.planning.operations import OPERATIONS, VIEWS, Instruction, is_entrywise
from einsdiff.numeric.planning.steps import Handle, Steps
from einsdiff.numeric.running import program
from einsdiff.numeric.source import regions, statements


def test_every_operation_is_written_for_numpy():
    entrywise = {name for name, known in OPERATIONS.items() if known.is_entrywise}
    assert entrywise.isdisjoint(program._SPELLED)
    assert entrywise.union(program._SPELLED) == OPERATIONS.keys()


def test_every_operation_that_people_read_is_written_as_code():
    read = {name for name, known in OPERATIONS.items() if not known.is_for_speed}
    # What changes an array is written as a statement, with the array that it changes.
    written = {name for name in read if not OPERATIONS[name].is_write} - {"empty"}
    assert statements._STEPS.keys() == written


def test_a_view_that_is_written_through_is_never_a_copy():
    assert regions._VIEWS.keys() <= VIEWS
    assert all(OPERATIONS[name].is_view for name in regions._VIEWS)


def test_records_do_not_contradict_themselves():
    for name, known in OPERATIONS.items():
        kinds = [known.is_view, known.is_write, known.is_entrywise, known.is_changed]
        assert sum(kinds) <= 1, name
        assert known.is_view or not known.copies, name
        step = Instruction(name, "t1", ("t0",), None, (3,))
        assert not (name in VIEWS and step.allocates), name


def test_a_step_has_a_detail_of_its_operation():
    steps, x = Steps(), Handle("x", (3,))
    with pytest.raises(AssertionError, match="does not belong to transpose"):
        steps.emit("transpose", [x], (3,), "i->i")


def test_a_reshape_allocates_if_it_copies():
    view, copy = (Instruction("reshape", "t1", ("t0",), how, (6,)) for how in ("view", "copy"))
    assert not view.allocates
    assert copy.allocates
    assert not Instruction("add", "t1", ("t0", "x"), None, (6,), "t0").allocates


def test_functions_that_numpy_writes_anywhere_are_entrywise():
    compiled = ed.einsum("i->i", [1.0, 2.0]).compile()
    assert not any(map(is_entrywise, compiled.plan.instructions))
    tanh = ed.tanh(ed.tensor("x", [1.0, 2.0])).compile()
    assert [is_entrywise(step) for step in tanh.plan.instructions] == [True]
