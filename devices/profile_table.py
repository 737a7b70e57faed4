"""The families as a table: for the command line, for scripts, and for the README."""

from collections.abc import Sequence
from typing import Any

from devices.clock import DAY, HOUR, MINUTE, SECOND
from devices.profile import Example, Profile

ALL_KINDS = ("temperature", "crossing", "electricity", "lit_window", "device_status")


def as_rows(profiles: Sequence[Profile]) -> list[dict[str, Any]]:
    """Return what there is to say of each family, as JSON has it."""
    return [
        {
            "family": profile.name,
            "vendor": profile.vendor,
            "model": profile.model,
            "transport": profile.transport,
            "topics": [topic for message in profile.message for topic in message.topic],
            "observations": list(kinds(profile)),
            "answers": any(message.reply for message in profile.message),
            "silent_after_s": profile.silent_after and profile.silent_after // SECOND,
            "examples": len(profile.examples),
            "source": profile.source,
            "file": profile.file,
        }
        for profile in profiles
    ]


def as_text(profiles: Sequence[Profile]) -> str:
    """Return a table for a terminal."""
    rows = [("FAMILY", "SILENT AFTER", "OBSERVATIONS", "MODELS")]
    rows += [
        (one.name, duration(one.silent_after), ", ".join(kinds(one)), f"{one.vendor}: {one.model}")
        for one in profiles
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((*(row[column].ljust(widths[column]) for column in range(3)), row[3]))
        for row in rows
    )


def as_page(profile: Profile) -> str:
    """Return all that is to say of one family: its topics, what it gives, and its examples."""
    used = [topic for one in profile.message if one.ignore is None for topic in one.topic]
    passed = [topic for one in profile.message if one.ignore is not None for topic in one.topic]
    facts: list[tuple[str, str]] = [
        ("models", f"{profile.vendor}: {profile.model}"),
        ("way in", profile.transport),
        ("observations", ", ".join(kinds(profile))),
        ("silent after", duration(profile.silent_after)),
        *(("asked", f"every {duration(poll.every)} on {poll.topic}") for poll in profile.poll),
        ("answered", "yes" if any(one.reply for one in profile.message) else "no"),
        *(("topic", topic) for topic in dict.fromkeys(used)),
        *(("ignored", topic) for topic in dict.fromkeys(passed) if topic not in used),
        *(("example", f"{one.says} → {_outcome(one)}") for one in profile.examples),
        ("source", profile.source),
        ("file", profile.file),
    ]
    return "\n".join([profile.name, *(f"  {name:<13} {text}" for name, text in facts)])


def _outcome(example: Example) -> str:
    """Return what an example gives, in a word or two."""
    if example.gives is not None:
        return ", ".join(dict.fromkeys(str(one.get("kind")) for one in example.gives)) or "nothing"
    if example.ignored is not None:
        return f"ignored: {example.ignored}"
    return f"dead letter: {example.dead_letter}"


def as_markdown(profiles: Sequence[Profile]) -> str:
    """Return the table of the README."""
    lines = [
        "| family | models | way in | observations | silent after | examples from |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{one.name}` | {one.vendor}: {one.model} | {one.transport} "
        f"| {', '.join(kinds(one))} | {duration(one.silent_after)} | {one.source} |"
        for one in profiles
    ]
    return "\n".join(lines)


def kinds(profile: Profile) -> tuple[str, ...]:
    """Return the kinds of observation a family can give."""
    given = {block.kind for message in profile.message for block in message.observation}
    if any(message.canonical for message in profile.message):
        return ALL_KINDS
    return tuple(kind for kind in ALL_KINDS if kind in given)


def duration(milliseconds: int | None) -> str:
    """Return a duration as profiles write it; a dash for none."""
    if milliseconds is None:
        return "–"
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if milliseconds % size == 0 and (unit != "d" or milliseconds > DAY):
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds // SECOND}s"
