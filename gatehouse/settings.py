"""Settings: the environment says where and holds the secrets, ``gatehouse.toml`` who and what.

Both become one frozen model. A key nobody knows is refused, so that a misspelt setting is never
silently the default. Each secret ``X`` may stand in a file named by ``X_FILE`` instead.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alerts.escalation import Policies
from alerts.thresholds import Thresholds
from devices.clock import Clock, ScaledClock, WallClock
from gatehouse.address import bind_address, database_address, split_bind, web_address
from gatehouse.enrolment_settings import EnrolmentSettings
from ingest.broker import MqttSettings
from ingest.http_source import NAME as INTAKE
from ingest.retention import Retention
from ingest.topic_filter import overlap

DEMO_CLOCK = "clock.json"
"""In a demo's data folder: the time of its community."""
DEFAULT_FILE = Path("gatehouse.toml")
PREFIX = "GATEHOUSE_"
SECRETS = {"MQTT_PASSWORD": ("mqtt", "password"), "SERIES_TOKEN": ("series_token",)}
ADDRESSES: dict[str, tuple[str, ...]] = {
    "DATA_DIR": ("data_dir",),
    "MQTT_URL": ("mqtt", "url"),
    "SERIES_URL": ("series_url",),
    "DATABASE_URL": ("database_url",),
    "CONSOLE_BIND": ("console_bind",),
    "CONSOLE_URL": ("console_url",),
    "INTAKE_BIND": ("intake_bind",),
    "CLOCK_FILE": ("clock_file",),
}
CONFIG = "CONFIG"
_SOURCE = re.compile(r"SOURCE_(?P<name>[A-Z0-9][A-Z0-9_]*?)_(?P<key>URL|PASSWORD)(?P<file>_FILE)?")
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_MOST_SOURCES = 32
_SECRET_MAX_BYTES = 64 * 1024
_MOST_GIB = 1024 * 1024
"""A pebibyte: more is a slip of the finger."""
_LONGEST_HOURS = 100 * 366 * 24
_NO_TABLE = ("model_type", "model_attributes_type", "mapping_type", "dict_type")
_NO_CLOCK = (OSError, ValueError, TypeError, LookupError, OverflowError)
"""What reading the time from a file that holds none ends with."""


class SettingsError(Exception):
    """One line that names the setting and says what to do; the command exits 2."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; write it like Asia/Shanghai") from error
    return name


class JournalSettings(BaseModel):
    """Bounds of the journal.

    Attributes:
        max_gib: Bytes it may take, in GiB; acknowledging stops when it is full.
        min_free_gib: Free disk it leaves alone, in GiB.
        keep_hours: How long read messages stay for replay while there is room.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_gib: float = Field(default=20, gt=0, le=_MOST_GIB)
    min_free_gib: float = Field(default=1, ge=0, le=_MOST_GIB)
    keep_hours: float = Field(default=24, ge=0, le=_LONGEST_HOURS)


