"""Device profiles: what one device family sends, as TOML. ``profiles/README.md`` is the language.

``block.py`` has the shape of the file's blocks, ``compile.py`` turns them into functions,
``example.py`` runs the examples.
"""

import re
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator

from devices.block import Block, MessageBlock, Reply, Strict, Zone
from devices.clock import DAY, HOUR, MINUTE, SECOND
from devices.outcome import DeadLetterReason, IgnoredReason

_DURATION = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_BRACES = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{1,63}")
_KEY = re.compile(r"(?!str$|bool$)[a-z_]+")
_CLEAR = {"extra_forbidden": "unknown key", "value_error": "", "missing": "missing"}
"""pydantic's problems that say what to do, the clearest first, and our words for them."""


class ProfileError(Exception):
    """A profile cannot be used: file, line where it is known, and reason."""


class Earlier(Strict):
    """A message by its topic and payload."""

    topic: str
    payload: str | None = None
    payload_hex: str | None = None

    @model_validator(mode="after")
    def _has_a_payload(self) -> Self:
        if (self.payload is None) == (self.payload_hex is None):
            raise ValueError("needs either payload or payload_hex")
        return self

    @property
    def bytes(self) -> bytes:
        """The payload as published."""
        if self.payload_hex is not None:
            return bytes.fromhex(self.payload_hex)
        return (self.payload or "").encode()


class Example(Earlier):
    """A payload and what it must give; the profile's test and its documentation.

    Attributes:
        before: What the device said of itself before.
        asks: The topic to which a question is published, where a message cannot be read.
    """

    says: str
    source: str = ""
    before: tuple[Earlier, ...] = ()
    asks: str | None = None
    at: str = "2020-02-14T12:00:00Z"
    zone: Zone = ZoneInfo("Asia/Shanghai")
    retained: bool = False
    persons: dict[str, str] | None = None
    gives: tuple[dict[str, Any], ...] | None = None
    ignored: IgnoredReason | None = None
    dead_letter: DeadLetterReason | None = None
    reply: Reply | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if sum(x is not None for x in (self.gives, self.ignored, self.dead_letter)) != 1:
            raise ValueError("needs one of gives, ignored and dead_letter")
        return self


class Poll(Strict):
    """What devices that only answer are asked, and how often.

    Attributes:
        every: Milliseconds between two questions.
        topic: Where to; a level of its own is ``{device}`` or ``{gateway}``, the device's own.
        format: How the payload is written: as text, from hex digits, or as a DL/T 645 request
            from an address and an identifier.
        payload: What is asked, with the same names in braces.
    """

    every: int
    topic: str
    format: Literal["text", "hex", "dlt645"] = "text"
    payload: str = ""

    @field_validator("every", mode="before")
    @classmethod
    def _duration(cls, text: object) -> object:
        every = _milliseconds(text)
        if isinstance(every, int) and every < MINUTE:
            raise ValueError("ask at most once a minute")
        return every

    @model_validator(mode="after")
    def _asks_its_own(self) -> "Poll":
        """Refuse a topic that belongs to no device, or to others too."""
        levels = self.topic.split("/")
        if not {"{device}", "{gateway}"} & set(levels):
            raise ValueError(f"poll topic {self.topic!r} would be the same for every device")
        if "+" in self.topic or "#" in self.topic or self.topic.startswith("$"):
            raise ValueError(f"poll topic {self.topic!r} is no topic to publish to")
        names = set(_BRACES.findall(self.topic + self.payload))
        if names - {"device", "gateway"}:
            raise ValueError("a poll knows {device} and {gateway} only")
        return self


class Profile(Strict):
    """One device family.

    Attributes:
        name: The file's name without its ending; what the registry calls the family.
        vendor, model: Who makes it, and what stands on it.
        source: Where the format is described.
        transport: How it reaches the broker, in words.
        silent_after: After how many milliseconds without a message it is silent; None for never.
        poll: What its devices are asked, where they only answer.
        message: Its messages; of several that claim a topic the first that fits is read.
        examples: What is known to be sent, and what it must give.
    """

    name: str
    file: str
    vendor: str
    model: str
    source: str
    transport: str = "MQTT"
    silent_after: int | None = None
    poll: tuple[Poll, ...] = ()
    message: tuple[MessageBlock, ...]
    examples: tuple[Example, ...] = Field(alias="example")

    @field_validator("silent_after", mode="before")
    @classmethod
    def _duration(cls, text: object) -> object:
        return None if text is None else _milliseconds(text)


