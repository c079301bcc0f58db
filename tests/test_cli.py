"""The command: what it prints, where it prints it, and its exit codes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.cli import main

GRAM = ["mp,mq->pq", "R", "R", "--wrt", "R"]
PRODUCT = ["ij,j->i", "A", "x"]
R = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
V = np.array([10.0, 20.0])


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the command in a folder of its own; return its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = main(arguments)
        except SystemExit as stop:  # how argparse ends
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def files(tmp_path):
    """Write the files that the tests read."""
    texts = {
        "R.csv": "1,2\n3,4\n5,6\n",
        "header.csv": "first,second\n1,2\n3,4\n5,6\n",
        "bom.csv": "\ufefffirst,second\n1,2\n3,4\n5,6\n",
        "bom_numbers.csv": "\ufeff1,2\n3,4\n5,6\n",
        "crlf.csv": "first,second\r\n1,2\r\n3,4\r\n5,6\r\n",
        "spaces.csv": " 1, 2 \n\n3 , 4e0\n5,6.0\n\n",
        "column.csv": "value\n10\n20\n",
        "row.csv": "10,20\n",
        "scalar.csv": "10\n",
        "word.csv": "first,second\n1,2\n3,word\n",
        "word_later.csv": "first,second\n\n1,2\n\n3,word\n",
        "ragged.csv": "1,2\n3,4,5\n",
        "empty.csv": "",
        "names.csv": "first,second\n",
        "latin.csv": "1,2\n",
        "table.txt": "1,2\n",
        "noise.npy": "no array",
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "latin.csv").write_bytes("größe\n1\n".encode("latin-1"))
    np.save(tmp_path / "R.npy", R)
    np.save(tmp_path / "x.npy", V)
    np.save(tmp_path / "singular.npy", np.zeros((2, 2)))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.savez(tmp_path / "two.npz", a=R, b=R)
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    (tmp_path / "empty.npy").touch()
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    (tmp_path / "huge.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    )
    np.save(tmp_path / "objects.npy", np.array([1, "a"], object), allow_pickle=True)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (GRAM, "∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp\nshape: (n, n, m, n)\n"),
        ([*PRODUCT, "--wrt", "A"], "∂f_i/∂A_pq = δ_ip x_q\nshape: (m, m, n)\n"),
        ([*PRODUCT, "--wrt", "1"], "∂f_i/∂x_p = A_ip\nshape: (m, n)\n"),
        ([*PRODUCT, "--wrt", "x_1"], "∂f_i/∂x_1 = A_i1\nshape: (m,)\n"),
        (["x_i A_ij x_j", "--wrt", "A[0]"], "∂f/∂A_0q = x_0 x_q\nshape: (m,)\n"),
        (["exp(A_ij x_j)", "--wrt", "A_ij x_j"], "∂f_i/∂y_p = δ_ip exp(A_ij x_j)\nshape: (m, m)\n"),
        ([*PRODUCT, "--wrt", "-1"], "∂f_i/∂x_p = A_ip\nshape: (m, n)\n"),
        (["i,i->", "x", "x"], "∂f/∂x_p = 2 x_p\nshape: (m,)\n"),
        (
            ["i,ij,j->", "x", "A", "x", "--wrt", "x", "--order", "2"],
            "∂²f/∂x_p∂x_q = A_pq + A_qp\nshape: (m, m)\n",
        ),
        (["i->", "x"], "∂f/∂x_p = 1\nshape: (m,)\n"),
    ],
)
def test_the_formula_and_the_shape_are_printed(run, arguments, out):
    assert run(*arguments) == (0, out, "")


def matrix(out):
    """Read the matrix that was printed."""
    rows = out[out.index("[[") :].replace("[", "").replace("]", "").strip().splitlines()
    return np.array([[float(entry) for entry in row.split()] for row in rows])


@pytest.mark.parametrize(
    "file", ["R.csv", "R.npy", "header.csv", "bom.csv", "bom_numbers.csv", "crlf.csv", "spaces.csv"]
)
def test_a_file_of_numbers_gives_a_matrix(run, files, file):
    code, out, err = run(*GRAM, "--data", f"R={file}")
    expected = ed.grad("mp,mq->pq", R, R, wrt="R").matrix()
    said = f"--data R={file}: its first line is taken for names: first, second\n"
    has_names = (files / file).read_bytes().removeprefix(b"\xef\xbb\xbf").startswith(b"first")
    assert (code, err) == (0, said if has_names else "")
    assert "shape: (2, 2, 3, 2)\nmatrix (numerator layout, vec order C):\n" in out
    np.testing.assert_array_equal(matrix(out), expected)


@pytest.mark.parametrize(
    ("text", "numbers", "heads"),
    [
        ('"1","2"\n"3","4"\n', [[1, 2], [3, 4]], None),  # quoted by a spreadsheet
        ('"a, b","c"\n1,2\n', [[1, 2]], "a, b, c"),
        (",x_1,größe\n0,1,2\n", [[0, 1, 2]], ", x_1, größe"),  # a column without a name
        ("nan,inf\n1,-inf\n", [[np.nan, np.inf], [1, -np.inf]], None),
        ("+.5,1.,1E-3\n", [[0.5, 1, 0.001]], None),
    ],
)
def test_what_is_taken_for_names_is_said(run, files, text, numbers, heads):
    (files / "table.csv").write_text(text, encoding="utf-8")
    code, _, err = run("ij->ij", "A", "--order", "0", "--data", "A=table.csv", "--out", "A.npy")
    said = f"--data A=table.csv: its first line is taken for names: {heads}\n"
    assert (code, err) == (0, said if heads else "")
    np.testing.assert_array_equal(np.load(files / "A.npy"), numbers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "\N{MINUS SIGN}3,4\n1,2\n",
            "line 1, entry 1: '\N{MINUS SIGN}3' is not a number; write -3",
        ),
        ("1_000,2\n", "line 1, entry 1: '1_000' is not a number; write 1000"),
        ("1;2;3\n4;5;6\n", "line 1, entry 1: '1;2;3' is not a number; part numbers by commas"),
        ("1\t2\n", "part numbers by commas"),
        ("1 2 3\n", "part numbers by commas"),
        ("1,,2\n", "line 1, entry 2: '' is not a number"),
        ("2nd,3rd\n1,2\n", "line 1, entry 1: '2nd' is not a number"),
        ("# a comment\n1\n", "line 1, entry 1: '# a comment' is not a number"),
        ("a,1\n1,2\n", "line 1, entry 1: 'a' is not a number"),
        ("a,b\nc,d\n1,2\n", "line 2, entry 1: 'c' is not a number"),
        ("\N{ARABIC-INDIC DIGIT ONE},2\n", "line 1, entry 1: "),
        ("0x10\n", "line 1, entry 1: '0x10' is not a number"),
        ('"1\n', "line"),
    ],
)
def test_a_line_that_is_neither_names_nor_numbers_is_refused(run, files, text, said):
    (files / "table.csv").write_text(text, encoding="utf-8")
    code, out, err = run("ij->", "A", "--data", "A=table.csv")
    assert (code, out) == (1, "")
    assert err.startswith("einsdiff: --data A=table.csv: ")
    assert said in err or text.startswith('"')


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_array_is_refused_or_read(run, files, seed):
    random = np.random.default_rng(seed)
    damaged = bytearray((files / "x.npy").read_bytes())
    for place in random.integers(0, 128, 3):  # in the header
        damaged[place] = random.integers(256)
    (files / "damaged.npy").write_bytes(damaged)
    code, _, err = run("...->", "x", "--wrt", "x", "--data", "x=damaged.npy")
    assert code == 0 or err.startswith("einsdiff: ")


def test_names_of_files_that_cannot_be_are_refused(run, files):
    assert run("i->", "x", "--out", "a\0b")[0] == 2
    code, _, err = run("i->", "x", "--data", "x=a\0b.npy")
    assert code == 1
    assert err.startswith("einsdiff: --data ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device")
def test_a_device_is_written_to_by_its_own_name(run, files):
    code, _, err = run("i->", "x", "--data", "x=x.npy", "--out", "/dev/full")
    assert code == 1
    assert err.startswith("einsdiff: ")
    assert not os.path.exists("/dev/full.npy")


@pytest.mark.parametrize("file", ["column.csv", "row.csv", "x.npy"])
def test_one_row_or_column_is_a_vector_where_one_is_wanted(run, files, file):
    code, out, _ = run(*PRODUCT, "--wrt", "A", "--data", "A=R.csv", "--data", f"x={file}")
    assert code == 0
    np.testing.assert_array_equal(matrix(out), ed.grad("ij,j->i", R, V, wrt=0).matrix())


def test_one_column_is_a_matrix_where_one_is_wanted(run, files):
    code, out, _ = run("ij->i", "A", "--data", "A=column.csv")
    assert (code, out.splitlines()[1]) == (0, "shape: (2, 2, 1)")


def test_one_number_is_a_scalar_or_a_vector(run, files):
    assert "shape: ()\n" in run(",->", "c", "c", "--data", "c=scalar.csv")[1]
    assert "shape: (1,)\n" in run("i->", "x", "--data", "x=scalar.csv")[1]


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_and_vec_order_are_chosen_and_named(run, files, layout, order):
    _, out, _ = run(*GRAM, "--data", "R=R.csv", "--layout", layout, "--vec", order)
    assert f"matrix ({layout} layout, vec order {order}):" in out
    expected = ed.grad("mp,mq->pq", R, R, wrt="R").matrix(layout, order)
    np.testing.assert_array_equal(matrix(out), expected)


def test_the_tensor_is_saved_in_full(run, files):
    code, out, _ = run(*GRAM, "--data", "R=R.csv", "--layout", "denominator", "--out", "J.npy")
    assert code == 0
    assert out.endswith("saved: J.npy\n")
    saved = np.load(files / "J.npy")
    np.testing.assert_array_equal(saved, np.asarray(ed.grad("mp,mq->pq", R, R, wrt="R")))


def test_only_what_the_derivative_depends_on_needs_data(run, files):
    code, out, err = run(*PRODUCT, "--wrt", "x", "--data", "A=R.csv")
    assert (code, err) == (0, "")
    np.testing.assert_array_equal(matrix(out), R)


@pytest.mark.parametrize(
    ("arguments", "err"),
    [
        # the expression
        (
            ["ij->i->j", "A"],
            "einsdiff: the subscripts have two '->'\n\n    ij->i->j\n      ^  ^\n\n",
        ),
        (["i1->i", "A"], "einsdiff: '1' is not a label\n\n    i1->i\n     ^\n\n"),
        (["ij,j->i", "A"], "2 operands, but 1 operand was given"),
        (["ij->i", "A b"], "not a name"),
        (PRODUCT, "wrt is missing"),
        ([*PRODUCT, "--wrt", "B"], "wrt='B' names no operand"),
        ([*PRODUCT, "--wrt", "2"], "wrt=2 is out of range"),
        # the data
        ([*GRAM, "--data", "R=missing.csv"], "missing.csv"),
        ([*GRAM, "--data", "R=missing.npy"], "missing.npy"),
        ([*GRAM, "--data", "R=table.txt"], "neither .csv nor .npy"),
        ([*GRAM, "--data", "R=word.csv"], "R=word.csv: line 3, entry 2: 'word'"),
        ([*GRAM, "--data", "R=word_later.csv"], "R=word_later.csv: line 5, entry 2: 'word'"),
        ([*GRAM, "--data", "R=ragged.csv"], "R=ragged.csv: its rows differ in length"),
        ([*GRAM, "--data", "R=latin.csv"], "--data R=latin.csv: "),
        ([*GRAM, "--data", "R=noise.npy"], "--data R=noise.npy: "),
        ([*GRAM, "--data", "R=objects.npy"], "--data R=objects.npy: "),
        ([*GRAM, "--data", "R=empty.csv"], "--data R=empty.csv: "),
        (["i->", "x", "--data", "x=empty.csv"], "--data x=empty.csv: "),
        (["i->", "x", "--data", "x=names.csv"], "--data x=names.csv: "),
        ([*GRAM, "--data", "S=R.csv"], "no operand 'S'; write --data R=FILE"),
        ([*GRAM, "--data", "R.csv"], "--data R.csv: write --data NAME=FILE"),
        ([*GRAM, "--data", "=R.csv"], "--data =R.csv: write --data NAME=FILE"),
        ([*GRAM, "--data", "R=x.npy"], "operand 0 (R) has 1 axis, but 2 labels"),
        ([*PRODUCT, "--wrt", "A", "--data", "A=R.csv"], "no numbers for 'x'; add --data x=FILE"),
        ([*PRODUCT, "--wrt", "A", "--data", "x=x.npy"], "no array for 'A'"),
        ([*GRAM, "--out", "J.npy"], "no numbers for 'R'; add --data R=FILE"),
        ([*GRAM, "--data", "R=R.csv", "--out", "no/folder/J.npy"], "J.npy"),
        ([*GRAM, "--data", "R=empty.npy"], "--data R=empty.npy: "),
        ([*GRAM, "--data", "R=two.npy"], "--data R=two.npy: it holds several arrays"),
        ([*GRAM, "--data", "R=words.npy"], "--data R=words.npy: its entries are no numbers"),
        ([*GRAM, "--data", "R=huge.npy"], "not enough memory"),
        (["inv(A_ij)_ij", "--data", "A=singular.npy"], "Singular matrix"),
        # pictures
        ([*GRAM, "--diagram", "no/folder/R.svg"], "R.svg"),
        ([*GRAM, "--diagram", "R.txt"], "not written to '.txt' files"),
        # options
        (["x_i", "--wrt", "9" * 5000], "names no operand"),
        (["x_i", "--wrt", "²"], "wrt='²' names no operand"),
        (["A_ij", "x_j", "--wrt", "A"], "put the whole expression in quotes"),
        (["x_i", "--shapes", "x=-2"], "--shapes x=-2: write sizes as in --shapes A=2,3"),
        (["x_i", "--shapes", "x=2,,3"], "--shapes x=2,,3: write sizes as in"),
        (["x_i", "--shapes=x=two"], "--shapes x=two: write sizes as in"),
        (["x_i", "--shapes", "x=2", "x=3"], "there are sizes for 'x' already"),
        (["A_ij", "--shapes", "A=3000,3000", "--json"], "the limit is"),
        (["--", "--explain"], "'-' cannot stand here"),
        (["x_i \udcff"], "cannot stand here"),
        ([""], "the expression ends too early"),
        (["(" * 10_000], "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_on_stderr_with_exit_code_1(run, files, arguments, err):
    code, out, said = run(*arguments)
    assert code == 1
    assert said.startswith("einsdiff: ")
    assert err in said
    assert out == ""
    assert "Traceback" not in said


def test_sizes_that_differ_are_shown_with_carets(run, files):
    code, _, err = run("ij,i->j", "A", "x", "--wrt", "A", "--data", "A=R.csv", "--data", "x=x.npy")
    assert code == 1
    assert "size 3 in operand 0 (A) but 2 in operand 1 (x)" in err
    assert "\n    ij,i->j\n    ^  ^\n    A: (3, 2)   x: (2,)\n" in err


def test_a_result_above_the_memory_limit_has_exit_code_1(run, files):
    before = ed.set_memory_limit(100)
    try:
        code, _, err = run(*GRAM, "--data", "R=R.csv")
    finally:
        ed.set_memory_limit(before)
    assert code == 1
    assert "192 bytes, and the limit is 100 bytes" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ij->i", "A", "--order", "-1"],
        ["ij->i", "A", "--order", "two"],
        ["ij->i", "A", "--layout", "row"],
        ["ij->i", "A", "--vec", "K"],
        ["ij->i", "A", "--code", "--table", "sideways"],
        ["ij->i", "A", "--unknown"],
        ["ij->i", "A", "--out", ""],
        ["ij->i", "A", "--plot", "/"],
        ["ij->i", "A", "--order", "21"],
        ["ij->i", "A", "--order", "9" * 5000],
        ["ij->i", "A", "--lat"],
        ["--"],
        ["--explain"],
    ],
)
def test_a_wrong_command_line_has_exit_code_2(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: einsdiff")


def test_the_examples_of_the_help_work(run, files):
    code, out, _ = run("--help")
    assert code == 0
    examples = [shlex.split(line) for line in out.splitlines() if line.startswith("  einsdiff ")]
    assert len(examples) == 10
    np.save(files / "A.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    (files / "table.csv").write_text("1,2\n3,4\n")
    for _, *arguments in examples:
        code, printed, err = run(*arguments)
        assert (code, err) == (0, "")
        assert len(printed) > 20
    np.testing.assert_array_equal(np.load(files / "H.npy"), [[2, 5], [5, 8]])


# --- what is shown ----------------------------------------------------------------------------

LEAST = ["(y_i - A_ij x_j)(y_i - A_ik x_k)", "--wrt", "x"]
J = ed.grad("(y_i - A_ij x_j)(y_i - A_ik x_k)", wrt="x")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--matrix"], J.format("matrix")),
        (["--matrix", "--layout", "denominator"], J.format("matrix", layout="denominator")),
        (["--matrix", "--latex"], J.latex("matrix")),
        (["--latex"], J.latex()),
        (["--einsum"], J.format("einsum")),
        (["--explain"], str(J.explain())),
        (["--explain", "brief"], str(J.explain("brief"))),
        (["--explain", "--latex"], J.explain().latex()),
        (["--cases"], str(J.cases())),
        (["--cases", "--latex"], J.cases().latex()),
        (["--table", "reverse"], str(J.table("reverse"))),
        (["--shapes"], str(J.table("shapes"))),
        (["--code"], J.code().rstrip()),
        (["--code", "jax"], J.code("jax").rstrip()),
        (["--matrix", "--cases"], f"{J.format('matrix')}\n\n{J.cases()}"),
    ],
)
def test_what_is_asked_for_is_shown_alone(run, options, shown):
    assert run(*LEAST, *options) == (0, shown + "\n", "")
    assert run(*options, *LEAST) == (0, shown + "\n", "")  # options may come first


def test_order_0_is_the_function(run):
    assert run("A_ij x_j", "--order", "0") == (0, "f_i = A_ij x_j\nshape: (m,)\n", "")
    assert run(*PRODUCT, "--order", "0", "--matrix") == (0, "f = A x\n", "")


def test_a_letter_alone_is_a_number(run):
    assert run("s") == (0, "∂s/∂s = 1\nshape: ()\n", "")
    assert run("s", "--order", "0") == (0, "s\nshape: ()\n", "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-x_i", "--wrt", "x"], "∂f_i/∂x_p = -δ_ip"),
        (["--wrt", "x", "-1/2*x"], "∂f/∂x = -1/2"),
        (["-x", "--explain"], "f = -x"),
        (["--wrt", "x", "--", "-x"], "∂f/∂x = -1"),
        (["x_i", "--wrt", "-1"], "∂x_i/∂x_p = δ_ip"),
    ],
)
def test_an_expression_may_begin_with_a_minus(run, arguments, line):
    code, out, err = run(*arguments)
    assert (code, out.splitlines()[0], err) == (0, line, "")


def test_json_without_numbers_needs_no_sizes(run):
    code, out, _ = run("i->i", "x", "--json")
    assert (code, json.loads(out)["index"]) == (0, "∂f_i/∂x_p = δ_ip")


def test_kinds_of_pictures_that_are_not_written_are_told(run, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, err = run(*GRAM, "--plot", "R.xyz")
    assert (code, out) == (1, "")
    assert "--plot R.xyz: " in err


def test_numbers_that_are_none_are_printed_without_a_warning(run, tmp_path, recwarn):
    (tmp_path / "x.csv").write_text("0\nnan\n")
    code, out, err = run("log(x_i)", "--wrt", "x", "--data", "x=x.csv")
    assert (code, err) == (0, "")
    assert "inf" in out
    assert "nan" in out
    assert not recwarn


def test_sizes_are_given_by_shapes(run):
    expected = (0, "∂f_i/∂A_pq = δ_ip x_q\nshape: (2, 2, 3)\n", "")
    assert run(*PRODUCT, "--wrt", "A", "--shapes", "A=2,3", "x=3") == expected
    assert run("A_ij x_j", "--wrt", "A", "--shapes", "A=2,3") == expected
    assert run("A_ij x_j", "--wrt", "A", "--shapes", "A=2,3 x=3") == expected
    assert run("A_ij x_j", "--wrt", "A", "--shapes", "A=(2,3)", "x=(3,)") == expected
    assert run("--shapes", "A=2,3", "x=3", "A_ij x_j", "--wrt", "A") == expected


@pytest.mark.parametrize(
    ("shapes", "message"),
    [("B=2,3", "there is no operand 'B'"), ("A=2", "'A' has 2 axes, but 1 size is given")],
)
def test_shapes_that_do_not_fit_have_exit_code_1(run, shapes, message):
    code, out, err = run(*PRODUCT, "--wrt", "A", "--shapes", shapes)
    assert (code, out) == (1, "")
    assert message in err


def test_sizes_that_differ_are_marked_with_carets(run):
    code, _, err = run(*PRODUCT, "--wrt", "A", "--shapes", "A=2,3", "x=4")
    assert code == 1
    assert "\n    ij,j->i\n     ^ ^\n" in err


def test_json_names_the_entry(run):
    _, out, _ = run("x_i A_ij x_j", "--wrt", "x_0", "--json", "--explain")
    assert json.loads(out)["wrt"] == "x_0"
    _, out, _ = run("x_i A_ij x_j", "--wrt", "A[0]", "--json", "--table", "shapes")
    assert json.loads(out)["wrt"] == "A_0q"


def test_json_has_everything(run, files):
    options = ["--json", "--cases", "--explain", "--code", "--table", "forward"]
    code, out, err = run(*GRAM, *options, "--data", "R=R.csv", "--layout", "denominator")
    assert (code, err) == (0, "")
    data = json.loads(out)
    expected = ed.grad("mp,mq->pq", R, R, wrt="R")
    assert data["wrt"] == "R"
    assert data["shape"] == [2, 2, 3, 2]
    assert data["index"] == str(expected)
    assert data["matrix"] == expected.format("matrix", layout="denominator")
    assert data["latex"]["index"] == expected.latex()
    assert data["explain"][-1]["rule"] == "matrix"
    assert data["cases"][-1] == {"value": "0", "condition": "otherwise"}
    assert data["code"] == expected.code(layout="denominator")
    np.testing.assert_array_equal(data["values"], expected.dense())
    np.testing.assert_array_equal(data["values_as_matrix"], expected.matrix("denominator"))


def test_json_of_numbers_that_json_does_not_know(run, tmp_path):
    (tmp_path / "x.csv").write_text("0\n1\n")
    _, out, _ = run("log(x_i)", "--wrt", "x", "--json", "--data", "x=x.csv")
    assert json.loads(out)["values"] == [["inf", 0.0], [0.0, 1.0]]


def test_pictures_are_saved(run, files):
    pytest.importorskip("matplotlib")
    options = ["--data", "R=R.csv", "--diagram", "R.svg", "--plot", "R.png"]
    code, out, err = run(*GRAM, *options)
    assert (code, err) == (0, "")
    assert out.endswith("saved: R.svg\nsaved: R.png\n")
    assert (files / "R.svg").read_text().startswith("<svg")
    assert (files / "R.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_the_module_runs_as_a_command_in_any_encoding(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "einsdiff"]
    done = subprocess.run([*command, *GRAM], capture_output=True, env=environment, check=True)
    assert done.stdout.decode().splitlines() == [
        "∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp",
        "shape: (n, n, m, n)",
    ]
    assert done.stderr == b""
    wrong = subprocess.run(
        [*command, "i->i", "θ", "--wrt", "δ"], capture_output=True, env=environment
    )
    assert wrong.returncode == 1
    assert wrong.stdout == b""
    assert "wrt='θ'" in wrong.stderr.decode()
    assert subprocess.run([*command, "--bad"], capture_output=True, env=environment).returncode == 2


@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_stops_early_is_no_error(tmp_path, lines):
    np.save(tmp_path / "R.npy", np.ones((60, 12)))
    data = ["--data", f"R={tmp_path / 'R.npy'}"] if lines else []
    command = [sys.executable, "-m", "einsdiff", *GRAM, *data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such file")
def test_a_full_disk_is_said_without_a_traceback():
    command = f"{shlex.quote(sys.executable)} -m einsdiff"
    full = subprocess.run(f"{command} x_i > /dev/full", shell=True, capture_output=True)
    assert full.returncode == 1
    assert full.stderr.decode().startswith("einsdiff: ")
    assert full.stderr.count(b"\n") == 1
    closed = subprocess.run(f"{command} x_i >&-", shell=True, capture_output=True)
    assert (closed.returncode, closed.stderr) == (0, b"")
    unheard = subprocess.run(f"{command} x_ 2>&-", shell=True, capture_output=True)
    assert (unheard.returncode, unheard.stdout) == (1, b"")


def test_scalars_are_given_as_operands_without_sizes(capsys):
    assert main(["C x", "--wrt", "x"]) == 0  # a matrix, by its letter
    assert capsys.readouterr().out == (
        "∂f/∂x = C  (numerator layout, vec order C)\nshape: (m, n)\n"
    )
    assert main(["C x", "--wrt", "x", "--shapes", "C="]) == 0
    assert main(["1/2 C V^2", "--wrt", "V", "--shapes", "C=", "V="]) == 0
    assert capsys.readouterr().out == "∂f/∂x = C\nshape: ()\n∂f/∂V = C V\nshape: ()\n"
