"""What an examination finds: well, well with a warning, or wrong, in a sentence."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Found:
    """One thing examined: whether it is well, and a sentence that says what to do when not.

    The names are those of ``gatehouse doctor --json``, which scripts read.

    Attributes:
        subject: What was examined.
        well: Whether the service can do its work with it.
        sentence: What it is like; where it is wrong or warned of, what to do.
        warns: It is well, but something should be done about it.
    """

    subject: str
    well: bool
    sentence: str
    warns: bool = False

    @classmethod
    def fine(cls, subject: str, sentence: str) -> Self:
        """Return that there is nothing to do."""
        return cls(subject, True, sentence)

    @classmethod
    def doubtful(cls, subject: str, sentence: str) -> Self:
        """Return that it works, but slowly or not for long."""
        return cls(subject, True, sentence, warns=True)

    @classmethod
    def wrong(cls, subject: str, sentence: str) -> Self:
        """Return that the service cannot do its work."""
        return cls(subject, False, sentence)

    @property
    def line(self) -> str:
        """The line people read."""
        mark = "WRONG" if not self.well else "warn " if self.warns else "ok   "
        return f"{mark} {self.subject}: {self.sentence}"

    def as_json(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return asdict(self)
