"""The examples run from anywhere, and their data says where it is from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DATA = EXAMPLES / "data"

# Lines that an example must print, in this order; spaces count as one.
KEY_LINES = {
    "optimization_logistic.py": [
        "DATA: 569 tumours, 212 of them malignant, 10 measurements",
        "w of shape (10,)",
        "b of shape ()",
        "At x = 0 the loss is 394.4007, which is 569 log 2. The gradient",
        "concave_points 1.587",
        "texture 1.399",
        "94.6% of these tumours are on the right side.",
        "Standard error of the w of texture, from p.hess: 0.229.",
    ],
    "optimization_kmeans.py": [
        "round 1: 96.109801",
        "round 3: 78.851441",
        "[76.0, 100.0, 124.0]",
        "versicolor 0 in group 0 48 in group 1 2 in group 2",
    ],
    "optimization_factorisation.py": [
        "∂²f/∂U_pq∂U_rs = 2 δ_pr V_jq V_js, of shape (200, 8, 200, 8):",
        "one LU factorisation of 8 x 8 for 200 right-hand sides",
        "For U and V together, 2112 unknowns: the largest entry of the gradient is",
    ],
    "optimization_curve.py": [
        "sum of squares 2.3844771393e+03 2.3844771393e+03",
        "Unknowns: ξ (214,), b (3,)",
        "b_1 0.190278 0.174787",
        "The point moved most is the one at 0.5 with response 66.7: by 0.0330.",
    ],
    "least_squares.py": [
        "The residual: f_i = y_i - A_ij θ_j",
        "The loss: f = (y_i - A_ij θ_j) (y_i - A_ik θ_k)",
        "The gradient: ∂f/∂θ_p = -2 (y_i - A_ij θ_j) A_ip",
        "[ -736. -47906. -16652. -64378.]",
        "The Hessian: ∂²f/∂θ_p∂θ_q = 2 A_ip A_iq",
        "[[ 42. 2538. 886. 3624.]",
        "constant -39.9197 -39.9197 -39.9197",
        "air_flow 0.7156 0.7156 0.7156",
        "water_temp 1.2953 1.2953 1.2953",
        "acid_conc -0.1521 -0.1521 -0.1521",
        "Its derivative: ∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp",
        "shape (4, 4, 21, 4): the axes p, q of K, then the axes r, s of R.",
        "matrix, numerator layout: (16, 84), a row for each entry of K",
        "matrix, denominator layout: (84, 16), the transpose",
        "[80. 54. 89. 42.]",
        "In all of J, 588 of 1344 entries are not zero.",
    ],
    "newton_on_dask.py": [
        "20000 samples of 5 measurements: 781.25 kiB,",
        "in 8 chunks; 2 workers of 1GB each",
        "The loss: f = Σ_i softplus(X_ij w_j) - X_ij w_j y_i",
        "The gradient: ∂f/∂w_p = -(y_i - sigmoid(X_ij w_j)) X_ip",
        "The Hessian: ∂²f/∂w_p∂w_q = (1 - sigmoid(X_ij w_j)) sigmoid(X_ik w_k) X_ip X_iq",
        "step 0: loss 13862.943611, largest entry of the gradient 2.0e+03,",
        "step 3: loss 13283.921131, largest entry of the gradient 6.2e-05,",
        "the largest of 5 deviations is 1.7 standard errors.",
    ],
}

# What examples are run with here, if not with what they take by themselves.
ARGUMENTS = {"newton_on_dask.py": ["--samples", "20000", "--features", "5", "--chunk", "100kB"]}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_example_runs_from_any_folder(name, tmp_path):
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *ARGUMENTS.get(name, [])],
        cwd=tmp_path,
        # Formulas have Greek letters, and must come out where the output is not expected to.
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert not finished.stderr
    lines = finished.stdout.splitlines()
    assert lines
    assert max(map(len, lines)) <= 80
    printed = [" ".join(line.split()) for line in lines]
    wanted = KEY_LINES.get(name, [])
    assert [line for line in printed if line in wanted] == wanted
    assert not list(tmp_path.iterdir())  # it leaves nothing behind


def test_key_lines_are_for_examples_there_are():
    assert all((EXAMPLES / name).is_file() for name in KEY_LINES)


def test_stackloss_is_brownlees_table():
    header, *rows = (DATA / "stackloss.csv").read_text(encoding="utf-8").splitlines()
    assert header == "air_flow,water_temp,acid_conc,stack_loss"
    table = np.array([[int(cell) for cell in row.split(",")] for row in rows])
    assert table.shape == (21, 4)
    np.testing.assert_array_equal(table[[0, -1]], [[80, 27, 89, 42], [70, 20, 91, 15]])
    # Sums of the columns and of their products pin down a mistyped number anywhere.
    np.testing.assert_array_equal(table.sum(axis=0), [1269, 443, 1812, 368])
    np.testing.assert_array_equal(
        table.T @ table,
        [
            [78365, 27223, 109988, 23953],
            [27223, 9545, 38357, 8326],
            [109988, 38357, 156924, 32189],
            [23953, 8326, 32189, 8518],
        ],
    )


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.csv")))
def test_every_data_file_has_its_source_and_terms(name):
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    _, found, section = readme.partition(f"## {name}\n")
    assert found
    section = " ".join(section.partition("\n## ")[0].split())
    assert "**Source.**" in section
    assert "**Terms.**" in section
    if name == "stackloss.csv":
        assert "Brownlee" in section
        assert "1965, pp. 491-500" in section
        assert "statsmodels" in section
        assert "public domain" in section
