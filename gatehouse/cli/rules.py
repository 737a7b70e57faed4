"""``gatehouse rules``: what is noticed, and by which numbers."""

import inspect
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from alerts.rule import Rule
from alerts.rules import RULES
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load

app = typer.Typer(help="What is noticed, and by which numbers.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="rules")


@app.callback()
def group() -> None:
    """Look at the rules."""


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """List the rules.

    Example: gatehouse rules list
    """
    if as_json:
        print(json.dumps([{"name": rule.name, "notices": rule.title} for rule in RULES]))
        return
    width = max(len(rule.name) for rule in RULES)
    for rule in RULES:
        print(f"{rule.name:<{width}}  {rule.title}")


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A rule's name, as listed.")],
    site: Annotated[str | None, typer.Option(help="With the numbers of this site.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Say what a rule notices, and its numbers as set here.

    Example: gatehouse rules explain fever
    """
    rule = _find(name)
    thresholds: BaseModel = getattr(load().thresholds.at(site), rule.section)
    words = inspect.getdoc(type(rule)) or rule.title
    if as_json:
        numbers = thresholds.model_dump()
        print(json.dumps({"name": rule.name, "explanation": words, "thresholds": numbers}))
        return
    print(f"{rule.name}: {rule.title}\n\n{words}\n")
    for line in _numbers(rule.section, thresholds):
        print(line)
    source = (inspect.getdoc(type(thresholds)) or "").partition("Source: ")[2]
    if source:
        print(f"\nSource: {' '.join(source.split())}")


def _find(name: str) -> Rule[Any]:
    for rule in RULES:
        if rule.name == name:
            return rule
    names = ", ".join(rule.name for rule in RULES)
    raise Failure(f"there is no rule {name!r}; there are {names}", code=WRONG_USE)


def _numbers(section: str, thresholds: BaseModel) -> Iterator[str]:
    yield f"[thresholds.{section}] in gatehouse.toml:"
    fields = type(thresholds).model_fields
    width = max(len(name) for name in fields)
    for name, field in fields.items():
        yield f"  {name:<{width}} = {getattr(thresholds, name):<6g} # {field.description}"
