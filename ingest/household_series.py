"""Questions about a household, asked of any series store.

No store knows of households. The registry says which devices stood in one, and when; a question
about it is one about these devices, each for the time that it stood there.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from ingest.reading import Bucket, Function, Reading, check_limit
from ingest.series import SeriesReader

Stay = tuple[str, int, int]
"""Device, since and until (excluded), in milliseconds UTC, as ``Registry.stays_in`` gives them."""
_LATELY = 1_000
"""Readings of an ended stay among which the last of each channel is looked for."""


def scan(
    store: SeriesReader, stays: Sequence[Stay], measurement: str, *, since: int, until: int
) -> Iterator[Reading]:
    """Yield every reading of a household in a span, stay by stay; see SeriesReader.scan."""
    for device, begin, end in _within(stays, since, until):
        yield from store.scan(measurement, device=device, since=begin, until=end)


def read(
    store: SeriesReader,
    stays: Sequence[Stay],
    measurement: str,
    *,
    since: int,
    until: int,
    limit: int = 10_000,
) -> list[Reading]:
    """Return a household's readings, oldest first; beyond the limit, the newest of them."""
    check_limit(limit)
    found = chain.from_iterable(
        store.range(measurement, device, since=begin, until=end, limit=limit)
        for device, begin, end in _within(stays, since, until)
    )
    return sorted(found, key=lambda reading: reading.time)[-limit:]


def last(store: SeriesReader, stays: Sequence[Stay], measurement: str) -> list[Reading]:
    """Return the newest reading of each device and channel while it stood there, by both."""
    newest: dict[tuple[str, str], Reading] = {}
    for device, begin, end in stays:
        for reading in _last_of_stay(store, measurement, device, begin, end):
            key = (device, reading.channel)
            if key not in newest or newest[key].time < reading.time:
                newest[key] = reading
    return [newest[key] for key in sorted(newest)]


def aggregate(
    store: SeriesReader,
    stays: Sequence[Stay],
    measurement: str,
    field: str,
    function: Function,
    *,
    window: int,
    since: int,
    until: int,
) -> list[Bucket]:
    """Return one value a window over all that stood there; see SeriesReader.aggregate."""

    def ask(asked: Function) -> Iterator[Bucket]:
        for device, begin, end in _within(stays, since, until):
            yield from store.aggregate(
                measurement, field, asked, window=window, since=begin, until=end, device=device
            )

    if function is Function.MEAN:
        counts = _joined(ask(Function.COUNT), Function.SUM)
        sums = _joined(ask(Function.SUM), Function.SUM)
        values = {at: sums[at] / counts[at] for at in sums if at in counts}
    else:
        values = _joined(ask(function), function)
    return [Bucket(at, values[at]) for at in sorted(values)]


def _within(stays: Sequence[Stay], since: int, until: int) -> Iterator[Stay]:
    """Yield what of the stays lies between two times."""
    for device, begin, end in stays:
        if begin < until and end > since:
            yield device, max(begin, since), min(end, until)


def _last_of_stay(
    store: SeriesReader, measurement: str, device: str, begin: int, end: int
) -> Sequence[Reading]:
    found = store.last(measurement, device=device)
    if all(reading.at < end for reading in found):
        return [reading for reading in found if reading.at >= begin]
    return store.range(measurement, device, since=begin, until=end, limit=_LATELY)


def _joined(buckets: Iterator[Bucket], function: Function) -> dict[int, float]:
    """Return one value a window: the greatest, the least, or the sum of what each stay gave."""
    values: dict[int, list[float]] = {}
    for bucket in buckets:
        values.setdefault(bucket.at, []).append(bucket.value)
    join = {Function.MAX: max, Function.MIN: min}.get(function, sum)
    return {at: join(each) for at, each in values.items()}
