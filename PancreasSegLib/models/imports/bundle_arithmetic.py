"""The few ``$`` expressions of a bundle that say a number, a list or a choice, worked out without running code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

_REFERENCE = re.compile(r"@(\w+(?:(?:::|#)\w+)*)")
_LONGEST = 500
_NUMBERS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {"len": len, "list": list, "tuple": list, "int": int, "float": float}


class NotPlainError(ValueError):
    """The expression is more than arithmetic."""


def worked_out(expression: str, value_of: Callable[[str], Any]) -> Any:
    """Work out numbers, texts, lists, sums, differences, products, lengths, comparisons and ``a if b else c``.

    Parameters
    ----------
    expression : str
        Without the ``$``.
    value_of : callable
        Takes the id of a reference, gives plain data.

    Raises
    ------
    NotPlainError
        If it is anything else; nothing of it was run.
    """
    if len(expression) > _LONGEST:
        raise NotPlainError(expression)
    references: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        references.append(match.group(1).replace("#", "::"))
        return f"_reference_{len(references) - 1}"

    try:
        tree = ast.parse(_REFERENCE.sub(numbered, expression).strip(), mode="eval")
        return _value(tree.body, lambda name: value_of(references[int(name.removeprefix("_reference_"))]))
    except (SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
        raise NotPlainError(expression) from error


def _value(node: ast.AST, value_of: Callable[[str], Any]) -> Any:
    def inner(child: ast.AST) -> Any:
        return _value(child, value_of)

    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.Name(id=name) if name.startswith("_reference_"):
            return value_of(name)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [inner(item) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -inner(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not inner(operand)
        case ast.IfExp(test=test, body=body, orelse=other):
            return inner(body) if inner(test) else inner(other)
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARISONS:
            return _COMPARISONS[type(sign)](inner(left), inner(right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return inner(left) + inner(right)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _NUMBERS:
            first, second = inner(left), inner(right)
            if isinstance(first, (int, float)) and isinstance(second, (int, float)):
                return _NUMBERS[type(sign)](first, second)  # a list times a number could fill any memory
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](inner(argument))
    raise NotPlainError(ast.dump(node)[:80])
