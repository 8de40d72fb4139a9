"""Says a statement of `adapters.sql` in Spark's SQL, with its values bound as typed literals.

SQLGlot reads and writes; what stands here is where the two engines mean different things by the same words. A function
that nobody compared on both engines is refused, so that a new statement cannot come to mean something else unseen.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.parsers.duckdb import DuckDBParser

from m365dq_dagster.core.errors import InternalFault

BLANKS = "".join(chr(code) for code in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000))
"""What DuckDB's `trim` takes off: every kind of blank that Unicode knows; Spark takes off the first alone."""

LOWERED = ("\u0130\u03a3", "i\u03c3")
"""The capitals whose small letter depends, elsewhere than in DuckDB, on its neighbours or is two letters."""

PLAIN = re.compile(r"[^\\${}'\x00-\x1f\x7f-\x9f]*")
"""Texts that mean the same as a literal everywhere; others travel as their bytes."""

ASIDE = 0x10F800
"""Characters for private use that no text of an export holds, from here on."""

HIT = "m365dq_hit"


class _Reader(DuckDB):
    """DuckDB's dialect in which the length of a list is not the length of a text."""

    class Parser(DuckDBParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {
            name: build for name, build in DuckDBParser.FUNCTIONS.items() if name != "LEN"
        }


@dataclass(frozen=True)
class Query:
    """Rows are asked for."""

    text: str


@dataclass(frozen=True)
class Declare:
    """An empty table with these columns (name, type), in place of an earlier one."""

    table: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Make:
    """A table of the rows of a query, in place of an earlier one."""

    table: str
    text: str


@dataclass(frozen=True)
class View:
    """A name for a query, which is read anew wherever it is asked for."""

    table: str
    query: exp.Expression


@dataclass(frozen=True)
class Append:
    """More rows for a table that was declared."""

    table: str
    text: str


@dataclass(frozen=True)
class Clear:
    """All rows of a table go."""

    table: str


@dataclass(frozen=True)
class Drop:
    """A table goes."""

    table: str


Step = Query | Declare | Make | View | Append | Clear | Drop
Columns = Callable[[str], Sequence[str]]


def steps(text: str, values: Mapping[str, object], columns: Columns, views: Mapping[str, exp.Expression]) -> list[Step]:
    """The statements of a text in order. `columns` tells the columns of a table in their order, for one that changes
    rows in place; `views` are those made before, in their order. Raises `InternalFault` where a statement holds what
    was never compared on both engines.
    """
    macros: dict[str, exp.Create] = {}
    known, found = dict(views), list[Step]()
    for tree in _parsed(text):
        if isinstance(tree, exp.Create) and isinstance(tree.this, exp.UserDefinedFunction):
            macros[tree.this.this.name.lower()] = tree
            continue
        step = _step(_inlined(tree.copy(), macros), _Words(values, known), columns)
        if isinstance(step, View):
            known[step.table] = step.query
        found.append(step)
    return found


@dataclass(frozen=True)
class _Words:
    """What a statement may name: bound values, and views."""

    values: Mapping[str, object]
    views: Mapping[str, exp.Expression]

    def spark(self, tree: exp.Expression) -> str:
        """The statement in Spark's SQL, with the views that it reads written before it: a server would bind them to
        the tables of the moment at which they were made.
        """
        said = _said(tree, self.values)
        read = self._read(said)
        ctes = [
            exp.CTE(this=query.copy(), alias=exp.TableAlias(this=exp.to_identifier(name)))
            for name, query in self.views.items()
            if name in read
        ]
        if ctes:
            own = said.args.get("with_")
            said.set("with_", exp.With(expressions=[*ctes, *(own.expressions if own else ())]))
        return said.sql(dialect="spark", identify=True, comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)

    def _read(self, tree: exp.Expression) -> set[str]:
        """The views that a statement reads, and those that they read."""
        names = {table.name for table in tree.find_all(exp.Table)} & set(self.views)
        return names.union(*(self._read(self.views[name]) for name in names))


@cache
def _parsed(text: str) -> list[exp.Expression]:
    return [tree for tree in sqlglot.parse(text, read=_Reader) if isinstance(tree, exp.Expression)]


def literal(value: object) -> exp.Expression:
    """A value as an expression of its own type; a text is never pasted as it is."""
    if value is None:
        return exp.Null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return exp.cast(exp.Literal.string(str(value)), "BIGINT")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InternalFault("A number that is not finite was to be bound to a statement; report this as a fault.")
        return exp.cast(exp.Literal.string(repr(value)), "DOUBLE")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.replace(tzinfo=None).isoformat(" ")), exp.DType.TIMESTAMPNTZ)
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, list):
        return _fn("array", *(literal(one) for one in value or [None]))
    raise InternalFault(
        f"A value of type {type(value).__name__} cannot be bound to a statement; report this as a fault."
    )