class Settings(BaseModel):
    """Everything an operator may choose.

    Attributes:
        data_dir: Journal, ledger, embedded stores; created with mode 0700.
        mqtt: The broker and what to subscribe to; its ``url`` comes from the environment.
        source: Further brokers by name, with the same keys; each has its own session.
        series_url: Unset: the embedded store. Grammar in ``ingest/series.py``.
        database_url: Unset: SQLite in the data folder; or ``postgresql://…``.
        console_bind: Host and port the console listens on.
        console_url: Address that pages link to.
        intake_bind: Host and port that terminals post to; None: nobody can.
        language: Of pages, of imports, and of the console where a browser says nothing.
        zone: For devices whose site is not known.
        profiles_dir: A folder of the operator's own device profiles.
        clock_file: For demonstration and training: the file of a scaled clock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data_dir: Path = Path("data")
    mqtt: MqttSettings | None = None
    source: Mapping[str, MqttSettings] = Field(default={}, max_length=_MOST_SOURCES)
    series_url: str | None = None
    series_token: SecretStr | None = None
    database_url: Annotated[str, AfterValidator(database_address)] | None = None
    console_bind: Annotated[str, AfterValidator(bind_address)] = "127.0.0.1:8080"
    console_url: Annotated[str, AfterValidator(web_address)] = ""
    intake_bind: Annotated[str, AfterValidator(bind_address)] | None = None
    language: Literal["en", "zh"] = "en"
    zone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"
    profiles_dir: Path | None = None
    clock_file: Path | None = None
    journal: JournalSettings = JournalSettings()
    retention: Retention = Retention()
    enrolment: EnrolmentSettings = EnrolmentSettings()
    thresholds: Thresholds = Thresholds()
    escalation: Policies = Policies()

    @field_validator("intake_bind")
    @classmethod
    def _is_free(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and text == info.data.get("console_bind"):
            raise ValueError("is where the console listens; choose another port")
        brokers = (info.data.get("mqtt"), *info.data.get("source", {}).values())
        if text is not None and any(one and one.name == INTAKE for one in brokers):
            raise ValueError(f"its source is called {INTAKE!r}: call the broker something else")
        return text

    @field_validator("source", mode="before")
    @classmethod
    def _named(cls, tables: object) -> object:
        """Give each further source its name, and an identity of its own."""
        if not isinstance(tables, dict):
            return tables
        named = {}
        for name, table in tables.items():
            if isinstance(table, dict) and "name" in table:
                raise ValueError(f"{name}: its name stands in [source.{name}]; leave out name")
            own = {"name": name, "client_id": f"gatehouse-{name}"}
            named[name] = {**own, **table} if isinstance(table, dict) else table
        return named

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        if self.intake_bind is not None and INTAKE in self.source:
            raise ValueError(f"what terminals post to is named {INTAKE}: rename [source.{INTAKE}]")
        for one, other in combinations(self.sources, 2):
            if one.name == other.name:
                raise ValueError(f"two sources are called {one.name!r}: rename [source.{one.name}]")
            shared = {each.address for each in one.brokers} & {
                each.address for each in other.brokers
            }
            if shared and one.client_id == other.client_id:
                raise ValueError(
                    f"sources {one.name!r} and {other.name!r} are both {one.client_id!r} at "
                    f"{min(shared)}: give one its own client_id"
                )
            twice = next((t for t in one.topics for u in other.topics if overlap(t, u)), None)
            if shared and twice:
                raise ValueError(
                    f"sources {one.name!r} and {other.name!r} both take {twice!r} from "
                    f"{min(shared)}: everything there would come twice"
                )
        return self

    @property
    def sources(self) -> tuple[MqttSettings, ...]:
        """Every MQTT source: the one of ``[mqtt]`` first."""
        return (*((self.mqtt,) if self.mqtt else ()), *self.source.values())

    @property
    def clock(self) -> Clock:
        """The one clock of every process on these settings; in a demo's folder the demo's.

        Raises:
            SettingsError: The file that should hold its time cannot be read.
        """
        demo_clock = self.data_dir / DEMO_CLOCK if self.is_demo_folder else None
        file = self.clock_file or demo_clock
        if file is None:
            return WallClock()
        clock = ScaledClock(file)
        try:
            clock.now()
        except _NO_CLOCK as error:
            raise SettingsError(
                f"{PREFIX}CLOCK_FILE: {file} holds no clock: name the {DEMO_CLOCK} of a demo, "
                "or leave the setting out"
            ) from error
        return clock

    @property
    def is_demo_folder(self) -> bool:
        """Whether a demo keeps its community in the data folder."""
        return (self.data_dir / DEMO_CLOCK).exists()

    def make_data_dir(self) -> None:
        """Make the data folder, for its owner only, if it is not there.

        A folder that was made by somebody else may be open to others; what this process makes from
        now on is not.

        Raises:
            SettingsError: It cannot be made, or nothing can be written into it.
        """
        os.umask(0o077)
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"GATEHOUSE_DATA_DIR: {self.data_dir} cannot be made: {error.strerror}"
            ) from error
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise SettingsError(
                f"GATEHOUSE_DATA_DIR: {self.data_dir} cannot be written: give it to this user, "
                "on a disk that is not read-only"
            )

    @property
    def console_host(self) -> str:
        """The host part of ``console_bind``."""
        return split_bind(self.console_bind)[0]

    @property
    def console_port(self) -> int:
        """The port part of ``console_bind``."""
        return split_bind(self.console_bind)[1]

    @property
    def page_url(self) -> str:
        """The address that pages link to, without a slash at the end."""
        return (self.console_url or f"http://{self.console_bind}").rstrip("/")


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and the file it names (``gatehouse.toml`` here, if there is one).

    Raises:
        SettingsError: The first wrong setting, by name.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(PREFIX + CONFIG)
    path = Path(named) if named else DEFAULT_FILE
    content = _read_file(path) if named or path.exists() else {}
    _overlay(content, environment)
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(_first_problem(error, path)) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; {PREFIX}{CONFIG} names it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    places: list[tuple[str, ...]] = [(key,) for key in content]
    for table_place, table in _tables(content):
        if not _SOURCE_NAME.fullmatch(table_place[-1]):
            raise SettingsError(
                f"{path}: {'.'.join(table_place)}: {table_place[-1]!r} is no name for a source: "
                "small letters, digits and '_'"
            )
        places += [(*table_place, key) for key in table]
    for place in places:
        variable = "_".join(place).upper()
        if place_of(variable) == place:
            raise SettingsError(
                f"{path}: {'.'.join(place)}: say this in the environment: {PREFIX}{variable}"
            )
    return content


def _tables(content: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the tables that may hold an address or a secret, with their names."""
    tables: list[tuple[tuple[str, ...], object]] = [(("mqtt",), content.get("mqtt"))]
    further = content.get("source")
    if isinstance(further, dict):
        tables += [(("source", name), table) for name, table in further.items()]
    for place, table in tables:
        if isinstance(table, dict):
            yield place, table


