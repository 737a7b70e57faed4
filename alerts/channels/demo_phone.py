"""The demo phone: pages shown on the console, for demonstration and training only."""

from sqlalchemy import Engine, insert
from sqlalchemy.exc import OperationalError

from alerts.channels.channel import Failed, Sent
from alerts.page_text import PageText
from alerts.tables import demo_message
from devices.clock import Clock


class DemoPhone:
    """Addresses ``demo://phone``: each worker's messages, in the state database."""

    def __init__(self, database: Engine, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def accepts(self, address: str) -> bool:
        """Return whether the address is a demo phone's."""
        return address.startswith("demo://")

    def probe(self, address: str) -> str:  # noqa: ARG002 - one phone each
        """Return "": what keeps the messages is the state database."""
        return ""

    def send(self, address: str, text: PageText) -> Sent | Failed:  # noqa: ARG002 - one phone each
        """Put the page on the worker's demo phone."""
        try:
            with self._database.begin() as connection:
                connection.execute(
                    insert(demo_message).values(
                        worker=text.worker,
                        incident=text.incident,
                        at=self._clock.now(),
                        title=text.title,
                        body=text.body,
                        link=text.link,
                    )
                )
        except OperationalError:
            return Failed(permanent=False, error="state database away")
        return Sent()
