r"""How a derivation is made: from the record of a differentiation to lines on a board.

The steps are those that `einsdiff.algebra.derivatives.differentiate.recorded` took. For each
function inside of the expression it tells what its change is made of, and what that became; this
module writes it down three times, with :math:`\partial x/\partial x` as a symbol, with the deltas
that it is, and with the deltas contracted. A function inside of another one gets a name, and is
differentiated first.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> f = einsum([A, x], ["ij", "j"], "i")
>>> J = einsum([x], ["q"], "iiq", {"i": 2})
>>> heading = Heading("f", ("i",), (("A", ("p", "q")),))
>>> print(derive(f, A, J, heading, Letters({"A": (("i", "j"),), "x": (("j",),)})))
f_i = A_ij x_j
    = Σ_j A_ij x_j                  the sum written out
<BLANKLINE>
∂f_i/∂A_pq = ∂A_ij/∂A_pq x_j        x does not depend on A
           = δ_ip δ_jq x_j          ∂A_ij/∂A_pq = δ_ip δ_jq
           = δ_ip x_q               δ_jq: j becomes q
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from einsdiff.algebra.derivatives.differentiate import (
    Change,
    Local,
    derivatives,
    local_derivatives,
    recorded,
)
from einsdiff.algebra.nodes.entry_indices import absorbable
from einsdiff.algebra.nodes.graph import (
    children,
    dependencies,
    substituted,
    topological,
    variables_of,
)
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    constant,
    delta,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, is_zero, partial, scale
from einsdiff.algebra.reading.choice import is_function
from einsdiff.display.derivation.board import Board
from einsdiff.display.derivation.derivation import Derivation, Step
from einsdiff.display.index.index_text import Written, bare_partial, equation, format_heading, write
from einsdiff.display.index.lettering import (
    MOST_FACTORS,
    Heading,
    Letters,
    assigned,
    axes_of,
    places,
    summary,
)
from einsdiff.display.index.lines import (
    contracted,
    counts,
    derivatives_in,
    is_reordered,
    skeleton,
    summed,
)
from einsdiff.display.index.printer import format_index, format_sides
from einsdiff.errors import OperandError
from einsdiff.notation.letters import DUMMY, first_unused, fresh_letters
from einsdiff.notation.trees import (
    Apply,
    Equation,
    Literal,
    Over,
    Partial,
    Product,
    Sum,
    Symbol,
    Tree,
    added,
    product,
    walk,
)

#: A derivation names at most so many functions; no person reads more.
MOST_NAMED = 40
#: What functions of numbers and vectors are called, and those of matrices.
_NAMES = ("uvwrshzg", "UVWSZGH")
#: Names for the arguments in rules of the function table: numbers, and arrays.
_ARGUMENTS = (("tzyx", "snkc", "rmhb"), ("XYZ", "YZX", "ZXY"))


def derive(
    function: Node,
    wrt: Variable,
    result: Node,
    heading: Heading,
    letters: Letters,
    board: Board | None = None,
) -> Derivation:
    """Derive the derivative of a function, with what is printed as the last line.

    It is added to what stands on the board; the steps are left out where they would be longer than
    what is left of it.
    """
    board = Board() if board is None else board
    return _Deriver(function, wrt, heading, letters, board, result).derivation(result)


@dataclass(frozen=True)
class _BoardLine:
    """A line of a derivation: the rule, the expression and its text, and what is said."""

    rule: str
    form: Node
    text: Written
    said: str


class _Deriver:
    """Writes down what a recorded differentiation did."""

    def __init__(
        self,
        root: Node,
        wrt: Variable,
        heading: Heading,
        letters: Letters,
        board: Board,
        result: Node | None = None,
    ) -> None:
        self.root = root
        self.wrt = wrt
        self.heading = heading
        self.board = board
        self.normal_form = board.normal_form
        split = len(heading.letters) - len(wrt.shape)
        self.domain = heading.letters[split:]
        self.letters = Letters({"δ": (), **letters.of}, letters.levels)
        self.nodes = topological([root])
        if len(self.nodes) > MOST_FACTORS:
            raise _too_long(f"of {len(self.nodes)} nodes")
        self.changes = _reaching(root, wrt)
        self.variables = variables_of([root])
        self.meaning: dict[Variable, Node] = {}  # of symbols
        self.results: dict[Node, Node] = {}  # derivatives of what is named, with names in them
        self.known: set[Node] = set()  # whose names stand on the board already
        self.formulas: dict[str, Written] = {}  # in what is said, by their texts
        inner = self._inner()
        #: How many factors the derivatives have when they are written out.
        self.length = self._length(inner, result)
        board.is_full |= self.length > board.room
        self.named = {} if board.is_full else self._names(inner)
        every = (*self.variables, *self.named.values(), wrt)
        self.names = frozenset(v.name for v in every).union(letters.of)
        self.symmetric = frozenset(v.name for v in every if v.symmetric)

    # --- names --------------------------------------------------------------------------------

    def _inner(self) -> list[Node]:
        """List functions that stand in a product or in another function, or at two places."""
        above: dict[Node, list[Node]] = {}
        for node in self.changes:
            for child in set(children(node)):
                above.setdefault(child, []).append(node)
        inner = [
            node
            for node in self.changes
            if node is not self.root
            and not isinstance(node, Variable)
            and not (len(above[node]) == 1 and isinstance(above[node][0], Add))
        ]
        if len(inner) > MOST_NAMED:
            raise _too_long(f"with {len(inner)} functions inside of each other")
        return inner

    def _length(self, inner: Sequence[Node], result: Node | None) -> int:
        """Count the factors of what is to be written, before anything of it is made."""
        lines = [self.changes[n].tangent for n in (*inner, self.root) if n in self.changes]
        length: dict[Node, int] = dict.fromkeys(inner, 1)
        for part in topological(lines):
            length.setdefault(part, 1 + sum(length[child] for child in children(part)))
        total = sum(length[line] for line in lines)
        if result is not None:
            order, _, whole = places(result, self.letters)
            total += 0 if summary(order, whole) else whole[result]
        return total

    def _names(self, inner: Sequence[Node]) -> dict[Node, Variable]:
        """Name the functions inside of the expression."""
        sizes = {size for node in self.nodes for size in node.shape if isinstance(size, str)}
        used = {v.name for v in self.variables} | {self.heading.name, *self.letters.of}
        used |= {*self.heading.letters, *self.letters.all(), *sizes, *self.board.avoided}
        used.update(self.board.names.values())
        named = {}
        for node in inner:
            kept = self.normal_form(node)
            name = self.board.names.get(kept, "")
            if name:
                self.known.add(node)
            else:
                letters = _NAMES[len(node.shape) > 1]
                count = (f"{letters[0]}{k}" for k in range(1, 10 * MOST_NAMED))
                name = next(n for n in (*letters, *count) if n not in used and not is_function(n))
                self.board.names[kept] = name
            used.add(name)
            named[node] = variable(name, node.shape, of=(self.wrt,))
            self.meaning[named[node]] = node
        return named

    def _axes_of(self, node: Node) -> tuple[str, ...]:
        """Choose letters for the axes of an inner function: those of what it is made of."""
        return axes_of(node, self.letters, self.domain)

    def with_names(self, node: Node, but: Node | None = None) -> Node:
        """Write names for the inner functions in an expression, but for one of them."""
        known = {part: name for part, name in self.named.items() if part is not but}
        return substituted(node, known)

    # --- lines --------------------------------------------------------------------------------

    def line(self, node: Node, inner: Callable[[Node], Node]) -> Node:
        """Write the derivative of a node, with what `inner` says are those inside of it."""
        return inner(node) if node is self.wrt else self.normal_form(self.change(node, inner))

    def change(self, node: Node, inner: Callable[[Node], Node]) -> Node:
        """Put the changes of what a node is made of together."""
        found = []
        for child, local in self.locals(node):
            inlined = child not in self.named and not isinstance(child, Variable)
            change = self.change(child, inner) if inlined else inner(child)
            found.append((local.coefficient, local.forwards(change)))
        return add(found, (*node.shape, *self.wrt.shape))

    def locals(self, node: Node) -> Iterator[tuple[Node, Local]]:
        """Yield what the change of a node is made of, with names for the functions inside of it."""
        if isinstance(node, Variable):
            yield from ((local.child, local) for local in self.changes[node].locals)
            return
        inside = {self.with_names(child): child for child in children(node)}
        active = {name for name, child in inside.items() if child in self.changes}
        for local in local_derivatives(self.with_names(node, but=node), active):
            yield inside[local.child], local

    def line_text(
        self, node: Node, axes: Sequence[str], inner: Callable[[Node], Node], form: Node
    ) -> Written:
        """Write the derivative of a node, with the letters that the node is written with.

        Each product is printed with all of its labels as free ones, so that the printer has no
        choice; that is clear only where each summed label stands twice.
        """
        parts = node.terms if isinstance(node, Add) else ((1, node),)
        if node is self.wrt or len(form.shape) != len(axes):
            return self.text(form, axes)
        rank = len(node.shape)
        named = [scale(c, self.with_names(part, node)) for c, part in parts]
        shown = [self.text(term, axes[:rank]).removeprefix("-") for term in named]
        order = sorted(range(len(parts)), key=lambda k: (self.place(named[k]), shown[k]))
        written: list[tuple[int, Tree]] = []
        for c, part in (parts[k] for k in order):
            if part not in self.changes:
                continue
            found: Iterable[Written | None]
            if part in self.named and part is not node:
                found = [self.text(self.normal_form(scale(c, inner(part))), axes)]
            else:
                found = self.terms_text(c, part, axes, inner)
            for term in found:
                if term is None or len(_terms(term)) > 1:
                    return self.text(form, axes)
                written += _terms(term)
        return write(added(written), self.names)

    def terms_text(
        self, c: Number, node: Node, axes: Sequence[str], inner: Callable[[Node], Node]
    ) -> Iterator[Written | None]:
        """Yield the terms that the product rule gives; None where there is no clear one."""
        value = self.with_names(node, but=node)
        if not isinstance(value, Einsum) or not _is_plain(value):
            yield None
            return
        rank = len(value.output)
        _, first, _ = places(value, self.letters)
        used = {*axes, *self.domain}
        letter = assigned(value, tuple(axes[:rank]), self.letters, first, used)
        for child, local in sorted(self.locals(node), key=lambda found: self.place(found[1].child)):
            if child not in self.named and not isinstance(child, Variable):
                yield None
                return
            spread = local._replace(value=tuple(letter))
            factor, change = c * local.coefficient, inner(child)
            whole = self.text(self.normal_form(scale(factor, local.forwards(change))), axes)
            if any(map(_has_range, walk(whole.tree))):
                yield None
                return
            term = self.normal_form(scale(factor, spread.forwards(change)))
            text = self.text(term, (*letter.values(), *axes[rank:]))
            found = counts(text, self.names)
            is_clear = all(found.get(letter[n], 0) > 1 for n in letter if n not in value.output)
            is_sum = isinstance(term, Add) and len(term.terms) > 1
            yield text if is_clear and not is_sum else None

    def place(self, node: Node) -> int:
        """Return the place of the first variable in a node in what the user wrote."""
        order = {name: k for k, name in enumerate(self.letters.of)}
        names = [(v.derivative[0] if v.derivative else v).name for v in variables_of([node])]
        return min((order.get(name, len(order)) for name in names), default=-1)

    def symbol(self, node: Node) -> Node:
        """Return ∂u/∂x as a symbol."""
        if node is self.wrt and not node.shape:
            return constant(1)
        if node is not self.wrt and node not in self.named:
            return self.changes[node].tangent
        symbol = partial(self.named.get(node, self.wrt), self.wrt)
        (own,) = variables_of([symbol])  # in whatever order its axes stand
        self.meaning[own] = self.changes[node].tangent
        if node is not self.wrt:
            axes = (*self._axes_of(node), *self.domain)
            self.letters = self.letters.with_axes(own.name, axes)
        return symbol

    def with_deltas(self, node: Node) -> Node:
        """Return the derivative of a node with its deltas as factors, not yet contracted."""
        return self._opened(self.contracted(node))

    def contracted(self, node: Node) -> Node:
        """Return the derivative of a node."""
        return self.results.get(node, self.changes[node].tangent)

    def _opened(self, node: Node) -> Node:
        if isinstance(node, Add):
            return add([(c, self._opened(term)) for c, term in node.terms], node.shape)
        if isinstance(node, Delta) and node.is_identity:
            return self._delta(node)
        if not isinstance(node, Einsum) or len(set(node.output)) == len(node.output):
            return node
        sizes = dict(enumerate(node.sizes))
        operands, labels = list(node.operands), [list(ls) for ls in node.subscripts]
        output: list[int] = []
        for label in node.output:
            if label in output:
                new = len(sizes)
                sizes[new] = sizes[label]
                operands.append(self._delta(delta(sizes[label])))
                labels.append([label, new])
                label = new
            output.append(label)
        return einsum(operands, labels, output, sizes)

    def _delta(self, meant: Node) -> Variable:
        symbol = variable("δ", meant.shape)
        self.meaning[symbol] = meant
        return symbol

    def text(self, node: Node, axes: Sequence[str]) -> Written:
        return format_index(node, axes, self.letters)

    def named_text(self, *names: str) -> str:
        return self.quoted(*(Written(name, Symbol(name)) for name in names))

    def quoted(self, *texts: Written) -> str:
        """Write formulas in a sentence, and note their trees."""
        self.formulas.update((text, text) for text in texts)
        *first, last = (f"`{text}`" for text in dict.fromkeys(texts))
        return f"{', '.join(first)} and {last}" if first else last

    def derivation(self, result: Node) -> Derivation:
        """Write everything down."""
        head = Heading(self.heading.name, self.heading.axes, self.heading.wrt[:-1])
        if self.board.is_full:
            outline = tuple(self.outline(head, result))
            return Derivation(outline, {}, self.names, self.formulas)
        self.board.room -= self.length
        steps: list[Step] = []
        for node, name in self.named.items():
            axes = self._axes_of(node)
            self.letters = self.letters.with_axes(name.name, axes)
            before = self.board.results.get((self.normal_form(node), self.wrt))
            if before is None:
                steps += self.block(node, Heading(name.name, axes), None)
                self.board.results[self.normal_form(node), self.wrt] = self.contracted(node)
            else:
                self.results[node] = before
        steps += self.block(self.root, head, result)
        names = frozenset(v.name for v in (*self.variables, *self.meaning))
        return Derivation(tuple(steps), dict(self.meaning), names, self.formulas)

    def outline(self, heading: Heading, result: Node) -> Iterator[Step]:
        """Write the function and its derivative, without the steps between."""
        for rule, node, head, said in (
            ("definition", self.root, heading, ""),
            ("collect", result, self.heading, f"the steps, of {self.length} factors, are left out"),
        ):
            left, right = format_sides(node, head, self.letters)
            yield Step(rule, left, "", right, said)

    def block(self, node: Node, heading: Heading, result: Node | None) -> Iterator[Step]:
        """Write the derivation of one function."""
        axes = heading.letters
        value = self.with_names(node, but=node)
        left, right = format_sides(value, heading, self.letters)
        is_inner = result is None
        if node not in self.known:
            yield Step("definition", left, "", right, "Let" if is_inner else "")
        spelled = None if is_inner else self.spelled(right, axes)
        if spelled:
            said = f"the sum{'s' if spelled.count('Σ') > 1 else ''} written out"
            yield Step("expand", left, right, spelled, said, (value, value))
        head = Heading(heading.name, heading.axes, (*heading.wrt, (self.wrt.name, self.domain)))
        if node not in self.changes:
            nothing = add([], (*node.shape, *self.wrt.shape))
            whole, zero = format_sides(nothing, head, self.letters)
            yield Step("constant", whole, "", zero, self.why_zero(node))
            return
        written = self.lines(node, head.letters, result)
        whole, _ = format_sides(written[-1].form, head, self.letters)
        before, before_node = "", written[0].form
        for line in written:
            yield Step(line.rule, whole, before, line.text, line.said, (before_node, line.form))
            before, before_node = line.text, line.form

    def lines(self, node: Node, axes: Sequence[str], result: Node | None) -> list[_BoardLine]:
        """Write the lines of a derivative: with symbols, with what they are, and contracted."""
        rule, said = self.rule(node)
        written: list[_BoardLine] = []
        for inner in (self.symbol, self.with_deltas):
            form = self.line(node, inner)
            text = self.line_text(node, axes, inner, form)
            if written and _is_shorter(text, written[0].text):
                said = "; ".join([said, *self.symmetries(form)])
            self.append(written, _BoardLine(rule, form, text, said))
            said = self.inserted(written[0].text)
            rule = "delta" if "δ" in said else "insert"
        form = self.results[node] = self.line(node, self.contracted)
        self.add_line(written, "contract", form, axes)
        if result is not None:
            self.add_line(written, "collect", result, axes)
        return written

    def add_line(
        self, written: list[_BoardLine], rule: str, form: Node, axes: Sequence[str]
    ) -> None:
        """Add a line, and say how it differs from the one before."""
        before, text = written[-1], self.text(form, axes)
        gone = contracted(before.text, text, axes, self.names)
        said = [
            f"{self.quoted(delta)}: {self.named_text(label)} becomes {self.named_text(kept)}"
            for delta, label, kept in gone
        ]
        if len(said) > 3:
            said = ["the deltas are contracted"]
        was, is_there = (variables_of([node]) for node in (before.form, form))
        inserted = [v.name for v in self.named.values() if v in was and v not in is_there]
        if inserted:
            rule = "insert"
            said.append(f"{self.named_text(*inserted)} inserted")
        is_shorter = _is_shorter(text, before.text)
        if is_shorter and not inserted:
            said += self.symmetries(form)
        if not said:
            is_renamed = skeleton(before.text, axes, self.names) == skeleton(text, axes, self.names)
            said.append(
                "terms are collected"
                if is_shorter
                else "summed indices are renamed"
                if is_renamed
                else "rearranged"
            )
        self.append(written, _BoardLine(rule, form, text, ", ".join(said)))

    def append(self, written: list[_BoardLine], line: _BoardLine) -> None:
        """Add a line; one that is the line before in another order stands in its place."""
        if written and is_reordered(written[-1].text, line.text, self.names, self.symmetric):
            written[-1] = replace(written[-1], form=line.form, text=line.text)
        else:
            written.append(line)

    def symmetries(self, node: Node) -> list[str]:
        """Tell what is symmetric in an expression, where terms were equal."""
        return [
            f"{self.named_text(v.name)} is symmetric" for v in variables_of([node]) if v.symmetric
        ]

    def spelled(self, text: Written, axes: Sequence[str]) -> Written | None:
        """Write a sum of products with a sign for each sum, if there are any."""
        found: list[tuple[int, Tree]] = []
        for sign, part in _terms(text):
            every = sorted(summed(write(part), axes, self.names))
            if every:
                if any(isinstance(tree, Over) for tree in walk(part)):
                    return None  # some are written out already
                factors = part.factors if isinstance(part, Product) else ((part, 1),)
                is_rest = [not isinstance(factor, Literal) for factor, _ in factors]
                n = is_rest.index(True)
                n = n if factors[n][1] > 0 else 0
                over = Over(tuple(every), (None,) * len(every), product(factors[n:]))
                part = product([*factors[:n], (over, 1)])
            found.append((sign, part))
        whole = added(found)
        is_new = any(isinstance(tree, Over) for tree in walk(whole)) and whole != text.tree
        return write(whole, self.names) if is_new else None

    # --- sentences ----------------------------------------------------------------------------

    def parts(self, node: Node) -> list[Node]:
        """List a node and the terms in it that have no name."""
        found = [node]
        for local in self.changes[node].locals:
            child = local.child
            if child in self.changes and child not in self.named:
                found += self.parts(child) if not isinstance(child, Variable) else []
        return found

    def rule(self, node: Node) -> tuple[str, str]:
        """Tell which rules are used for a node."""
        kinds: list[tuple[str, str]] = []
        for part in self.parts(node):
            locals_ = [c for c in self.changes[part].locals if c.child in self.changes]
            if isinstance(part, Add):
                if len(part.terms) > 1:
                    kinds.append(("sum", "term by term"))
            elif isinstance(part, Call):
                kinds += [("chain", self.table_rule(part, c.child)) for c in locals_]
            elif isinstance(part, Einsum) and len(locals_) > 1:
                kinds.append(("product", "product rule"))
            elif isinstance(part, Einsum) and locals_ and locals_[0].coefficient != 1:
                is_power = set(locals_[0].own) <= set(part.output)
                said = "power rule" if is_power else "product rule, the factors are equal"
                kinds.append(("product", said))
            for v in (part, *(local.child for local in locals_)):
                if isinstance(v, Variable) and v is not self.wrt:
                    through = [c.child for c in self.changes[v].locals if c.child is not self.wrt]
                    kinds += [("chain", "chain rule")] * bool(through)
        fixed = [
            v.name
            for v in sorted(variables_of([self.with_names(node, but=node)]), key=self.place)
            if v is not self.wrt and v not in self.named.values() and v not in self.changes
        ]
        texts = list(dict.fromkeys([*(text for _, text in kinds), *self.flat(node)]))
        if fixed and len(fixed) <= 4:
            verb = "does" if len(fixed) == 1 else "do"
            wrt = self.named_text(self.wrt.name)
            texts.append(f"{self.named_text(*fixed)} {verb} not depend on {wrt}")
        rule = next((kind for kind, _ in kinds if kind != "sum"), kinds[0][0] if kinds else "")
        return rule or "product", "; ".join(texts)

    def why_zero(self, node: Node) -> str:
        """Tell why the derivative of a node is zero."""
        if self.wrt not in topological([node], dependencies):
            return f"{self.named_text(self.wrt.name)} does not occur"
        return "; ".join(self.flat(node)) or "the terms cancel"

    def flat(self, node: Node) -> list[str]:
        """List the rules of functions in a node whose derivative is zero."""
        found: dict[str, None] = {}
        for part in topological([self.with_names(node, but=node)]):
            if isinstance(part, Call):
                for arg in part.args:
                    if self.wrt in topological([arg], dependencies) and is_zero(
                        derivatives(part, [arg])[0]
                    ):
                        found[self.table_rule(part, arg)] = None
        return list(found)

    def table_rule(self, node: Call, child: Node) -> str:
        """Write the rule of the function table that is used."""
        function = node.function
        used = {*self.names, self.heading.name}
        given, values = function.cores
        args = []
        for k, (arg, dims) in enumerate(zip(node.args, given, strict=True)):
            letter = first_unused(_ARGUMENTS[len(dims) > 1][min(k, 2)], used, "abcdeg")
            used.add(letter)
            args.append(variable(letter, arg.shape[len(arg.shape) - len(dims) :]))
        k = node.args.index(child)
        whole = call(function, args)
        (rule,) = derivatives(whole, [args[k]])
        take = fresh_letters(used, DUMMY)
        axes, domain = (tuple(next(take) for _ in given_by) for given_by in (values, given[k]))
        blank = Letters()
        value = format_index(whole, axes, blank)
        right = format_index(self.normal_form(rule), (*axes, *domain), blank)
        by = self.quoted(format_heading(Heading(args[k].name, domain)))
        several = f" by {by}" if len(args) > 1 or domain else ""
        chain = "" if child is self.wrt and not child.shape else "chain rule: "
        tree = value.tree
        bare = write(replace(tree, labels=None)) if isinstance(tree, Apply) else value
        named = dict(zip(function.arguments, map(str, args), strict=True))
        because = function.because.format(y=bare, **named)
        reason = f", as one sees by {because}" if because else ""
        is_right = f"{several} is {self.quoted(right)}{reason}"
        return f"{chain}the derivative of {self.quoted(value)}{is_right}"

    def inserted(self, line: str) -> str:
        """Tell what is inserted for the derivatives that stand in a line."""
        there = derivatives_in(line, self.names)
        names = {symbol.base.name for symbol in there}
        said: list[str] = []
        if self.wrt.name in names and self.wrt.shape:
            axes = self.letters_in(there) or self._axes_of(self.wrt)
            left = format_heading(Heading(self.wrt.name, axes, ((self.wrt.name, self.domain),)))
            right = self.text(self.with_deltas(self.wrt), (*axes, *self.domain))
            said.append(self.quoted(equation(left, right)))
        inner = [v.name for v in self.named.values() if v.name in names]
        if inner:
            symbols = [bare_partial(name, [self.wrt.name]) for name in inner]
            said.append(f"{self.quoted(*symbols)} inserted")
        return "; ".join(said)

    def letters_in(self, there: Sequence[Partial]) -> tuple[str, ...]:
        """Return the letters with which ∂x/∂x stands in a line, where they are all different."""
        for symbol in there:
            labels = tuple(label for label in symbol.base.labels if isinstance(label, str))
            is_whole = len({*labels, *self.domain}) == 2 * len(self.wrt.shape)
            is_plain = is_whole and not any(label.isdigit() for label in labels)
            if symbol.base.name == self.wrt.name and is_plain:
                return labels
        return ()


def _too_long(what: str) -> OperandError:
    return OperandError(
        f"a derivation {what} is too long",
        action="explain the derivative of a part of it, or print the formula alone",
    )


def _reaching(root: Node, wrt: Variable) -> dict[Node, Change]:
    """Return what was recorded of the nodes whose change, which is not zero, reaches the root."""
    changes = {c.node: c for c in recorded(root, wrt) if not is_zero(c.tangent)}
    wanted = {root}
    for node in reversed(changes):
        if node in wanted:
            wanted.update(local.child for local in changes[node].locals)
    return {node: change for node, change in changes.items() if node in wanted}


def _terms(text: Written) -> tuple[tuple[int, Tree], ...]:
    """Return the terms of a line with their signs."""
    tree = text.tree
    assert not isinstance(tree, Equation)
    is_bracket = isinstance(tree, Sum) and len(tree.terms) == 1 and tree.terms[0][0] > 0
    return tree.terms if isinstance(tree, Sum) and not is_bracket else ((1, tree),)


def _has_range(tree: Tree) -> bool:
    """Tell whether the range of a label must be written."""
    match tree:
        case Over(sizes=sizes):
            return any(size is not None for size in sizes)
        case Apply(cores=tuple(cores)):
            return any(size is not None for core in cores for _, size in core)
    return False


def _is_shorter(one: Written, other: Written) -> bool:
    """Tell whether a line has fewer terms than another one."""
    return len(_terms(one)) < len(_terms(other))


def _is_plain(node: Einsum) -> bool:
    """Tell whether each label of a product is one that a person would write a letter for."""
    return not absorbable(node) and not node.loose and len(set(node.output)) == len(node.output)
