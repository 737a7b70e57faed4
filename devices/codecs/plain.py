"""JSON and text."""

import msgspec

from devices.outcome import DeadLetterReason, DecodeError

_decode = msgspec.json.Decoder().decode


def read_json(payload: bytes) -> object:
    """Return a JSON document.

    Raises:
        DecodeError: BAD_ENCODING, TOO_DEEP, OUT_OF_RANGE for a number that no double holds, or
            BAD_JSON: NaN and Infinity are none, nor is a second document behind the first.
    """
    try:
        return _decode(payload)
    except UnicodeDecodeError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not UTF-8") from None
    except RecursionError:
        raise DecodeError(DeadLetterReason.TOO_DEEP, "nested too deep") from None
    except msgspec.ValidationError:
        raise DecodeError(DeadLetterReason.OUT_OF_RANGE, "a number too large") from None
    except msgspec.DecodeError as error:
        read_text(payload)
        raise DecodeError(DeadLetterReason.BAD_JSON, _place(str(error))) from None


def read_text(payload: bytes) -> str:
    """Return UTF-8 text without the space around it.

    Raises:
        DecodeError: BAD_ENCODING.
    """
    try:
        return payload.decode().strip()
    except UnicodeDecodeError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not UTF-8") from None


def read_json_or_text(payload: bytes) -> object:
    """Return a JSON document, or the text that is none: some firmware changed from one to other.

    Raises:
        DecodeError: BAD_ENCODING, TOO_DEEP or OUT_OF_RANGE.
    """
    try:
        return read_json(payload)
    except DecodeError as error:
        if error.reason is not DeadLetterReason.BAD_JSON:
            raise
        return read_text(payload)


def _place(words: str) -> str:
    """Return msgspec's words without what they may quote: only the place is kept."""
    _, bracket, place = words.rpartition("(")
    return f"at {place.rstrip(')')}" if bracket else "cut short"
