"""JSON of face terminals that may come wrapped once more, as text inside a JSON string.

Source: helderdene/fras, docs/HDS-FRAS-Spec-v1.1.md, Appendix C; some firmware escapes the whole
object and adds line breaks.
"""

from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError


def read_wrapped_json(payload: bytes) -> object:
    """Return the object, unwrapped, with the device code alone in ``facesluiceId``.

    The id may come as ``<something>@@@<device code>``, in ``info`` or beside it; it is put beside.

    Raises:
        DecodeError: As :func:`read_json`; WRONG_TYPE where there is no object inside.
    """
    document = read_json(payload)
    if isinstance(document, str):
        document = read_json(document.encode())
    if not isinstance(document, dict):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "not an object")
    info = document.get("info")
    terminal = document.get("facesluiceId") or (
        info.get("facesluiceId") if isinstance(info, dict) else None
    )
    if isinstance(terminal, str):
        document["facesluiceId"] = terminal.rpartition("@@@")[2]
    return document
