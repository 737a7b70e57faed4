"""What a snapshot of the registry says, to compare two that were made in different ways."""

from typing import Any

from devices.history import History
from devices.registry import Registry


def contents(registry: Registry) -> dict[str, Any]:
    """Return every part of a snapshot but its version."""
    return {
        name: dict(part.by_key) if isinstance(part, History) else part
        for name, part in vars(registry).items()
        if name != "version"
    }
