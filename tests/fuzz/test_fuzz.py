"""The fuzzer draws the same everywhere, and finds faults that are put in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import einsdiff as ed
from tests.fuzz import running
from tests.fuzz.__main__ import main
from tests.fuzz.drawing import Draw, array
from tests.fuzz.running import FAMILIES, example
from tests.fuzz.trials import Disagreement, HangError, RefusedError, Trial


def disagreement(family: str, kind: str, most: int = 60) -> Disagreement:
    """Run examples until one disagrees in this way."""
    for number in range(most):
        for found in example("a fault", family, number).found:
            if kind in found.kind:
                return found
    raise AssertionError(f"none of {most} examples of {family} has {kind}")


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, by: Callable[..., Any]) -> None:
    original = getattr(ed, name)
    monkeypatch.setattr(ed, name, lambda *args, **kwargs: by(original, *args, **kwargs))


@pytest.mark.parametrize("start", range(0, 150, 50))
@pytest.mark.parametrize("family", FAMILIES)
def test_random_expressions_agree_with_oracles(family, start):
    found = [d for k in range(start, start + 50) for d in example("tests", family, k).found]
    assert not found, "\n\n".join(d.reproducer for d in found)


@pytest.mark.parametrize("family", ["einsum", "index", "numpy", "stacks"])
def test_a_wrong_derivative_is_found_and_shown(family, monkeypatch):
    replaced(monkeypatch, "grad", lambda grad, *args, **kwargs: 1.001 * grad(*args, **kwargs))
    found = disagreement(family, "derivative")
    assert len(found.reproducer.splitlines()) < 25
    with pytest.raises(AssertionError):
        exec(found.reproducer, {})
    monkeypatch.undo()
    exec(found.reproducer, {})  # the program shows this fault, and no other


def test_a_derivative_that_is_not_symmetric_is_found(monkeypatch):
    lopsided = ed.tensor("lopsided", np.array([[0.0, 1.0], [0.0, 0.0]]))

    def wrong(grad, f, **kwargs):
        found = grad(f, **kwargs)
        return found + lopsided if found.shape == (2, 2) else found

    replaced(monkeypatch, "grad", wrong)
    kinds = {d.kind for k in range(12) for d in example("a fault", "stacks", k).found}
    assert {"second derivative", "second derivative: not symmetric"} <= kinds


def test_rewriting_that_changes_the_value_is_found(monkeypatch):
    replaced(monkeypatch, "simplify", lambda simplify, t: simplify(t) + 0.01)
    assert disagreement("rewriting", "simplify")


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_code_that_computes_something_else_is_found(backend, monkeypatch):
    original = ed.Tensor.code
    monkeypatch.setattr(
        ed.Tensor, "code", lambda t, *args, **kwargs: original(1.01 * t, *args, **kwargs)
    )
    assert disagreement("code", f"code {backend}")


def test_matrix_notation_of_something_else_is_found(monkeypatch):
    original = ed.Tensor.format
    monkeypatch.setattr(
        ed.Tensor, "format", lambda t, *args, **kwargs: original(2 * t, *args, **kwargs)
    )
    assert disagreement("matrix", "matrix notation: AssertionError")


@pytest.mark.parametrize("family", ["text", "rewriting"])
def test_a_foreign_exception_is_found(family, monkeypatch):
    def broken(*_, **__):
        raise KeyError("what")

    for name in ("parse", "einsum", "simplify", "tensor"):
        replaced(monkeypatch, name, broken)
    found = disagreement(family, "KeyError in test_fuzz.py")
    with pytest.raises(KeyError):
        exec(found.reproducer, {})


def endless(*_, **__):
    while True:
        time.process_time()


def test_what_does_not_end_is_found(monkeypatch):
    monkeypatch.setattr(running, "BUDGET", 0.2)
    replaced(monkeypatch, "parse", endless)
    assert disagreement("text", "does not end in 0 s in parse")


def test_what_takes_too_much_memory_is_found(monkeypatch):
    if running._reset_peak() == running.NOT_MEASURED:
        pytest.skip("the system does not measure peaks of memory")
    monkeypatch.setattr(running, "MEMORY", 2**26)
    replaced(monkeypatch, "parse", lambda *_, **__: len(bytes(b"x" * 2**27)))
    assert disagreement("text", " MB")


def test_an_oracle_that_does_not_end_is_not_held_against_einsdiff(monkeypatch):
    monkeypatch.setattr(running, "BUDGET", 0.2)
    monkeypatch.setattr("tests.fuzz.oracles.einsum", endless)
    outcome = example("0", "einsum", 0)
    assert not outcome.found
    assert outcome.refused == "the oracle takes too long"


def test_refusals_are_no_disagreements():
    trial = Trial()
    trial.agrees("value", "np.asarray(ed.parse('x_i y_j'))", 0)
    assert not trial.found
    assert "BindingError" in trial.refused[0]
    with pytest.raises(RefusedError):
        trial.do("f = ed.parse('(')")
    assert not issubclass(HangError, Exception)


def test_draws_are_the_same_everywhere():
    draw = Draw("1/einsum/2")
    assert [draw.integer(0, 9) for _ in range(8)] == [2, 5, 4, 6, 0, 6, 9, 2]
    assert draw.shuffled("abcd") == ["d", "a", "c", "b"]
    assert array(draw, (2,)) == "np.array([0.36, 1.48])"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_example_is_the_same_each_time(family):
    assert example("0", family, 3).program == example("0", family, 3).program
    assert example("0", family, 3).program != example("0", family, 4).program or family == "text"


def test_the_command_runs_examples_in_processes_and_tells_of_them(capsys):
    code = main(["--seed", "0", "--count", "3", "--family", "text,einsum", "--jobs", "1"])
    table = capsys.readouterr().out
    assert code == 0, table
    assert [line.split()[:2] for line in table.splitlines()[1:3]] == [
        ["einsum", "3"],
        ["text", "3"],
    ]


def test_the_exit_code_of_a_disagreement_is_1(monkeypatch, capsys):
    replaced(monkeypatch, "grad", lambda grad, *args, **kwargs: 2 * grad(*args, **kwargs))
    assert main(["--seed", "a fault", "--only", "stacks:0", "--only", "stacks:1"]) == 1
    assert "first derivative" in capsys.readouterr().out


def test_strings_are_read_or_refused(capsys):
    assert main(["--seed", "tests", "--mutate", "1000", "--jobs", "1"]) == 0
    assert "strings" in capsys.readouterr().out
