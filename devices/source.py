"""Functions written for one purpose and compiled once: what a person would write by hand.

A profile, or the line of a measurement, becomes a function without a loop over its fields and
without a question that has been answered already: what such a function costs is mostly the values'
own. Only names that we choose and ``repr`` of plain texts and numbers enter the text; every other
object is named by :meth:`Source.name`.
"""

import linecache
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

_FUNCTION = "written"


class Source:
    """The text of one function, line by line, and the objects it names.

    Args:
        title: What tracebacks call the text, and show of it: of namesakes, the last one's.
        parameters: Of the function, in order.
        known: Objects every such text may name.
    """

    def __init__(
        self, title: str, *parameters: str, known: dict[str, object] | None = None
    ) -> None:
        self._title = f"<{title}>"
        self._lines = [f"def {_FUNCTION}({', '.join(parameters)}):"]
        self._depth = 1
        self._names: dict[str, Any] = dict(known or {})
        self._variables = 0
        self._known: list[dict[str, str]] = [{}]

    def line(self, text: str) -> None:
        """Write one line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def inside(self, header: str) -> Iterator[None]:
        """Write a line that ends with a colon; what is written meanwhile stands inside."""
        self.line(header)
        self._depth += 1
        self._known.append({})
        yield
        self._known.pop()
        self._depth -= 1

    def name(self, value: object, hint: str) -> str:
        """Return a name of this text for an object."""
        name = f"{hint}_{len(self._names)}"
        self._names[name] = value
        return name

    def number(self, value: float) -> str:
        """Return what stands for a number in this text."""
        return repr(value) if math.isfinite(value) else self.name(value, "endless")

    def variable(self, hint: str) -> str:
        """Return a name for a variable that nothing else has."""
        self._variables += 1
        return f"{hint}{self._variables}"

    def once(self, expression: str, hint: str) -> str:
        """Return the variable that holds what an expression gives, written where it is not yet.

        Nobody may set that variable, nor what the expression names.
        """
        known = next((one[expression] for one in self._known if expression in one), "")
        if not known:
            known = self._known[-1][expression] = self.variable(hint)
            self.line(f"{known} = {expression}")
        return known

    def compile(self) -> Callable[..., Any]:
        """Return the function."""
        text = "\n".join(self._lines) + "\n"
        linecache.cache[self._title] = (len(text), None, text.splitlines(True), self._title)
        exec(compile(text, self._title, "exec"), self._names)  # noqa: S102 - see the module's docstring
        function: Callable[..., Any] = self._names[_FUNCTION]
        return function


def no_member(_key: str) -> None:
    """Get a member of what is no object."""


class Stand(NamedTuple):
    """Where a written reader stands, as names and expressions of its text.

    Attributes:
        item: What paths begin at.
        get: What gets a member of it, None where there is none or it is no object.
        scope: The same for callables that take a Scope.
        key: The item's key in the loop it is of.
    """

    item: str
    get: str
    scope: str
    key: str = "''"