class Shared(Strict):
    """Observations that several families read alike: a file in the folder ``shared``."""

    observation: tuple[Block, ...]


def _milliseconds(text: object) -> int:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError("write a duration like 90s, 15m, 2h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def built_in() -> Path:
    """Return the folder of the profiles that come with Gatehouse."""
    return Path(__file__).parent / "profiles"


def load_profiles(*folders: Path) -> tuple[Profile, ...]:
    """Read every profile of some folders, by name; one of a later folder replaces its namesake.

    Raises:
        ProfileError: A folder or a file cannot be used; says which, where and why.
    """
    found: dict[str, Profile] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ProfileError(f"{folder}: no such folder of device profiles")
        for file in sorted(folder.glob("*.toml")):
            profile = load_profile(file, folders)
            found[profile.name] = profile
    return tuple(found[name] for name in sorted(found))


def load_profile(file: Path, folders: Sequence[Path] = ()) -> Profile:
    """Read one profile.

    Args:
        file: Where it stands.
        folders: Whose ``shared`` may hold what it shares with other families, the last first;
            then its own and the one that comes with Gatehouse.

    Raises:
        ProfileError: The file cannot be used; says where and why.
    """
    if not _NAME.fullmatch(file.stem):
        raise ProfileError(f"{file}: name it with small letters, digits and underscores")
    try:
        text = file.read_text(encoding="utf-8")
        content = tomllib.loads(text)
        _add_shared(file, content, (*reversed(folders), file.parent, built_in()))
        return Profile.model_validate({**content, "name": file.stem, "file": str(file)})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{file}: {error}") from error
    except ValidationError as error:
        raise ProfileError(f"{file}{_first_problem(text, error)}") from error


def _add_shared(profile: Path, content: dict[str, Any], folders: Sequence[Path]) -> None:
    """Put the shared observations that a profile's messages name behind their own.

    Raises:
        ProfileError: No folder has what is named, or it cannot be used.
    """
    messages = content.get("message")
    for message in messages if isinstance(messages, list) else ():
        name = message.get("shared") if isinstance(message, dict) else None
        if not isinstance(name, str):
            continue
        files = [folder / "shared" / f"{name}.toml" for folder in folders]
        file = next((one for one in files if _NAME.fullmatch(name) and one.is_file()), None)
        if file is None:
            raise ProfileError(f"{profile}: shared: there is no {files[0]}")
        own = message.get("observation", [])
        message["observation"] = [*own, *_load_shared(file)] if isinstance(own, list) else own


def _load_shared(file: Path) -> list[dict[str, Any]]:
    text = file.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text)
        Shared.model_validate(content)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file}: {error}") from error
    except ValidationError as error:
        raise ProfileError(f"{file}{_first_problem(text, error)}") from error
    blocks: list[dict[str, Any]] = content["observation"]
    return blocks


def _first_problem(text: str, error: ValidationError) -> str:
    """Return place and reason of the problem that says most; pydantic tries each alternative."""
    problems = error.errors()
    problem = next((one for kind in _CLEAR for one in problems if one["type"] == kind), problems[0])
    place = _place(problem["loc"])
    line = _line(text, place)
    reason = _CLEAR.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    words = ".".join(str(step) for step in place)
    return f"{f', line {line}' if line else ''}: {words}: {reason}"


def _place(steps: Sequence[str | int]) -> list[str | int]:
    """Return where a problem is, without the names of the alternatives that were tried."""
    before: Sequence[str | int | None] = [None, None, *steps]
    return [
        step
        for two_up, step in zip(before, steps, strict=False)
        if isinstance(step, int) or (_KEY.fullmatch(step) and two_up != "observation")
    ]


def _line(text: str, place: Sequence[str | int]) -> int | None:
    """Return the line of the key or table that a place of the content stands on, if found."""
    lines = text.splitlines()
    start = 0
    tables: list[str] = []
    for step, after in pairwise(place):
        if isinstance(step, str) and isinstance(after, int):
            tables.append(step)
            header = f"[[{'.'.join(tables)}]]"
            heads = [n for n in range(start, len(lines)) if lines[n].strip().startswith(header)]
            start = heads[after] if after < len(heads) else start
    for key in reversed([step for step in place if isinstance(step, str)]):
        pattern = re.compile(rf"(^|[{{,\s]){re.escape(key)}\s*=")
        found = next((n for n in range(start, len(lines)) if pattern.search(lines[n])), None)
        if found is not None:
            return found + 1
    return start + 1 if start else None
