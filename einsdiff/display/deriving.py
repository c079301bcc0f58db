r"""How a derivation is made: from the record of a differentiation to lines on a board.

The steps are those that `einsdiff.algebra.differentiate.recorded` took. For each function inside of
the expression it tells what its change is made of, and what that became; this module writes it down
three times, with :math:`\partial x/\partial x` as a symbol, with the deltas that it is, and with
the deltas contracted. A function inside of another one gets a name, and is differentiated first.

>>> from einsdiff.algebra.nodes import einsum, variable
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

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from einsdiff.algebra.differentiate import Local, derivatives, local_derivatives, recorded
from einsdiff.algebra.graph import children, rebuilt, topological, variables_of
from einsdiff.algebra.nodes import (
    Add,
    Call,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    add,
    call,
    constant,
    delta,
    einsum,
    is_zero,
    partial,
    scale,
    variable,
)
from einsdiff.algebra.orient import normal_form
from einsdiff.display.derivation import Derivation, Step
from einsdiff.display.index import (
    MOST_FACTORS,
    Heading,
    Letters,
    axis_spellings,
    format_heading,
    format_index,
    terms,
)
from einsdiff.errors import OperandError, page
from einsdiff.notation.index import (
    Apply,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    parse_index,
)
from einsdiff.notation.letters import first_unused

__all__ = ["derive"]

#: A derivation names at most so many functions; no person reads more.
MOST_NAMED = 40
#: What functions of numbers and vectors are called, and those of matrices.
_NAMES = ("uvwrshzg", "UVWSZGH")


def derive(
    function: Node, wrt: Variable, result: Node, heading: Heading, letters: Letters
) -> Derivation:
    """Derive the derivative of a function.

    Parameters
    ----------
    function
        The function.
    wrt
        The variable to differentiate by.
    result
        The derivative as it is printed.
    heading
        The left-hand side of the derivative.
    letters
        The user's letters.

    Returns
    -------
    Derivation
        With the last line the derivative.

    Raises
    ------
    OperandError
        There are more than 40 functions inside of each other.
    """
    return _Deriver(function, wrt, heading, letters).derivation(result)


class _Deriver:
    """Writes down what a recorded differentiation did.

    Attributes
    ----------
    changes
        What was recorded, of the nodes whose derivative is not zero.
    named
        The names of functions inside of the expression.
    results
        Their derivatives, with names in them.
    meaning
        What symbols stand for.
    """

    def __init__(self, root: Node, wrt: Variable, heading: Heading, letters: Letters) -> None:
        self.root = root
        self.wrt = wrt
        self.heading = heading
        split = len(heading.letters) - len(wrt.shape)
        self.axes = heading.letters[:split]
        self.domain = heading.letters[split:]
        self.letters = Letters({"δ": (), **letters.of})
        recording = recorded(root, wrt)
        self.changes = {c.node: c for c in recording if not is_zero(c.tangent)}
        self.variables = variables_of([root])
        self.meaning: dict[Variable, Node] = {}
        self.results: dict[Node, Node] = {}
        self.named = self._names()
        self.renamed: dict[Node, Node] = {}

    # --- names --------------------------------------------------------------------------------

    def _names(self) -> dict[Node, Variable]:
        """Name functions that stand in a product or in another function, or at two places."""
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
        if len(inner) > MOST_NAMED or len(topological([self.root])) > MOST_FACTORS:
            raise OperandError(
                page(
                    f"a derivation with {len(inner)} functions inside of each other is too long",
                    action="explain the derivative of a part of it, or print the formula alone",
                )
            )
        used = {v.name for v in self.variables} | {self.heading.name, *self.letters.of}
        named = {}
        for node in inner:
            letters = _NAMES[len(node.shape) > 1]
            count = iter(f"{letters[0]}{k}" for k in range(1, MOST_NAMED + 2))
            name = next(n for n in (*letters, *count) if n not in used)
            used.add(name)
            named[node] = variable(name, node.shape, of=(self.wrt,))
            self.meaning[named[node]] = node
        return named

    def _axes_of(self, node: Node) -> tuple[str, ...]:
        """Choose letters for the axes of an inner function: those of what it is made of."""
        found: list[str] = []
        for axis in range(len(node.shape)):
            spellings = axis_spellings(self.letters, node, axis)
            found.append(first_unused(spellings, {*found, *self.domain}))
        return tuple(found)

    def with_names(self, node: Node, but: Node | None = None) -> Node:
        """Write names for the inner functions in an expression, but for one of them."""
        done: dict[Node, Node] = {}
        for part in topological([node]):
            if part in self.named and part is not but:
                done[part] = self.named[part]
            else:
                done[part] = rebuilt(part, done)
        return done[node]

    # --- lines --------------------------------------------------------------------------------

    def line(self, node: Node, inner: Callable[[Node], Node]) -> Node:
        """Write the derivative of a node, with what `inner` says are those inside of it."""
        if node is self.wrt:
            return inner(node)
        found = []
        for child, local in self.locals(node):
            inlined = child not in self.named and not isinstance(child, Variable)
            change = self.line(child, inner) if inlined else inner(child)
            found.append((local.coefficient, local.forwards(change)))
        return normal_form(add(found, (*node.shape, *self.wrt.shape)))

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
    ) -> str:
        """Write the derivative of a node, with the letters that the node is written with.

        Each product is printed with all of its labels as free ones, so that the printer has no
        choice; that is clear only where each summed label stands twice.
        """
        parts = node.terms if isinstance(node, Add) else ((1, node),)
        if node is self.wrt or len(form.shape) != len(axes):
            return self.text(form, axes)
        text = ""
        for c, part in sorted(parts, key=lambda term: self.place(term[1])):
            if part not in self.changes:
                continue
            for term in self.terms_text(c, part, axes, inner):
                if not term:
                    return self.text(form, axes)
                text += _joined(term, not text)
        return text

    def terms_text(
        self, c: Number, node: Node, axes: Sequence[str], inner: Callable[[Node], Node]
    ) -> Iterator[str]:
        """Yield the terms that the product rule gives; an empty one where there is no clear one."""
        value = self.with_names(node, but=node)
        if not isinstance(value, Einsum) or not _is_plain(value):
            yield ""
            return
        rank = len(value.output)
        letter: dict[Hashable, str] = dict(zip(value.output, axes, strict=False))
        used = {*axes, *self.domain}
        slots = sorted(
            zip(value.operands, value.subscripts, strict=True),
            key=lambda slot: self.place(slot[0]),
        )
        for operand, labels in slots:
            for axis, label in enumerate(labels):
                if label not in letter:
                    spellings = axis_spellings(self.letters, operand, axis)
                    letter[label] = first_unused(spellings, used)
                    used.add(letter[label])
        for child, local in self.locals(node):
            if child not in self.named and not isinstance(child, Variable):
                yield ""
                return
            spread = replace(local, value=tuple(letter))
            product = normal_form(scale(c * local.coefficient, spread.forwards(inner(child))))
            text = self.text(product, (*letter.values(), *axes[rank:]))
            counts = _counts(text)
            is_clear = all(counts.get(letter[n], 0) > 1 for n in letter if n not in value.output)
            yield text if is_clear and not isinstance(product, Add) else ""

    def place(self, node: Node) -> int:
        """Return the place of the first variable in a node in what the user wrote."""
        order = {name: k for k, name in enumerate(self.letters.of)}
        names = [(v.derivative[0] if v.derivative else v).name for v in variables_of([node])]
        return min((order.get(name, len(order)) for name in names), default=-1)

    def symbol(self, node: Node) -> Node:
        """Return ∂u/∂x as a symbol."""
        if node is self.wrt:
            if not node.shape:
                return constant(1)
            symbol = partial(self.wrt, self.wrt)
            self.meaning[_variable(symbol)] = self.changes[node].tangent
            return symbol
        if node in self.named:
            symbol = partial(self.named[node], self.wrt)
            self.meaning[_variable(symbol)] = self.changes[node].tangent
            axes = (*self._axes_of(node), *self.domain)
            self.letters = self.letters.with_axes(_variable(symbol).name, axes)
            return symbol
        return self.changes[node].tangent

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

    # --- text ---------------------------------------------------------------------------------

    def text(self, node: Node, axes: Sequence[str]) -> str:
        return format_index(node, axes, self.letters)

    def derivation(self, result: Node) -> Derivation:
        """Write everything down."""
        steps: list[Step] = []
        for node, name in self.named.items():
            axes = self._axes_of(node)
            self.letters = self.letters.with_axes(name.name, axes)
            steps += self.block(node, Heading(name.name, axes), None)
        head = Heading(self.heading.name, self.heading.axes, self.heading.wrt[:-1])
        steps += self.block(self.root, head, result)
        names = frozenset(v.name for v in (*self.variables, *self.meaning))
        return Derivation(tuple(steps), dict(self.meaning), names)

    def block(self, node: Node, heading: Heading, result: Node | None) -> Iterator[Step]:
        """Write the derivation of one function."""
        axes = heading.letters
        value = self.with_names(node, but=node)
        right = self.text(value, axes)
        left = format_heading(heading)
        is_inner = result is None
        yield Step("definition", left, "", right, "Let" if is_inner else "")
        spelled = "" if is_inner else self.spelled(right, axes)
        if spelled and spelled != right:
            said = f"the sum{'s' if spelled.count('Σ') > 1 else ''} written out"
            yield Step("expand", left, right, spelled, said, (value, value))
        whole = format_heading(
            Heading(heading.name, heading.axes, (*heading.wrt, (self.wrt.name, self.domain)))
        )
        axes = (*axes, *self.domain)
        rule, said = self.rule(node)
        if node not in self.changes:
            zero = self.text(add([], (*node.shape, *self.wrt.shape)), axes)
            yield Step("constant", whole, "", zero, f"`{self.wrt.name}` does not occur")
            return
        written: list[tuple[str, Node, str, str]] = []
        for inner in (self.symbol, self.with_deltas):
            form = self.line(node, inner)
            written.append((rule, form, self.line_text(node, axes, inner, form), said))
            rule = "delta" if self.inserts_deltas(node) else "insert"
            said = self.inserted(node)
        opened = written[-1][2]
        form = self.results[node] = self.line(node, self.contracted)
        written.append(("contract", form, self.text(form, axes), _renamings(opened, axes)))
        if result is not None:
            used = [self.named[n].name for n in self.named]
            inner_names = [v.name for v in variables_of([self.results[node]]) if v.name in used]
            said = f"{_listed(inner_names)} inserted" if inner_names else "terms are collected"
            rule = "insert" if inner_names else "collect"
            written.append((rule, result, self.text(result, axes), said))
        before, before_node = "", written[0][1]
        for rule, form, text, said in written:
            if text == before:
                continue
            yield Step(rule, whole, before, text, said, (before_node, form))
            before, before_node = text, form

    def spelled(self, text: str, axes: Sequence[str]) -> str:
        """Write a sum of products with a sign for each sum, if there are any."""
        if text.startswith("["):
            return ""
        found = ""
        for sign, part in terms(text):
            summed = [] if part.startswith("Σ") else _summed(part, axes)
            if summed:
                number = re.match(r"([0-9./]+ )?", part)
                end = number.end() if number else 0
                part = f"{part[:end]}Σ_{_subscript(summed)} {part[end:]}"
            found += sign + part
        return found if "Σ" in found else ""

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
        if node not in self.changes:
            return "constant", ""
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
        inside = variables_of([self.with_names(node, but=node)])
        fixed = [
            v.name
            for v in sorted(inside, key=self.place)
            if v is not self.wrt and self.wrt not in v.of and v not in self.changes
        ]
        texts = list(dict.fromkeys(text for _, text in kinds))
        if fixed and len(fixed) <= 4:
            verb = "does" if len(fixed) == 1 else "do"
            texts.append(f"{_listed(fixed)} {verb} not depend on `{self.wrt.name}`")
        rule = next((kind for kind, _ in kinds if kind != "sum"), kinds[0][0] if kinds else "")
        return rule or "product", "; ".join(texts)

    def table_rule(self, node: Call, child: Node) -> str:
        """Write the rule of the function table that is used."""
        function = node.function
        used = {v.name for v in self.variables}
        given, values = function.cores
        args = []
        for arg, names in zip(node.args, given, strict=True):
            letter = first_unused("XYZ" if len(names) > 1 else "tsx", used)
            used.add(letter)
            args.append(variable(letter, arg.shape[len(arg.shape) - len(names) :]))
        k = node.args.index(child)
        whole = call(function, args)
        (rule,) = derivatives(whole, [args[k]])
        rank = len(values)
        letters = "ijklmnabcdefgh"
        axes = tuple(letters[:rank])
        domain = tuple(letters[rank : rank + len(args[k].shape)])
        blank = Letters()
        value = format_index(whole, axes, blank)
        right = format_index(rule, (*axes, *domain), blank)
        by = format_heading(Heading(args[k].name, domain))
        several = f" by `{by}`" if len(args) > 1 or domain else ""
        return f"chain rule: the derivative of `{value}`{several} is `{right}`"

    def inserts_deltas(self, node: Node) -> bool:
        return any(
            c.child is self.wrt and self.wrt.shape
            for part in self.parts(node)
            for c in self.changes[part].locals
        )

    def inserted(self, node: Node) -> str:
        """Tell what is inserted for the derivatives inside of a node."""
        said: list[str] = []
        for part in self.parts(node):
            for local in self.changes[part].locals:
                child = local.child
                if child is self.wrt and child.shape:
                    axes = self._axes_of(child)
                    left = format_heading(
                        Heading(self.wrt.name, axes, ((self.wrt.name, self.domain),))
                    )
                    right = self.text(self.with_deltas(child), (*axes, *self.domain))
                    said.append(f"`{left} = {right}`")
                elif child in self.named and child in self.changes:
                    name = self.named[child].name
                    said.append(f"`∂{name}/∂{self.wrt.name}` inserted")
        return "; ".join(dict.fromkeys(said))


def _is_plain(node: Einsum) -> bool:
    """Tell whether each label of a product is one that a person would write a letter for."""
    has_deltas = any(isinstance(operand, Delta) for operand in node.operands)
    return not has_deltas and not node.loose and len(set(node.output)) == len(node.output)


def _variable(node: Node) -> Variable:
    """Return the variable that a symbol is, in whatever order its axes stand."""
    (found,) = variables_of([node])
    return found


def _listed(names: Sequence[str]) -> str:
    *first, last = (f"`{name}`" for name in dict.fromkeys(names))
    return f"{', '.join(first)} and {last}" if first else last


def _subscript(labels: Sequence[str]) -> str:
    is_short = all(len(label) == 1 for label in labels)
    return "".join(labels) if is_short else f"{{{','.join(labels)}}}"


def _trees(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and all trees in it."""
    stack: list[Tree] = [tree]
    while stack:
        one = stack.pop()
        yield one
        if isinstance(one, Sum):
            stack += [term for _, term in reversed(one.terms)]
        elif isinstance(one, Product):
            stack += [factor for factor, _ in reversed(one.factors)]
        elif isinstance(one, Over):
            stack.append(one.body)
        elif isinstance(one, Power):
            stack += [one.exponent, one.base]
        elif isinstance(one, Apply):
            stack += reversed(one.arguments)


