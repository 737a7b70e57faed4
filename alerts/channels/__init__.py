"""Ways to reach people."""

from sqlalchemy import Engine

from alerts.channels.apprise_channel import AppriseChannel
from alerts.channels.channel import Channel, Failed, Sent
from alerts.channels.demo_phone import DemoPhone
from devices.clock import Clock

__all__ = ["Channel", "Failed", "Sent", "channel_of", "open_channels"]


def open_channels(database: Engine, clock: Clock) -> tuple[Channel, ...]:
    """Return every channel; the first that accepts an address takes the page."""
    return (DemoPhone(database, clock), AppriseChannel())


def channel_of(channels: tuple[Channel, ...], address: str) -> Channel:
    """Return the channel that takes pages to an address."""
    return next(channel for channel in channels if channel.accepts(address))
