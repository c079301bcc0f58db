"""The walks along shared labels that matrix products are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

from einsdiff.display.matrix.failing import NoMatrixFormError
from einsdiff.display.matrix.forms import Form, chain, diag, hadamard, ones, transpose
from einsdiff.display.matrix.stacks import tells_size
from einsdiff.notation.subscripts import Size


@dataclass
class Factor:
    """A number, vector or matrix with the labels of its axes."""

    form: Form
    labels: list[Hashable]


#: Why a sum of unit vectors is not written: ``𝟏ᵀ exp(e_0)`` depends on their size.
UNSEEN = "one would not see the size of a vector"


def product(factors: Sequence[Form]) -> Form:
    """Multiply matrices whose inner sizes can be seen."""
    for left, right in pairwise(factors):
        if not tells_size(left, 1) and not tells_size(right):
            raise NoMatrixFormError(UNSEEN)
    return chain(factors)


@dataclass
class Path:
    """Matrices from one end to another.

    An end is the position of an axis of the result, or a vector; a closed path has none.
    """

    start: int | Form | None
    end: int | Form | None
    matrices: list[Form] = field(default_factory=list)

    def reversed(self) -> Path:
        """Walk the other way, along the transposes."""
        return Path(self.end, self.start, [transpose(m) for m in reversed(self.matrices)])

    def column(self) -> Form:
        """Return the vector at the end, multiplied by the matrices before it."""
        assert isinstance(self.end, Form)
        return product([*self.matrices, self.end])


def _stuck(times_out: int) -> NoMatrixFormError:
    if times_out > 1:
        return NoMatrixFormError("an index stands three times in the result")
    return NoMatrixFormError("an index joins three matrices")


class Walks:
    """Factors that are joined by labels, changed until each label joins two ends."""

    def __init__(
        self, factors: list[Factor], output: list[Hashable], sizes: Mapping[Hashable, Size]
    ) -> None:
        self.factors = factors
        self.output = list(output)
        self.sizes = dict(sizes)
        self.fresh = (("new", k) for k in count())
        for factor in factors:
            self._tie(factor)

    def _tie(self, factor: Factor) -> None:
        """Take the diagonal of a matrix both of whose axes have a label that stands elsewhere."""
        if len(factor.labels) == 2 and factor.labels[0] == factor.labels[1]:
            label = factor.labels[0]
            others = sum(f.labels.count(label) for f in self.factors if f is not factor)
            if others or label in self.output:
                factor.form, factor.labels = diag(factor.form), [label]

    def ends(self, label: Hashable) -> tuple[list[Factor], list[Factor], int]:
        """Return the vectors and the matrices at a label, and how often it is in the result."""
        vectors = [f for f in self.factors if len(f.labels) == 1 and f.labels[0] == label]
        matrices = [f for f in self.factors if len(f.labels) == 2 for x in f.labels if x == label]
        return vectors, matrices, self.output.count(label)

    def labels(self) -> list[Hashable]:
        """List the labels of the output and of the factors."""
        inside = (label for factor in self.factors for label in factor.labels)
        return list(dict.fromkeys([*self.output, *inside]))

    def entrywise(self) -> Form | None:
        """Take out a matrix that stands on the diagonal of a tensor with four axes."""
        out = self.output
        if len(out) != 4 or len(set(out)) != 2 or any(out.count(a) != 2 for a in out):
            return None
        a, b = out[:2]
        pair = [f for f in self.factors if set(f.labels) == {a, b}]
        if a == b or not pair:
            return None
        forms = [f.form if f.labels == [a, b] else transpose(f.form) for f in pair]
        self._drop(*pair)
        for label, side in ((a, 0), (b, 1)):
            vectors, matrices, _ = self.ends(label)
            if matrices:
                raise _stuck(2)
            self._drop(*vectors)
            for vector in vectors:
                spread = [ones(self.sizes[a]), ones(self.sizes[b])]
                spread[side] = vector.form
                forms.append(chain([spread[0], transpose(spread[1])]))
        self.output = []
        return hadamard(forms) if len(forms) > 1 else forms[0]

    def reduce(self) -> None:
        """Merge factors until each label stands at two places."""
        while True:
            for label in self.labels():
                vectors, matrices, times_out = self.ends(label)
                found = len(vectors) + len(matrices) + times_out
                if found == 1:
                    self.factors.append(Factor(ones(self.sizes[label]), [label]))
                    break
                if found > 2 and self._eased(label, vectors, matrices, times_out):
                    break
            else:
                break
        for label in self.labels():
            vectors, matrices, times_out = self.ends(label)
            if len(vectors) + len(matrices) + times_out > 2:
                raise _stuck(times_out)

    def _eased(
        self, label: Hashable, vectors: list[Factor], matrices: list[Factor], times_out: int
    ) -> bool:
        """Make a label stand at fewer places, or tell that there is nothing to be done yet."""
        for k, one in enumerate(matrices):
            for other in matrices[k + 1 :]:
                if set(one.labels) == set(other.labels) and one is not other:
                    same = one.labels == other.labels
                    turned = other.form if same else transpose(other.form)
                    one.form = hadamard([one.form, turned])
                    self._drop(other)
                    return True
        for matrix in matrices:
            far = matrix.labels[1 - matrix.labels.index(label)]
            tips, others, out = self.ends(far)
            if len(others) == 1 and not out and far != label:
                tip = hadamard([t.form for t in tips]) if tips else ones(self.sizes[far])
                form = matrix.form if matrix.labels[0] == label else transpose(matrix.form)
                matrix.form, matrix.labels = product([form, tip]), [label]
                self._drop(*tips)
                return True
        rest = len(matrices) + times_out
        if len(vectors) > 1 or not rest:
            joined = vectors if rest else vectors[:-1]  # vectors alone: the last one is an end
            vectors[0].form = hadamard([v.form for v in joined])
            self._drop(*joined[1:])
            return True
        if vectors and rest == 2:
            self._diagonal(label, vectors[0], matrices)
            return True
        if self._waits(label):
            return False
        raise _stuck(times_out)

    def _waits(self, label: Hashable) -> bool:
        """Tell whether another label can still be eased first."""
        for other in self.labels():
            vectors, matrices, times_out = self.ends(other)
            found = len(vectors) + len(matrices) + times_out
            if other != label and (found == 1 or (vectors and found > 2)):
                return True
        return False

    def _diagonal(self, label: Hashable, vector: Factor, matrices: list[Factor]) -> None:
        """Put a vector between the two other ends of a label, as a diagonal matrix."""
        new = next(self.fresh)
        self.sizes[new] = self.sizes[label]
        if matrices:
            last = matrices[-1]
            at = len(last.labels) - 1 - last.labels[::-1].index(label)
            last.labels[at] = new
        else:
            self.output[len(self.output) - 1 - self.output[::-1].index(label)] = new
        vector.form, vector.labels = diag(vector.form), [label, new]

    def _drop(self, *factors: Factor) -> None:
        self.factors = [f for f in self.factors if all(f is not other for other in factors)]

    def paths(self) -> Iterable[Path]:
        """Follow the labels from end to end."""
        left = [f for f in self.factors if f.labels]
        for position, label in enumerate(self.output):
            if position not in self._reached:
                yield self._walk(position, label, left)
        while left:
            ends = [f for f in left if len(f.labels) == 1]
            start = ends[0] if ends else left[0]
            left.remove(start)
            if ends:
                path = self._walk(start.form, start.labels[0], left)
            else:
                path = self._walk(None, start.labels[1], left)
                path.matrices.insert(0, start.form)
            yield path

    _reached: tuple[int, ...] = ()

    def _walk(self, start: int | Form | None, label: Hashable, left: list[Factor]) -> Path:
        path = Path(start, None)
        while True:
            following = [f for f in left if label in f.labels]
            if not following:
                ends = [p for p, other in enumerate(self.output) if other == label and p != start]
                if ends:
                    path.end = ends[0]
                    self._reached = (*self._reached, ends[0])
                return path
            factor = following[0]
            left.remove(factor)
            if len(factor.labels) == 1:
                path.end = factor.form
                return path
            forwards = factor.labels[0] == label
            path.matrices.append(factor.form if forwards else transpose(factor.form))
            label = factor.labels[1] if forwards else factor.labels[0]
