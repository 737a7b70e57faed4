"""Writing a month of 1,300 households into a series store, and asking it.

Meters report every twelve minutes; thermometers are used eight times a day and say their battery as
often: what the simulated community comes to. Points are written in the order of time, as they
come, so that what holds them is as scattered as a real one's.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice

from devices.clock import DAY, HOUR, MINUTE
from devices.history import FOREVER
from devices.observation import BodySite, DeviceStatus, Electricity, Temperature
from ingest import household_series
from ingest.point import NANOSECONDS, Point, make_series
from ingest.reading import END_OF_TIME, Function
from ingest.series import SeriesStore
from ingest.series_export import Format, Selection, select, written

HOUSEHOLDS = 1_300
DAYS = 30
_OF_A_GRID = 50
"""Households."""
_METER_EVERY = 12 * MINUTE
_TAKEN_EVERY = 3 * HOUR
_AT_ONCE = 5_000
_TIMES = 5
_END = 1_581_681_600_000
_BEGIN = _END - DAYS * DAY
_SITE, _GRID = "site", "grid-3"

Results = dict[str, float | int | str]


def measure(store: SeriesStore, name: str, *, households: int = HOUSEHOLDS) -> Results:
    """Fill an empty store, ask it, and return what each took.

    Args:
        store: Opened for writing; closed by the caller.
        name: What the results' names end with.
        households: How many.
    """
    points, cpu_s = _fill(store, households)
    asked = {question: _median_ms(ask) for question, ask in _questions(store).items()}
    taken = Selection(measurements=["temperature"], since=0, until=END_OF_TIME)
    began = time.perf_counter()
    lines = sum(1 for _ in written(select(store, taken), taken.measurements, Format.LINE))
    return {
        f"cpu_us_point_written_{name}": round(cpu_s / points * 1e6, 2),
        **{f"read_{question}_ms_{name}": took for question, took in asked.items()},
        f"points_exported_per_second_{name}": round(lines / (time.perf_counter() - began)),
    }


def _fill(store: SeriesStore, households: int) -> tuple[int, float]:
    """Write a month; return how many points, and the CPU seconds of writing them."""
    month, count, cpu_s = _month(households), 0, 0.0
    while points := list(islice(month, _AT_ONCE)):
        began = time.process_time()
        assert not store.write(points)
        cpu_s += time.process_time() - began
        count += len(points)
    return count, cpu_s


def _month(households: int) -> Iterator[Point]:
    """Yield what the households' devices say, in the order of time."""
    places = [{"site": _SITE, "grid": f"grid-{home // _OF_A_GRID}"} for home in range(households)]
    meters = [make_series("electricity", device=f"m{n}", **at) for n, at in enumerate(places)]
    taken = [make_series("temperature", device=f"t{n}", **at) for n, at in enumerate(places)]
    status = [make_series("device_status", device=f"t{n}", **at) for n, at in enumerate(places)]
    for at in range(_BEGIN, _END, _METER_EVERY):
        known = {"device_id": "", "observed_at": at, "received_at": at}
        watts = Electricity(power_w=80.0 + at // MINUTE % 400, energy_wh=at / HOUR, **known)
        for home in range(households):
            yield Point(meters[home], watts, at * NANOSECONDS + home)
        if at % _TAKEN_EVERY == 0:
            celsius = Temperature(celsius=36.6, body_site=BodySite.AXILLARY, **known)
            battery = DeviceStatus(battery=87.0, **known)
            for home in range(households):
                yield Point(taken[home], celsius, at * NANOSECONDS + home)
                yield Point(status[home], battery, at * NANOSECONDS + home)


def _questions(store: SeriesStore) -> dict[str, Callable[[], object]]:
    """Return what is asked, by its name: the console's lists and charts, rules tried, a flat."""
    month = {"since": _BEGIN, "until": _END}
    stays = [("m7", 0, _END - DAY), ("m8", _END - DAY, FOREVER)]

    def power(window: int, since: int, **where: str) -> Callable[[], object]:
        return lambda: store.aggregate(
            *("electricity", "power_w", Function.MEAN),
            window=window,
            since=since,
            until=_END,
            **where,
        )

    return {
        "last_of_site": lambda: store.last("electricity", site=_SITE, limit=10_000),
        "last_of_device": lambda: store.last("electricity", device="m7"),
        "device_day": lambda: store.range("electricity", "m7", since=_END - DAY, until=_END),
        "device_month_by_hour": power(HOUR, _BEGIN, device="m7"),
        "grid_day": lambda: store.range("temperature", grid=_GRID, since=_END - DAY, until=_END),
        "grid_day_by_hour": power(HOUR, _END - DAY, grid=_GRID),
        "site_month_by_day": power(DAY, _BEGIN, site=_SITE),
        "household_month": lambda: household_series.read(store, stays, "electricity", **month),
    }


def _median_ms(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        assert ask()
        took.append((time.perf_counter() - began) * 1e3)
    return round(statistics.median(took), 1)