def _text(value: str) -> exp.Expression:
    if PLAIN.fullmatch(value):
        return exp.Literal.string(value)
    data = value.encode("utf-8", "replace")
    return exp.cast(exp.HexString(this=data.hex()), "STRING")


def _step(tree: exp.Expression, words: _Words, columns: Columns) -> Step:
    if isinstance(tree, exp.Update):
        name = tree.this.name
        return Make(name, words.spark(_rewritten_rows(tree, columns(name))))
    if isinstance(tree, exp.Delete) and not tree.args.get("where"):
        return Clear(tree.this.name)
    if isinstance(tree, exp.Drop):
        return Drop(next(tree.find_all(exp.Table)).name)
    if isinstance(tree, exp.Insert):
        return Append(tree.this.name, words.spark(tree.expression))
    if isinstance(tree, exp.Create) and tree.kind == "VIEW":
        return View(tree.this.name, _said(tree.expression, words.values))
    if isinstance(tree, exp.Create) and tree.kind == "TABLE":
        if tree.expression is not None:
            return Make(tree.this.name, words.spark(tree.expression))
        kinds = ((one.name, one.kind.sql(dialect="spark")) for one in tree.this.expressions)
        return Declare(tree.this.this.name, tuple(kinds))
    if isinstance(tree, exp.Query):
        return Query(words.spark(tree))
    raise InternalFault(f"A statement ({type(tree).__name__}) runs on one machine alone; report this as a fault.")


def _inlined(tree: exp.Expression, macros: Mapping[str, exp.Create]) -> exp.Expression:
    """The statement with the macros that were made before it written out."""
    for call in list(tree.find_all(exp.Anonymous)):
        macro = macros.get(call.name.lower())
        if macro is not None:
            given = dict(zip((one.name for one in macro.this.expressions), call.expressions, strict=True))
            call.replace(_with(macro.expression.copy(), given))
    return tree


def _with(body: exp.Expression, given: Mapping[str, exp.Expression]) -> exp.Expression:
    for column in list(body.find_all(exp.Column)):
        if not column.table and column.name in given:
            column.replace(given[column.name].copy())
    return exp.paren(body, copy=False)


def _rewritten_rows(tree: exp.Update, columns: Sequence[str]) -> exp.Expression:
    """A change of rows in place as the table's rows made anew; at most one row of the other table may match each."""
    table, source = tree.this.name, tree.args.get("from_")
    condition = tree.args["where"].this if tree.args.get("where") else exp.true()
    new = {one.this.name: one.expression for one in tree.expressions}
    hit = exp.column(HIT, table=source.this.alias_or_name) if source else condition
    picks = [
        exp.alias_(exp.Case().when(hit.copy(), new[name].copy()).else_(exp.column(name, table=table)), name)
        if name in new
        else exp.column(name, table=table)
        for name in columns
    ]
    made = exp.select(*picks).from_(exp.to_table(table))
    if not source:
        return made
    marked = exp.select("*", exp.alias_(exp.true(), HIT)).from_(source.this.copy())
    return made.join(marked.subquery(source.this.alias_or_name), on=condition.copy(), join_type="left")


def _said(tree: exp.Expression, values: Mapping[str, object]) -> exp.Expression:
    """The tree with every part that the engines read differently said in Spark's way, innermost first."""
    for child in list(tree.iter_expressions()):
        said = _said(child, values)
        if said is not child:
            child.replace(said)
    if isinstance(tree, exp.Placeholder):
        return _bound(tree, values)
    if isinstance(tree, exp.Literal):
        return _text(tree.this) if tree.is_string else tree
    if isinstance(tree, exp.Anonymous):
        return _call(tree)
    rule = RULES.get(type(tree))
    if rule is not None:
        return rule(tree)
    if isinstance(tree, exp.Func) and type(tree) not in SAME:
        raise _unknown(tree.sql_name())
    return tree


def _bound(tree: exp.Placeholder, values: Mapping[str, object]) -> exp.Expression:
    if tree.name not in values:
        raise InternalFault(f"A statement asks for ${tree.name}, which was not given; report this as a fault.")
    return literal(values[tree.name])


def _unknown(name: str) -> InternalFault:
    return InternalFault(f"{name} was never compared on both engines, so it is not translated; report this as a fault.")


