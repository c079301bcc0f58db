r"""Index relations in products: slices, reshapes and index arrays in place of tensors of 0 and 1.

A relation that stands in a product is solved for one of its indices, and the solution is
substituted, which is a view of the factors that have this index, or of the result:

.. math::
    \sum_p \delta_{i+1,\,p}\, x_p &= x_{i+1} \qquad&
    \sum_p \delta_{p,\,3i+j}\, x_p &= x_{3i+j} \\
    \sum_i \delta_{i+1,\,p}\, g_i &= 0 \text{ but for } p = i + 1 \qquad&
    \sum_{ij} \delta_{p,\,3i+j}\, X_{ij} &= X_{\lfloor p/3 \rfloor,\; p \bmod 3} .

An equation of two indices always has the solutions ``a = a0 + u t``, ``b = b0 + v t``, with one new
index t in their place: a slice of every axis that had a or b. An index that is written with digits,
``p = 3 i + j``, is a reshape. For what is neither, a factor is indexed with an array of positions
(a gather), or added up at these (a scatter), or a running sum is taken, as for
``[i ≥ j] x_j``. A tensor of 0 and 1 is formed only where all its indices belong to the result, and
then mostly as a mask.

>>> from einsdiff.numeric.planning.steps import Handle, Steps
>>> steps, x = Steps(), Handle("x", (4,))
>>> relations = [(Relation((1, -1), 1), (0, 1))]
>>> found = contract_related(steps, [(x, (1,))], relations, (0,), (0,), {0: 3, 1: 4})
>>> [(step.op, step.detail, step.shape) for step in steps.instructions]
[('slice', ('1:',), (3,))]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import gcd, prod

from einsdiff.algebra.nodes.relations import Relation, bounds, is_digits, truth
from einsdiff.numeric.planning.contraction import Factor, Factors, Sizes, contract
from einsdiff.numeric.planning.extents import Extent
from einsdiff.numeric.planning.operations import Gather, IndexCondition, IndexSum, Scatter
from einsdiff.numeric.planning.steps import Handle, Labels, Range, Steps
from einsdiff.numeric.planning.views import Contracted, View, laid_out, view, viewed, write

#: What adding an entry up costs, where taking one costs 1. Measured with NumPy 2.4: 0.6 to 2, where
#: entries are taken at positions that may be outside.
SCATTER_COST = 2

#: Relations of indices, and the label of each index.
Relations = Sequence[tuple[Relation, Labels]]


def contract_related(
    steps: Steps, factors: Factors, relations: Relations, output: Labels, order: Labels, size: Sizes
) -> Contracted:
    """Multiply factors and relations, and sum over labels not in the output, which are distinct.

    About in this order they are arranged. Every label has a size, summed ones included.
    """
    product = _LoweredProduct(steps, factors, relations, output, size)
    product.lower()
    return product.finish(order)


@dataclass(frozen=True, slots=True)
class _Join:
    """Labels of the result that are the digits of one label until the product is computed."""

    label: int
    labels: Labels
    output: Labels  # with the joint label


@dataclass(slots=True, eq=False)
class _Bracket:
    """A relation, by its labels."""

    terms: dict[int, int]
    offset: int
    is_equation: bool

    def solved(self, label: int) -> tuple[dict[int, int], int]:
        """Solve for a label, times its coefficient's absolute value: the others, and the offset."""
        sign = -1 if self.terms[label] > 0 else 1
        return {n: sign * c for n, c in self.terms.items() if n != label}, sign * self.offset