def _renamings(text: str, free: Iterable[str]) -> str:
    """Tell which labels the deltas in a text rename.

    >>> _renamings("δ_ip δ_jq x_j", "ipq")
    '`δ_jq`: `j` becomes `q`'
    """
    if text.startswith("["):
        return ""
    free = set(free)
    said = []
    for tree in _trees(parse_index(text)):
        if not isinstance(tree, Symbol) or tree.name != "δ" or len(tree.labels) != 2:
            continue
        one, other = tree.labels
        if not isinstance(one, str) or not isinstance(other, str) or {one, other} <= free:
            continue
        gone, kept = (other, one) if one in free else (one, other)
        said.append(f"`δ_{one}{other}`: `{gone}` becomes `{kept}`")
    said = list(dict.fromkeys(said))
    return ", ".join(said) if len(said) <= 3 else "the deltas are contracted"


def _joined(term: str, is_first: bool) -> str:
    if is_first:
        return term
    return f" - {term[1:]}" if term.startswith("-") else f" + {term}"


def _counts(text: str) -> dict[str, int]:
    """Count the labels in a text."""
    counts: dict[str, int] = {}
    if not text.startswith("["):
        _count(parse_index(text), counts)
    return counts


def _count(tree: Tree, counts: dict[str, int]) -> None:
    for part in _trees(tree):
        symbols = [part.base, *part.wrt] if isinstance(part, Partial) else [part]
        for symbol in symbols:
            labels = symbol.labels or () if isinstance(symbol, Symbol | Apply) else ()
            for label in labels:
                if isinstance(label, str):
                    counts[label] = counts.get(label, 0) + 1


def _summed(text: str, free: Iterable[str]) -> list[str]:
    """List the labels that are summed openly in a product, in order."""
    tree = parse_index(text)
    factors = [factor for factor, _ in tree.factors] if isinstance(tree, Product) else [tree]
    counts: dict[str, int] = {}
    for factor in factors:
        _count(factor, counts)
    return [label for label, n in counts.items() if n > 1 and label not in set(free)]
