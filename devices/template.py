"""Texts with braces, filled with names of the topic and values of paths: ids, channels, answers."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from devices.path import Scope, as_text, compile_path, write_text
from devices.source import Source, Stand

TextGetter = Callable[[Scope], str | None]
_NAME_OR_PATH = re.compile(r"\{([^{}]+)\}")


def write_template(
    source: Source, texts: str | Sequence[str], stand: Stand, topic_names: frozenset[str]
) -> str:
    """Write what fills the first of some templates of which nothing is absent.

    Returns:
        The variable that holds it then, None where there is none. See :func:`compile_template`.
    """
    text = source.variable("text")
    source.line(f"{text} = None")
    with ExitStack() as nested:
        for place, template in enumerate((texts,) if isinstance(texts, str) else texts):
            if place:
                nested.enter_context(source.inside(f"if {text} is None:"))
            _write_one(source, text, template, stand, topic_names)
    return text


def _write_one(
    source: Source, text: str, template: str, stand: Stand, topic_names: frozenset[str]
) -> None:
    pieces = _NAME_OR_PATH.split(template)
    parts = [repr(pieces[0])] if pieces[0] else []
    with ExitStack() as nested:
        for piece, after in zip(pieces[1::2], pieces[2::2], strict=True):
            if piece in topic_names:
                part = f"names[{piece!r}]"
            elif piece == "key":
                part = stand.key
            else:
                part = write_text(source, piece, stand)
                nested.enter_context(source.inside(f"if {part} is not None:"))
            parts += (part, repr(after)) if after else (part,)
        source.line(f"{text} = {' + '.join(parts) or repr('')}")


def compile_template(text: str, topic_names: frozenset[str]) -> TextGetter:
    """Return what fills a text's braces with names of the topic or values of paths.

    One absent value makes the whole absent. Whole numbers are written without a point.
    """
    pieces = _NAME_OR_PATH.split(text)
    if len(pieces) == 1:
        return lambda _: text
    plain, filled = pieces[0::2], pieces[1::2]
    if plain == ["", ""]:
        return _alone(filled[0], topic_names)
    getters = [_alone(piece, topic_names) for piece in filled]

    def get(scope: Scope) -> str | None:
        filled = [plain[0]]
        for getter, after in zip(getters, plain[1:], strict=True):
            value = getter(scope)
            if value is None:
                return None
            filled += (value, after)
        return "".join(filled)

    return get


def placeholders(text: str) -> list[str]:
    """Return what stands in a text's braces."""
    return _NAME_OR_PATH.findall(text)


def _alone(piece: str, topic_names: frozenset[str]) -> TextGetter:
    if piece in topic_names:
        return lambda scope: scope.names.get(piece)
    if piece == "key":
        return lambda scope: scope.key
    get = compile_path(piece)
    return lambda scope: as_text(get(scope))
