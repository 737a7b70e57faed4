"""Rows of tables that documents show, made from the code: what stands there must be what holds.

``python -m tests.docs.tables`` prints all of them, to paste after a change.
"""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from alerts.escalation import Policies, Policy, Step
from alerts.thresholds import Thresholds
from gatehouse.settings import ADDRESSES, SECRETS, Settings
from ingest.broker import MqttSettings

FROM_ENVIRONMENT = frozenset({*ADDRESSES.values(), *SECRETS.values()})
ON_THEIR_OWN = frozenset({("thresholds",), ("escalation",), ("source",)})
"""Sections with tables of their own, or the keys of another one."""


def setting_rows() -> Iterator[str]:
    """Yield how the row of each key of ``gatehouse.toml`` begins: key and default."""
    for path, field in _leaves(Settings, ()):
        yield f"| `{'.'.join(path)}` | {_default(field)} |"


def threshold_rows() -> Iterator[str]:
    """Yield the row of each number the rules compare with."""
    for section, field in Thresholds.model_fields.items():
        if section == "sites":
            continue
        model = _model(field)
        assert model is not None
        for name, number in model.model_fields.items():
            yield f"| `{section}.{name}` | {number.default:g} | {number.description} |"


def policy_rows() -> Iterator[str]:
    """Yield the row of each ladder."""
    policies = Policies()
    for name in Policies.model_fields:
        yield _policy_row(name, policies.named(name))


def _policy_row(name: str, policy: Policy) -> str:
    hours = "always" if policy.hours is None else f"{policy.hours[0]} to {policy.hours[1]} h"
    cells = (
        f"`{name}`",
        "; ".join(map(_step, policy.steps)),
        _span(policy.lapses_after_minutes),
        hours,
        f"{policy.repeats} times, {_span(policy.repeat_every_minutes)} apart"
        if policy.repeats
        else "no",
        _span(policy.again_after_minutes),
    )
    return f"| {' | '.join(cells)} |"


def _step(step: Step) -> str:
    roles = ", ".join(role.value.replace("_", " ") for role in step.roles)
    return f"{_span(step.after_minutes)}: {roles}"


def _span(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"


def _leaves(
    model: type[BaseModel], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        here, section = (*path, name), _model(field)
        if here in FROM_ENVIRONMENT or here in ON_THEIR_OWN:
            continue
        if section:
            yield from _leaves(section, here)
        else:
            yield here, field


def _model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a section, also of one that may be missing."""
    wanted = field.annotation
    choices = get_args(wanted) if get_origin(wanted) is UnionType else (wanted,)
    for choice in choices:
        if isinstance(choice, type) and choice is not NoneType and issubclass(choice, BaseModel):
            return choice
    return None


def _default(field: FieldInfo) -> str:
    known = {"client_id": MqttSettings.model_fields["client_id"].default}
    value: Any = field.get_default(call_default_factory=True, validated_data=known)
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, (StrEnum, Path)):
        value = str(value)
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


if __name__ == "__main__":
    for rows in (setting_rows(), threshold_rows(), policy_rows()):
        sys.stdout.write("\n".join(rows) + "\n\n")