class _LoweredProduct:
    """A product whose relations become views and steps, one after the other."""

    def __init__(
        self, steps: Steps, factors: Factors, relations: Relations, output: Labels, size: Sizes
    ) -> None:
        self.steps = steps
        self.factors = list(factors)
        self.relations: list[_Bracket] = []
        for (coefficients, offset, is_equation), labels in relations:
            terms: dict[int, int] = {}
            for label, c in zip(labels, coefficients, strict=True):
                terms[label] = terms.get(label, 0) + c
            self.relations.append(_Bracket(terms, offset, is_equation))
        self.output = list(output)
        self.size = dict(size)  # of the labels that there are
        self.sizes = dict(size)  # of these and those that there were
        self.views: list[View | _Join] = []
        self.masks: list[_Bracket] = []
        # An empty sum is zero, and an empty result has no entries: no step is needed.
        self.vanishes = 0 in self.size.values()

    def lower(self) -> None:
        """Lower all relations; what is a view is tried before what computes something."""
        rules = (
            self.fix,
            self.split,
            self.slice,
            self.merge,
            partial(self.slice, cut=True),
            partial(self.merge, multiply=True),
            self.accumulate,
            self.take,
        )
        while self.settle():
            if not any(rule(relation) for rule in rules for relation in self.relations):
                self.mask(self.relations.pop())

    def settle(self) -> bool:
        """Bring relations into lowest terms, drop those that always hold; False if none is left."""
        kept = []
        for relation in self.relations:
            terms = {n: c for n, c in relation.terms.items() if c and self.size[n] != 1}
            holds = truth(
                Relation(tuple(terms.values()), relation.offset, relation.is_equation),
                [self.size[n] for n in terms],
            )
            divisor = gcd(*terms.values()) or 1
            if holds is False or (relation.is_equation and relation.offset % divisor):
                self.vanishes = True
            if holds is None:
                relation.terms = {n: c // divisor for n, c in terms.items()}
                relation.offset //= divisor  # of inequalities, rounded down
                kept.append(relation)
        self.relations = [] if self.vanishes else kept
        self.factors = [self.steps.diagonal(*factor) for factor in self.factors]
        return bool(self.relations)

    # What is known of labels.

    def is_shared(self, label: int) -> bool:
        """Whether a label stands in several relations."""
        return sum(label in relation.terms for relation in (*self.relations, *self.masks)) > 1

    def carriers(self, labels: Iterable[int]) -> list[int]:
        """List the positions of the factors that have any of these labels."""
        wanted = set(labels)
        return [k for k, (_, own) in enumerate(self.factors) if not wanted.isdisjoint(own)]

    def carried(self) -> set[int]:
        return {n for _, labels in self.factors for n in labels}

    def extent(self, labels: Iterable[int]) -> int:
        return prod(self.size[n] for n in labels)

    def reach(self, terms: Mapping[int, int], offset: int) -> tuple[float, float]:
        """Return the least and the largest value of a sum of indices."""
        return bounds(tuple(terms.values()), offset, [self.size[n] for n in terms])

    def new_label(self, size: int) -> int:
        label = self.steps.new_label()
        self.size[label] = self.sizes[label] = size
        return label

    # Substitutions, which are views.

    def substitute(self, step: View) -> None:
        """Replace a label in the factors and in the result."""
        for k in self.carriers([step.label]):
            self.factors[k] = view(self.steps, *self.factors[k], [step])
        if step.label in self.output:
            self.views.append(step)
            place = self.output.index(step.label)
            self.output[place : place + 1] = [n for n in step.labels if n not in self.output]
        del self.size[step.label]

    def replace(self, label: int, terms: Mapping[int, int], offset: int) -> None:
        """Put a sum of indices in the place of an index, in the relations."""
        for relation in (*self.relations, *self.masks):
            c = relation.terms.pop(label, 0)
            relation.offset += c * offset
            for n, k in terms.items():
                relation.terms[n] = relation.terms.get(n, 0) + c * k

    def restrict(self, label: int, new: int, taken: Range) -> None:
        """Let an index run over a range only."""
        self.replace(label, {new: taken.step}, taken.start)
        is_all = taken.is_all(self.size[label])
        self.substitute(View(label, (new,), (taken.count,), None if is_all else taken))

    def fix(self, relation: _Bracket) -> bool:
        """Settle one index: an equation sets it, an inequality is a range of it."""
        if len(relation.terms) != 1:
            return False
        # The coefficient is 1 or -1, and some of the indices hold, but not all: see `settle`.
        ((label, c),) = relation.terms.items()
        n = self.size[label]
        self.relations.remove(relation)
        if relation.is_equation:
            value = -c * relation.offset
            self.replace(label, {}, value)
            self.substitute(View(label, (), (), value))
        else:
            start, stop = (-relation.offset, n) if c > 0 else (0, relation.offset + 1)
            new = self.new_label(stop - start)
            self.restrict(label, new, Range(start, 1, stop - start))
        return True

    def slice(self, relation: _Bracket, cut: bool = False) -> bool:
        """Put one index in the place of two, ``a = a0 + u t`` and ``b = b0 + v t``.

        Unless `cut`, an index of other relations too must run over all of its range: one that is
        cut has no digits any more.
        """
        if len(relation.terms) != 2 or not relation.is_equation:
            return False
        (a, p), (b, q) = relation.terms.items()
        found = _solutions(p, q, relation.offset, self.size[a], self.size[b])
        if found is None:
            self.vanishes = True
            return True
        # An axis of the result is not to be reversed.
        first = 1 if b in self.output and a not in self.output else 0
        if found[first].step < 0:
            found = found[0].reversed(), found[1].reversed()
        both = list(zip((a, b), found, strict=True))
        if not cut and any(
            self.is_shared(n) and not taken.is_all(self.size[n]) for n, taken in both
        ):
            return False
        self.relations.remove(relation)
        new = self.new_label(found[0].count)
        for label, taken in both:
            self.restrict(label, new, taken)
        return True

    def split(self, relation: _Bracket) -> bool:
        """Split the index that is the number whose digits are the others."""
        if not relation.is_equation or relation.offset or len(relation.terms) < 3:
            return False
        for label, c in relation.terms.items():
            terms, _ = relation.solved(label)
            digits = _by_value(terms)
            sizes = tuple(self.size[n] for n in digits)
            if abs(c) != 1 or prod(sizes) != self.size[label] or self.is_shared(label):
                continue
            if is_digits([terms[n] for n in digits], sizes):
                self.relations.remove(relation)
                self.substitute(View(label, digits, sizes))
                return True
        return False

    def merge(self, relation: _Bracket, multiply: bool = False) -> bool:
        """Put one index in the place of some that are the digits of a number.

        Factors that have only some of them are left alone, or else multiplied.
        """
        for digits in self.digits(relation):
            wanted = set(digits)
            carriers = self.carriers(digits)
            if not all(wanted.issubset(self.factors[k][1]) for k in carriers):
                if not multiply or not wanted.issubset(self.labels_of(carriers)):
                    continue
                carriers = [self.multiply(carriers)]
            new = self.new_label(self.extent(digits))
            for k in carriers:
                self.factors[k] = _merged(self.steps, self.factors[k], digits, new)
            if digits[0] in self.output:
                self.output = [
                    new if n == digits[0] else n
                    for n in self.output
                    if n == digits[0] or n not in wanted
                ]
                self.views.append(_Join(new, digits, tuple(self.output)))
            relation.terms[new] = relation.terms[digits[-1]]
            for n in digits:
                del relation.terms[n], self.size[n]
            return True
        return False

    def digits(self, relation: _Bracket) -> Iterable[Labels]:
        """List groups of labels that are the digits of a number, leading digit first."""
        if not relation.is_equation:
            return
        terms = relation.terms
        free = [n for n in terms if not self.is_shared(n)]
        for count in range(len(free), 1, -1):
            for chosen in combinations(free, count):
                group = _by_value({n: terms[n] for n in chosen})
                values = [terms[n] // terms[group[-1]] for n in group]
                inside = [n in self.output for n in group]
                if (
                    all(
                        c * terms[group[-1]] == terms[n] for n, c in zip(group, values, strict=True)
                    )
                    and is_digits(values, [self.size[n] for n in group])
                    and all(inside) == any(inside)
                ):
                    yield group

    def labels_of(self, chosen: Iterable[int]) -> dict[int, None]:
        return dict.fromkeys(n for k in chosen for n in self.factors[k][1])

    def multiply(self, chosen: Sequence[int]) -> int:
        """Multiply some of the factors; return the position of their product."""
        own = self.labels_of(chosen)
        kept = self.needed(chosen)
        group = [self.factors[k] for k in chosen]
        rest = [factor for k, factor in enumerate(self.factors) if k not in chosen]
        self.factors = [*rest, contract(self.steps, group, kept, kept, self.size)]
        for n in own:
            if n not in kept:
                del self.size[n]
        return len(rest)

    def needed(self, chosen: Sequence[int]) -> Labels:
        """List the labels of some factors that stand elsewhere, too."""
        elsewhere = set(self.output)
        elsewhere.update(n for relation in self.relations for n in relation.terms)
        for k, (_, labels) in enumerate(self.factors):
            if k not in chosen:
                elsewhere.update(labels)
        return tuple(n for n in self.labels_of(chosen) if n in elsewhere)

    # Steps that compute something.

    def positions(self, terms: Mapping[int, int], offset: int) -> Handle:
        """Make the array of the values of a sum of indices."""
        shape = tuple(self.size[n] for n in terms)
        return self.steps.emit(
            "positions", [], shape, IndexSum(tuple(terms.values()), offset, shape)
        )

    def accumulate(self, relation: _Bracket) -> bool:
        """Sum over all indices up to some other one: a running sum."""
        if relation.is_equation:
            return False
        for label, c in relation.terms.items():
            chosen = self.carriers([label])
            others = {n: k for n, k in relation.terms.items() if n != label}
            if (
                abs(c) != 1
                or label in self.output
                or self.is_shared(label)
                or not chosen
                or not others.keys().isdisjoint(self.labels_of(chosen))
                or self.extent(self.needed(chosen))
                > sum(self.extent(self.factors[k][1]) for k in chosen)
            ):
                continue
            (k,) = chosen if len(chosen) == 1 else [self.multiply(chosen)]
            self.factors[k] = self.running_sum(self.factors[k], label, c, others, relation.offset)
            self.relations.remove(relation)
            del self.size[label]
            return True
        return False

    def running_sum(
        self, factor: Factor, label: int, c: int, others: Mapping[int, int], offset: int
    ) -> Factor:
        """Sum over a label up to ``sum(others) + offset``, or from minus that on if c is 1."""
        array, rest = _led_by(self.steps, factor, (label,))
        n = self.size[label]
        if c > 0:  # from the other end
            array = self.steps.slice(array, {0: Range(n - 1, -1, n)})
            offset += n - 1
        low, high = self.reach(others, offset)
        # The sum of none comes first, if it is needed: in front of what is up to index 0.
        before = 1 if low < 0 else 0
        sums = self.steps.emit("cumsum", [array], (n + before, *array.shape[1:]), bool(before))
        labels = (*others, *rest)
        if len(others) == 1 and low >= -1 and high < n:
            ((other, step),) = others.items()
            taken = Range(offset + before, step, self.size[other])
            return self.steps.slice(sums, {0: taken}), labels
        where = self.positions(others, offset + before)
        shape = [*where.shape, *array.shape[1:]]
        outside = "clip" if low < -1 or high >= n else "none"
        detail = Gather(n + before, 1, outside, len(others))
        return self.steps.emit("gather", [sums, where], shape, detail), labels

    def take(self, relation: _Bracket) -> bool:
        """Solve an equation for one index: take entries at positions, or add them up there."""
        if not relation.is_equation:
            return False
        ways = [way for label in relation.terms for way in self.ways(relation, label)]
        if not ways:
            return False
        _, rule, label = min(ways, key=lambda way: way[0])
        {"gather": self.gather, "scatter": self.scatter, "bound": self.bound}[rule](relation, label)
        return True

    def ways(self, relation: _Bracket, label: int) -> Iterable[tuple[int, str, int]]:
        """List what can be done with one index of an equation, with costs."""
        others = [n for n in relation.terms if n != label]
        chosen = self.carriers([label])
        unit = abs(relation.terms[label]) == 1
        if label not in self.output and (unit or not self.is_shared(label)):
            if chosen:
                results = [{*others, *self.factors[k][1]} - {label} for k in chosen]
                yield sum(self.extent(result) for result in results), "gather", label
            elif unit:
                yield self.extent(others), "bound", label
        if not unit or any(n in self.output or self.is_shared(n) for n in others):
            return
        sources = self.carriers(others)
        if len(sources) == 1 and sources != chosen:
            ((array, labels),) = (self.factors[k] for k in sources)
            if set(others).issubset(labels):
                target = self.extent({label, *labels}.difference(others))
                terms, _ = relation.solved(label)
                cost = 1 if self.is_injective(terms) else SCATTER_COST
                yield cost * prod(array.shape) + target, "scatter", label

    def is_injective(self, terms: Mapping[int, int]) -> bool:
        """Whether no two tuples of indices have one position, as digits with gaps between them."""
        reach = 0
        for c, size in sorted((abs(c), self.size[n]) for n, c in terms.items()):
            if c <= reach:
                return False
            reach += c * (size - 1)
        return True

    def gather(self, relation: _Bracket, label: int) -> None:
        """Index the factors that have a label by what it equals."""
        divisor = abs(relation.terms[label])
        terms, offset = relation.solved(label)
        n = self.size[label]
        low, high = self.reach(terms, offset)
        is_inside = divisor == 1 and low >= 0 and high < n
        where = self.positions(terms, offset)
        others = tuple(terms)
        for k in self.carriers([label]):
            shared = tuple(other for other in self.factors[k][1] if other in terms)
            array, rest = _led_by(self.steps, self.factors[k], (label, *shared))
            places = tuple(map(others.index, shared))
            outside = "none" if is_inside else "zero"
            detail = Gather(n, divisor, outside, len(others), places)
            shape = [*where.shape, *array.shape[1 + len(shared) :]]
            taken = self.steps.emit("gather", [array, where], shape, detail)
            self.factors[k] = taken, (*others, *rest)
        self.relations.remove(relation)
        if divisor == 1:
            self.replace(label, terms, offset)
        del self.size[label]

    def scatter(self, relation: _Bracket, label: int) -> None:
        """Add the entries of a factor up at the positions that its labels stand for."""
        terms, offset = relation.solved(label)
        n = self.size[label]
        low, high = self.reach(terms, offset)
        where = self.positions(terms, offset)
        (k,) = self.carriers(terms)
        array, rest = _led_by(self.steps, self.factors[k], tuple(terms))
        detail = Scatter(n, low >= 0 and high < n, self.is_injective(terms))
        shape = (n, *array.shape[len(terms) :])
        added = self.steps.emit("scatter", [array, where], shape, detail)
        self.factors[k] = added, (label, *rest)
        self.relations.remove(relation)
        for other in terms:
            del self.size[other]

    def bound(self, relation: _Bracket, label: int) -> None:
        """Sum over an index that stands here only: what it equals must be in its range."""
        terms, offset = relation.solved(label)
        n = self.size[label]
        self.relations.remove(relation)
        self.replace(label, terms, offset)
        self.relations.append(_Bracket(dict(terms), offset, False))
        self.relations.append(_Bracket({n: -c for n, c in terms.items()}, n - 1 - offset, False))
        del self.size[label]

    def mask(self, relation: _Bracket) -> None:
        """Put zeros where a relation does not hold, or multiply by a tensor of 0 and 1."""
        wanted = set(relation.terms)
        found = [k for k, (_, labels) in enumerate(self.factors) if wanted.issubset(labels)]
        if found:
            k = min(found, key=lambda k: prod(self.factors[k][0].shape))
            self.factors[k] = self.masked(self.factors[k], relation)
        elif wanted.issubset(self.output) and wanted.issubset(self.carried()):
            self.masks.append(relation)
        else:
            shape = tuple(self.size[n] for n in relation.terms)
            indices = IndexSum(tuple(relation.terms.values()), relation.offset, shape)
            detail = IndexCondition(indices, relation.is_equation)
            dense = self.steps.emit("relation", [], shape, detail)
            self.factors.append((dense, tuple(relation.terms)))

    def masked(self, factor: Factor, relation: _Bracket) -> Factor:
        array, labels = factor
        coefficients = tuple(relation.terms.get(n, 0) for n in labels)
        indices = IndexSum(coefficients, relation.offset, array.shape)
        detail = IndexCondition(indices, relation.is_equation)
        return self.steps.emit("mask", [array], array.shape, detail), labels

    # The result.

    def finish(self, order: Labels) -> Contracted:
        """Contract what is left, without relations."""
        if self.vanishes:
            return Contracted(None, (), (), 0)
        carried = self.carried()
        factor = 1
        for label, n in self.size.items():
            if label in carried or label in self.output:
                continue
            if isinstance(n, Extent):  # no number can remember its name in all that it may become
                self.factors.append((self.steps.emit("size", [], (), n), ()))
            else:
                factor *= n
        if not self.factors:
            return self.unjoined(Contracted(None, (), (), factor))
        for step in self.views:
            if isinstance(step, View):
                order = tuple(dict.fromkeys(viewed(order, step)))
            else:
                order = tuple(dict.fromkeys(step.label if n in step.labels else n for n in order))
        order = tuple(n for n in order if n in carried)
        found = contract(self.steps, self.factors, order, order, self.size)
        for relation in self.masks:
            found = self.masked(found, relation)
        return self.unjoined(Contracted(*found, (), factor))

    def unjoined(self, found: Contracted) -> Contracted:
        """Split labels of the result that were joined for a while."""
        views = list(self.views)
        later: list[View] = []
        while views:
            step = views.pop()
            if isinstance(step, View):
                later.insert(0, step)
                continue
            found = self.written(found, tuple(later), step.output)
            later = []
            if found.array is not None and step.label in found.labels:
                sizes = tuple(self.sizes[n] for n in step.labels)
                digits = View(step.label, step.labels, sizes)
                array, labels = view(self.steps, found.array, found.labels, [digits])
                found = Contracted(array, labels, (), found.factor)
        return Contracted(found.array, found.labels, tuple(later), found.factor)

    def written(self, found: Contracted, views: tuple[View, ...], layout: Labels) -> Contracted:
        """Write a product with views into an array without."""
        if not views:
            return found
        whole = Contracted(found.array, found.labels, views)
        shape = tuple(self.sizes[n] for n in layout)
        out = laid_out(self.steps, whole, layout, shape)
        if out is None:
            out = self.steps.emit("zeros", [], shape)
            write(self.steps, out, layout, whole)
        return Contracted(out, layout, (), found.factor)


def _by_value(terms: Mapping[int, int]) -> Labels:
    """List labels by the size of their coefficients, the largest first."""
    return tuple(sorted(terms, key=lambda n: -abs(terms[n])))


def _led_by(steps: Steps, factor: Factor, leading: Labels) -> Factor:
    """Move some axes to the front; return also the labels of the others."""
    array, labels = factor
    rest = tuple(n for n in labels if n not in leading)
    return steps.transpose(array, [labels.index(n) for n in (*leading, *rest)]), rest


def _merged(steps: Steps, factor: Factor, digits: Labels, new: int) -> Factor:
    """Merge the axes of digits, at the place of the first of them."""
    array, labels = factor
    rest = [n for n in labels if n not in digits]
    first = min(map(labels.index, digits))
    order = (*rest[:first], *digits, *rest[first:])
    array = steps.transpose(array, [labels.index(n) for n in order])
    count = prod(array.shape[first : first + len(digits)])
    shape = (*array.shape[:first], count, *array.shape[first + len(digits) :])
    return steps.reshape(array, shape), (*rest[:first], new, *rest[first:])


def _solutions(p: int, q: int, offset: int, m: int, n: int) -> tuple[Range, Range] | None:
    """Solve ``p a + q b + offset = 0``, with p and q coprime, for a < m and b < n.

    >>> _solutions(1, -1, 1, 3, 4)  # a + 1 = b
    (Range(start=0, step=1, count=3), Range(start=1, step=1, count=3))
    >>> _solutions(2, 3, -7, 9, 9)  # only 2*2 + 3*1 = 7
    (Range(start=2, step=3, count=1), Range(start=1, step=-2, count=1))
    """
    sign = -1 if q > 0 else 1  # a grows with t
    u, v = abs(q), sign * p
    a = -offset * pow(p, -1, u) % u if u > 1 else 0
    b = (-offset - p * a) // q
    low, high = -(a // u), (m - 1 - a) // u
    bottom, top = -b, n - 1 - b  # of v t
    low = max(low, -(-bottom // v) if v > 0 else -(-top // v))
    high = min(high, top // v if v > 0 else bottom // v)
    if high < low:
        return None
    count = high - low + 1
    return Range(a + u * low, u, count), Range(b + v * low, v, count)
