"""What ``[enrolment]`` says: the broker's files, and where devices reach us."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gatehouse.address import web_address

_MAX_WORDS = 32


class EnrolmentSettings(BaseModel):
    """Where the broker looks up who may sign in, and how it is told of a change.

    Attributes:
        password_file: Mosquitto's ``password_file``.
        acl_file: Mosquitto's ``acl_file``.
        pid_file: Mosquitto's ``pid_file``: the process in it gets SIGHUP.
        reload_command: Words of a command that makes it read them again; none for a broker that
            watches its files itself.
        mqtt_url: Where devices reach the broker, as the installer enters it.
        http_url: Where they reach the intake.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    password_file: Path | None = None
    acl_file: Path | None = None
    pid_file: Path | None = None
    reload_command: tuple[str, ...] | None = Field(default=None, max_length=_MAX_WORDS)
    mqtt_url: str = ""
    http_url: str = ""

    @field_validator("mqtt_url")
    @classmethod
    def _is_broker(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or "@" in text):
            raise ValueError("is no address for devices; write it like mqtts://broker.example:8883")
        return text.rstrip("/")

    @field_validator("http_url")
    @classmethod
    def _is_web(cls, text: str) -> str:
        return web_address(text).rstrip("/")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.password_file is None) != (self.acl_file is None):
            raise ValueError("password_file and acl_file belong together: name both")
        if self.password_file is not None and self.password_file == self.acl_file:
            raise ValueError("password_file and acl_file are one file: name two")
        if self.pid_file is not None and self.reload_command is not None:
            raise ValueError("pid_file or reload_command: one of them tells the broker")
        return self
