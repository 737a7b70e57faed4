"""Decoding with what devices have said of themselves: in the service, and beside it."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from devices.decoder import Decoder
from devices.description import DescriptionsAway
from devices.outcome import Outcome
from devices.registry import Registry
from gatehouse.rebirths import Rebirths
from ingest.batch_descriptions import BatchDescriptions
from ingest.decode_stage import Decode, decode_all
from ingest.description_store import NAME, DescriptionStore
from ingest.follower import Held
from ingest.message import Message


class Decoding:
    """The service's: what a batch says of devices is on disk before its outcomes are returned.

    Args:
        decoder: All profiles.
        registry: Returns the present snapshot.
        store: What devices have said.
        rebirths: Who asks for what was not said.
    """

    def __init__(
        self,
        decoder: Decoder,
        registry: Callable[[], Registry],
        store: DescriptionStore,
        rebirths: Rebirths,
    ) -> None:
        self._decoder = decoder
        self._registry = registry
        self._store = store
        self._rebirths = rebirths

    def live(self, positions: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
        """Return what became of messages, each by what had been said when it came.

        Raises:
            Held: What devices say cannot be read or kept now.
        """
        return self._decode(messages, BatchDescriptions(self._store, positions))

    def again(self, positions: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
        """Return the same for a replay: by the newest that has been said.

        Raises:
            Held: As :meth:`live`.
        """
        return self._decode(messages, BatchDescriptions(self._store, positions, newest=True))

    def _decode(
        self, messages: Sequence[Message], descriptions: BatchDescriptions
    ) -> list[Outcome]:
        registry = self._registry()
        try:
            outcomes = decode_all(messages, self._decoder, registry, descriptions)
            descriptions.keep(registry.devices)
        except DescriptionsAway as away:
            raise Held(str(away), by="descriptions") from away
        for place, topic, payload in descriptions.asked:
            self._rebirths.ask(messages[place].source, topic, payload)
        return outcomes


def decode_beside(data_dir: Path, decoder: Decoder, registry: Callable[[], Registry]) -> Decode:
    """Return what decodes dead letters by the newest that has been said, and keeps nothing."""

    def decode(positions: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
        with closing(DescriptionStore.copy(data_dir / NAME)) as store:
            descriptions = BatchDescriptions(store, positions, newest=True)
            return decode_all(messages, decoder, registry(), descriptions)

    return decode
