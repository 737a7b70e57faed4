"""Conditions of a profile: which payloads, and which items of a loop, a block is about."""

from collections.abc import Callable, Container, Iterator, Sequence

from devices.block import Test
from devices.path import Scope, as_text, compile_path, compile_paths, write_get, write_text
from devices.source import Source, Stand
from devices.wildcard import STAR, Wildcards

Condition = Callable[[Scope], bool]
PRESENT = "*"
"""The test that anything but absent passes."""


def compile_condition(
    when: Test | Sequence[Test] | None, unless: Test | Sequence[Test] | None
) -> Condition | None:
    """Return what tells whether a block applies; None where it always does.

    A table holds when all its tests do, a list of tables when one of them does.
    """
    wanted = _any(when) if when else None
    unwanted = _any(unless) if unless else None
    if unwanted is None:
        return wanted
    if wanted is None:
        return lambda scope: not unwanted(scope)
    return lambda scope: wanted(scope) and not unwanted(scope)


def write_tests(
    source: Source,
    when: Test | Sequence[Test] | None,
    unless: Test | Sequence[Test] | None,
    stand: Stand,
) -> Iterator[str]:
    """Write what a block's tests need; yield the expressions that are all true where it applies.

    What the next one needs is written when it is asked for: the caller may go on inside the test.
    """
    for tests, negated in ((when, False), (unless, True)):
        if not tests:
            continue
        paths = _presence(tests)
        if paths:
            yield f"{write_get(source, paths, stand)} is {'' if negated else 'not '}None"
        elif isinstance(tests, dict) and (not negated or len(tests) == 1):
            for path, test in tests.items():
                yield _write_test(source, path, test, stand, negated)
        else:
            holds = source.name(_any(tests), "holds")
            yield f"{'not ' if negated else ''}{holds}({stand.scope})"


def _write_test(source: Source, path: str, test: object, stand: Stand, negated: bool) -> str:
    """Write what gets the value of a path; return the expression of its test."""
    if test == PRESENT:
        return f"{write_get(source, path, stand)} is {'' if negated else 'not '}None"
    words = source.name(_words(test), "words")
    return f"{write_text(source, path, stand)} {'not ' if negated else ''}in {words}"


def _words(test: object) -> Container[str]:
    texts = map(as_text, test if isinstance(test, tuple) else (test,))
    words = frozenset(word for word in texts if word is not None)
    return Wildcards(words) if any(STAR in word for word in words) else words


def _presence(tests: Test | Sequence[Test]) -> list[str]:
    """Return the paths one of which must be there, where the tests ask for nothing else."""
    tables = [tests] if isinstance(tests, dict) else tests
    is_all = all(list(table.values()) == [PRESENT] for table in tables)
    return [path for table in tables for path in table] if is_all else []


def _any(tests: Test | Sequence[Test]) -> Condition:
    tables = [tests] if isinstance(tests, dict) else tests
    if paths := _presence(tests):
        get = compile_paths(paths)
        return lambda scope: get(scope) is not None
    conditions = tuple(_all(table) for table in tables)
    if len(conditions) == 1:
        return conditions[0]

    def holds(scope: Scope) -> bool:
        for condition in conditions:  # noqa: SIM110 - a generator costs more than the tests
            if condition(scope):
                return True
        return False

    return holds


def _all(table: Test) -> Condition:
    conditions = tuple(_test(path, test) for path, test in table.items())
    if len(conditions) == 1:
        return conditions[0]

    def holds(scope: Scope) -> bool:
        for condition in conditions:  # noqa: SIM110 - a generator costs more than the tests
            if not condition(scope):
                return False
        return True

    return holds


def _test(path: str, test: object) -> Condition:
    get = compile_path(path)
    if test == PRESENT:
        return lambda scope: get(scope) is not None
    words = _words(test)
    return lambda scope: as_text(get(scope)) in words
