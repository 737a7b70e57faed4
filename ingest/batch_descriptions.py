"""What devices had said of themselves when each message of a batch came."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from devices.description import MAX_KEYS, Said, encode_body
from devices.outcome import DeadLetterReason, DecodeError
from ingest.description_store import ROW_BYTES, DescriptionStore, Owner, Row


class BatchDescriptions:
    """What devices had said when the message in hand came, for one batch (``Descriptions``).

    The message in hand is the one behind those that have an outcome.
    """

    def __init__(
        self, store: DescriptionStore, positions: Sequence[int], *, newest: bool = False
    ) -> None:
        """Look at nothing yet.

        Args:
            store: Where descriptions are kept.
            positions: Of the batch's messages.
            newest: Read all by what is newest, whenever they came: a dead letter's replay.
        """
        self._store = store
        self._positions = positions
        self._newest = newest
        self._outcomes: Sequence[object] = ()
        self._rows: list[Row] = []
        self._said: dict[Owner, dict[str, Said]] = {}
        self.asked: list[tuple[int, str, bytes]] = []
        """Places in the batch, with the topic and payload by which a device is asked."""

    def follow(self, outcomes: Sequence[object]) -> None:
        """Take the list that grows by one with each message that has been read."""
        self._outcomes = outcomes

    def find(self, family: str, owner: str, key: str = "") -> Said | None:
        """Return the newest that was said."""
        fresh = self._said.get((family, owner), {}).get(key)
        if fresh is None or self._newest:
            kept = self._store.find(family, owner, key, until=self._until())
            fresh = kept if fresh is None or (kept and kept.position > fresh.position) else fresh
        return fresh if fresh is None or fresh.body is not None else None

    def members(self, family: str, owner: str) -> Mapping[str, Said]:
        """Return the newest of every key."""
        kept = self._store.members(family, owner, until=self._until())
        for key, said in self._said.get((family, owner), {}).items():
            if key not in kept or kept[key].position < said.position:
                kept[key] = said
        return {key: said for key, said in kept.items() if said.body is not None}

    def describe(
        self, family: str, owner: str, key: str = "", *, device: str, body: object
    ) -> None:
        """Keep what the message in hand says, when the batch has been read."""
        encoded = encode_body(body)
        others = self.members(family, owner)
        if key not in others and len(others) >= MAX_KEYS:
            raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_KEYS} of one owner")
        position = self._positions[len(self._outcomes)]
        size = ROW_BYTES + len(encoded) + len(owner) + len(key) + len(device)
        self._rows.append(Row(family, owner, key, position, device, size, encoded))
        said = Said(position, msgspec.msgpack.decode(encoded))
        self._said.setdefault((family, owner), {})[key] = said

    def ask(self, topic: str, payload: bytes) -> None:
        """Note what the device of the message in hand is asked."""
        self.asked.append((len(self._outcomes), topic, payload))

    def keep(self, registered: Collection[str]) -> None:
        """Keep what the batch said.

        Raises:
            DescriptionsAway: Nothing was kept; the batch has to be read again.
        """
        if self._rows:
            self._store.keep(self._rows, registered)

    def _until(self) -> int | None:
        return None if self._newest else self._positions[len(self._outcomes)]