def _overlay(content: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Put what the environment says into the file's content."""
    for variable in sorted(environment):
        if not variable.startswith(PREFIX):
            continue
        name, text = variable.removeprefix(PREFIX), environment[variable]
        place, is_file = place_of(name), name.endswith("_FILE") and name not in ADDRESSES
        if place:
            _put(content, place, _read_secret(variable, Path(text)) if is_file else text)
        elif name != CONFIG:
            files = [f"{secret}_FILE" for secret in SECRETS]
            known = [*ADDRESSES, *SECRETS, *files, CONFIG]
            raise SettingsError(f"{variable}: unknown setting{_suggest(name, known, PREFIX)}")
    for place, table in _tables(content):
        if "url" not in table:
            variable = f"{PREFIX}{'_'.join(place).upper()}_URL"
            raise SettingsError(
                f"{variable}: not set, while gatehouse.toml has [{'.'.join(place)}]"
            )


def place_of(name: str) -> tuple[str, ...] | None:
    """Return where in the settings a variable belongs; None for one that nobody knows.

    Args:
        name: Of the variable, without GATEHOUSE_ in front.
    """
    secret = name.removesuffix("_FILE")
    source = _SOURCE.fullmatch(name)
    if name in ADDRESSES:
        return ADDRESSES[name]
    if secret in SECRETS:
        return SECRETS[secret]
    if source and not (source["file"] and source["key"] == "URL"):
        return "source", source["name"].lower(), source["key"].lower()
    return None


def _put(content: dict[str, Any], path: tuple[str, ...], text: str) -> None:
    for key in path[:-1]:
        content = content.setdefault(key, {})
        if not isinstance(content, dict):
            return  # The model refuses it by its name.
    content[path[-1]] = text


def _read_secret(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_SECRET_MAX_BYTES).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: the file it names cannot be read: {error}") from error


def _first_problem(error: ValidationError, path: Path) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    variables: dict[tuple[int | str, ...], str] = {
        keys: name for name, keys in {**ADDRESSES, **SECRETS}.items()
    }
    variable = variables.get(problem["loc"]) or _variable_of_source(problem["loc"])
    where = PREFIX + variable if variable else f"{path}: {place}" if place else str(path)
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown setting{_suggest(str(problem['loc'][-1]), _keys(problem['loc']))}"
    if problem["type"] in _NO_TABLE:
        return f"{where}: is a table; begin it with a line [{place}]"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"


def _variable_of_source(location: tuple[int | str, ...]) -> str | None:
    match location:
        case ("source", str(name), "url" | "password" as key):
            return f"SOURCE_{name.upper()}_{key.upper()}"
    return None


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys a model knows where an unknown one was found."""
    model: Any = Settings
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        kind = getattr(field, "annotation", None)
        choices = getattr(kind, "__args__", ())
        model = next((one for one in choices if hasattr(one, "model_fields")), kind or model)
    return list(getattr(model, "model_fields", {}))


def _suggest(name: str, known: list[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {prefix}{near[0]}?"
    return f"; known are {', '.join(prefix + name for name in known)}"
