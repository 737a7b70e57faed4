"""What became of one message: observations, knowingly nothing, or a dead letter."""

from enum import StrEnum

import msgspec

from devices.observation import Observation


class IgnoredReason(StrEnum):
    """Why a message is knowingly nothing."""

    LOG_LINE = "log_line"
    ANSWER = "answer"
    BIRTH = "birth"
    COMMAND = "command"
    UNCHANGED = "unchanged"
    RETAINED = "retained"
    OTHER_CONTENT = "other_content"


class DeadLetterReason(StrEnum):
    """Why a message could not be used. Closed: a new reason is a change of the product."""

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_DEVICE = "unknown_device"
    BAD_ENCODING = "bad_encoding"
    BAD_JSON = "bad_json"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    BAD_CHECKSUM = "bad_checksum"
    BAD_TIME = "bad_time"
    NO_BIRTH = "no_birth"
    DECODER_FAILED = "decoder_failed"
    STORE_REFUSED = "store_refused"


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """The message is understood and knowingly gives nothing."""

    reason: IgnoredReason


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """The message could not be used. ``detail`` names the field or place, never a value."""

    reason: DeadLetterReason
    detail: str = ""


class DecodeError(Exception):
    """A payload cannot be used: how codecs and readers say :class:`DeadLetter`.

    Trying again cannot help. ``detail`` names the field or place, never a value.
    """

    def __init__(self, reason: DeadLetterReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


Outcome = tuple[Observation, ...] | Ignored | DeadLetter