def _fn(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    """A call that SQLGlot writes as it is."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _call(tree: exp.Anonymous) -> exp.Expression:
    name, given = tree.name.lower(), tree.expressions
    if name not in CALLS:
        raise _unknown(name)
    return CALLS[name](given)


def _number(value: int) -> exp.Expression:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def _micros(moment: exp.Expression) -> exp.Expression:
    return _fn("unix_micros", exp.cast(moment, exp.DType.TIMESTAMPLTZ))


CALLS: Mapping[str, Callable[[Sequence[exp.Expression]], exp.Expression]] = {
    "len": lambda given: _fn("size", *given),
    "to_minutes": lambda given: _fn("make_dt_interval", _number(0), _number(0), given[0], _number(0)),
}


def _trim(tree: exp.Trim) -> exp.Expression:
    taken = tree.expression or exp.Literal.string(BLANKS)
    return exp.Trim(this=tree.this, expression=taken, position=tree.args.get("position") or "BOTH")


def _lower(tree: exp.Lower) -> exp.Expression:
    before, after = (exp.Literal.string(text) for text in LOWERED)
    return exp.Lower(this=_fn("translate", tree.this, before, after))


@cache
def _long_capitals() -> tuple[str, str]:
    """The letters whose capital is several letters elsewhere than in DuckDB, and what DuckDB makes of them."""
    found = [letter for letter in map(chr, range(sys.maxunicode)) if len(letter.upper()) > 1]
    return "".join(found), "".join(map(_capital, found))


def _capital(letter: str) -> str:
    """The one capital of such a letter: a sharp s has one of its own, most others have none."""
    return "\u1e9e" if letter == "\u00df" else letter.title() if len(letter.title()) == 1 else letter


def _upper(tree: exp.Upper) -> exp.Expression:
    """Those letters wait out of its reach while the others are raised."""
    special, plain = _long_capitals()
    aside = "".join(chr(ASIDE + number) for number in range(len(special)))
    waiting, letters, capitals = (exp.Literal.string(text) for text in (aside, special, plain))
    return _fn("translate", exp.Upper(this=_fn("translate", tree.this, letters, waiting)), waiting.copy(), capitals)


def _split(tree: exp.Split) -> exp.Expression:
    """Spark splits at a pattern; one plain character in brackets is itself."""
    at = tree.expression
    if not (isinstance(at, exp.Literal) and len(at.this) == 1 and at.this not in "^]\\"):
        raise _unknown("a split at anything but one plain character")
    return _fn("split", tree.this, exp.Literal.string(f"[{at.this}]"))


def _bracket(tree: exp.Bracket) -> exp.Expression:
    """SQLGlot counts from nought; what lies outside a list is NULL."""
    (at,) = tree.expressions
    if isinstance(at, exp.Slice):
        first, last = int(at.this.name), int(at.expression.name)
        return _fn("slice", tree.this, _number(first), _number(last - first + 1))
    place = int(at.name) + 1 if isinstance(at, exp.Literal) else -(int(at.this.name) - 1)
    return _fn("try_element_at", tree.this, _number(place))


def _order(key: exp.Ordered) -> list[exp.Expression]:
    """A key to sort by, in a struct: empty last, as DuckDB has it. Only numbers can run backwards."""
    value = exp.Neg(this=key.this.copy()) if key.args.get("desc") else key.this.copy()
    return [exp.Is(this=key.this.copy(), expression=exp.Null()), value]


def _is(tree: exp.Is) -> exp.Expression:
    """`IS TRUE` in the words that every server plans."""
    true = isinstance(tree.expression, exp.Boolean) and tree.expression.this
    return exp.Coalesce(this=tree.this, expressions=[exp.false()]) if true else tree


def _contained(tree: exp.ArrayContains) -> exp.Expression:
    """A value looked for in a bound list: Spark plans that better than a list in every row."""
    given = tree.this
    if not (isinstance(given, exp.Anonymous) and given.name == "array"):
        raise _unknown("a value looked for in a list that is not bound")
    return exp.paren(exp.In(this=tree.expression, expressions=given.expressions), copy=False)


def _struct(parts: Mapping[str, exp.Expression]) -> exp.Expression:
    named = [part for name, value in parts.items() for part in (exp.Literal.string(name), value)]
    return _fn("named_struct", *named)


def _sortable(value: exp.Expression, keys: Sequence[exp.Ordered]) -> exp.Expression:
    flat = [part for key in keys for part in _order(key)]
    return _struct({**{f"k{number}": part for number, part in enumerate(flat)}, "v": value})


def _field(value: exp.Expression) -> exp.Expression:
    return exp.Dot(this=value, expression=exp.to_identifier("v"))


def _collected(tree: exp.ArrayAgg) -> exp.Expression:
    """Values of a group as a list, in their order; NULL is not among them."""
    inner, keys = tree.this, []
    if isinstance(inner, exp.Order):
        inner, keys = inner.this, inner.expressions
    distinct = isinstance(inner, exp.Distinct)
    value = inner.expressions[0] if distinct else inner
    plain = all(key.this == value and not key.args.get("desc") for key in keys)
    if distinct and not plain:
        raise _unknown("a list of distinct values in the order of others")
    gathered = _fn("collect_set" if distinct else "collect_list", value if plain else _sortable(value, keys))
    listed = _filtered(tree, gathered)
    if plain:
        return _or_null(tree, listed, _fn("array_sort", listed) if keys else listed)
    one = exp.to_identifier("one")
    ordered = _fn("transform", _fn("array_sort", listed), exp.Lambda(this=_field(exp.column("one")), expressions=[one]))
    return _or_null(tree, listed, ordered)


def _or_null(tree: exp.Expression, listed: exp.Expression, made: exp.Expression) -> exp.Expression:
    """What is gathered from no row is NULL, where a group may have none."""
    grouped = tree.find_ancestor(exp.Select)
    if not isinstance(tree.parent, exp.Filter) and grouped is not None and grouped.args.get("group"):
        return made
    some = exp.GT(this=_fn("size", listed.copy()), expression=_number(0))
    return exp.paren(exp.Case().when(some, made), copy=False)


def _filtered(tree: exp.Expression, gathered: exp.Expression) -> exp.Expression:
    """The filter of an aggregate stands at what gathers, not around what is made of it."""
    outer = tree.parent
    return exp.Filter(this=gathered, expression=outer.expression.copy()) if isinstance(outer, exp.Filter) else gathered


def _filter(tree: exp.Filter) -> exp.Expression:
    return tree.this if isinstance(tree.this, (exp.Paren, exp.Anonymous)) else tree


def _joined(tree: exp.GroupConcat) -> exp.Expression:
    listed = exp.ArrayAgg(this=tree.this)
    listed.parent = tree.parent
    return _fn("array_join", _collected(listed), tree.args["separator"])  # of no list it makes no text


def _first(tree: exp.First) -> exp.Expression:
    """The value that stands first in an order, NULL where that one is NULL."""
    value, keys = tree.this.this, tree.this.expressions
    boxed = _struct({"v": value.copy()})
    flat = [part for key in keys for part in _order(key)]
    return _field(_fn("min_by", boxed, _struct({f"k{number}": part for number, part in enumerate(flat)})))


def _tuple(tree: exp.Tuple) -> exp.Expression:
    if isinstance(tree.parent, exp.Values):
        return tree
    if isinstance(tree.parent, exp.In):
        raise _unknown("several columns in a list")
    return _struct({f"c{number}": part for number, part in enumerate(tree.expressions)})


RULES: Mapping[type[exp.Expression], Callable[..., exp.Expression]] = {
    exp.Trim: _trim,
    exp.Lower: _lower,
    exp.Upper: _upper,
    exp.Split: _split,
    exp.Bracket: _bracket,
    exp.ArrayAgg: _collected,
    exp.Filter: _filter,
    exp.GroupConcat: _joined,
    exp.First: _first,
    exp.Tuple: _tuple,
    exp.Concat: lambda tree: _fn("concat_ws", exp.Literal.string(""), *tree.expressions),
    exp.ArraySort: lambda tree: _fn("array_sort", tree.this),
    exp.ArrayContains: _contained,
    exp.Is: _is,
    exp.Array: lambda tree: _fn("array", *tree.expressions),
    exp.ArgMin: lambda tree: _fn("min_by", tree.this, tree.expression),
    exp.SplitPart: lambda tree: _fn("split_part", tree.this, tree.args["delimiter"], tree.args["part_index"]),
    exp.Contains: lambda tree: _fn("contains", tree.this, tree.expression),
    exp.StartsWith: lambda tree: _fn("startswith", tree.this, tree.expression),
    exp.Replace: lambda tree: _fn("replace", tree.this, tree.expression, tree.args["replacement"]),
    exp.TimeToUnix: lambda tree: exp.Div(
        this=exp.cast(_micros(tree.this), "DOUBLE"), expression=exp.cast(exp.Literal.string("1000000"), "DOUBLE")
    ),
}
"""How a part is said in Spark where SQLGlot's own way means something else, or means it on one engine alone."""

SAME: frozenset[type[exp.Expression]] = frozenset(
    {
        exp.And,
        exp.AnyValue,
        exp.Case,
        exp.Cast,
        exp.Coalesce,
        exp.ConcatWs,
        exp.Count,
        exp.Exists,
        exp.Greatest,
        exp.If,
        exp.Lag,
        exp.Length,
        exp.Ln,
        exp.LogicalOr,
        exp.Max,
        exp.Min,
        exp.Nullif,
        exp.Or,
        exp.RowNumber,
        exp.Sum,
        exp.TimestampTrunc,
    }
)
"""Functions that mean the same on both engines as SQLGlot writes them."""
