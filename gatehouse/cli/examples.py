"""The examples at the end of a command's help, each on a line of its own, as it is typed."""

import inspect
import re

import typer

_BEGIN = re.compile(r"^Examples?:\s*", re.MULTILINE)
_AS_WRITTEN = "\b"
"""Click wraps no line of the paragraph after it."""


def show_examples(app: typer.Typer) -> None:
    """Let the help of every command, those of groups too, end with its examples as they are."""
    for command in app.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        begin = _BEGIN.search(text)
        if begin:
            lines = [line.strip() for line in text[begin.end() :].splitlines() if line.strip()]
            shown = "\n".join([_AS_WRITTEN, begin[0].strip(), *(f"  {line}" for line in lines)])
            command.help = f"{text[: begin.start()]}{shown}"
    for group in app.registered_groups:
        if group.typer_instance is not None:
            show_examples(group.typer_instance)
