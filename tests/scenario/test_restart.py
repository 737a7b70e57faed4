"""The restart test: each story killed after every message ends as the one that ran through."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from alerts import write_behind
from alerts.engine import Engine
from alerts.escalation import DEFAULT_POLICIES
from alerts.outbox import Paging
from alerts.tables import incident, incident_event, page, rule_state
from alerts.thresholds import Thresholds
from devices.clock import HOUR, MINUTE, SECOND, ManualClock
from devices.observation import (
    BodySite,
    Crossing,
    CrossingOutcome,
    DeviceStatus,
    Electricity,
    Observation,
)
from tests.judging import at, community, temperature
from tests.phones import Phones
from tests.state import open_state

Story = Sequence[tuple[Observation, ...]]


def night_guard() -> Story:
    """A queue before it, four readings of one man, and people after him."""
    values = (36.4, 36.9, 37.0, 37.7, 37.9, 38.4, 36.5, 36.6)
    times = [at("20:00") + each * SECOND for each in (0, 200, 220, 240, 260, 280, 500, 900)]
    return [
        (temperature(celsius, when, device="gun", site=BodySite.FOREHEAD),)
        for celsius, when in zip(values, times, strict=True)
    ]


def ms_sun() -> Story:
    """Her two readings, one sent twice, and a hot forehead of her neighbour nobody rechecks."""
    first = temperature(37.5, at("07:40"))
    neighbour = temperature(38.3, at("07:50"), device="li", site=BodySite.FOREHEAD)
    return [
        (first, DeviceStatus(device_id="sun", observed_at=at("07:40"), received_at=at("07:40"))),
        (neighbour,),
        (temperature(37.6, at("07:55")),),
        (first,),
        (temperature(36.6, at("08:20"), device="family"),),
        (temperature(38.2, at("08:30")),),
    ]


def turning_meter() -> Story:
    """A counter read every half-hour, a cooker on two evenings of three."""
    watt_hours, story = 1_000.0, []
    for day in (14, 15, 16):
        for half_hour in range(48):
            when = at("00:00", day=day) + half_hour * 30 * MINUTE
            story.append(
                (
                    Electricity(
                        device_id="meter",
                        observed_at=when,
                        received_at=when + SECOND,
                        energy_wh=watt_hours,
                    ),
                )
            )
            cooks = day != 15 and 36 <= half_hour < 41
            watt_hours += 450 if cooks else 28
    return story


def outsider() -> Story:
    """An unknown face four times, a resident between."""
    minutes = (0, 3, 6, 17)
    tries = [at("22:00") + each * MINUTE for each in minutes]
    story: list[tuple[Observation, ...]] = [
        (
            Crossing(
                device_id="camera",
                observed_at=when,
                received_at=when,
                stranger=True,
                outcome=CrossingOutcome.REFUSED,
            ),
        )
        for when in tries
    ]
    known = Crossing(
        device_id="camera",
        observed_at=tries[1] + SECOND,
        received_at=tries[1] + SECOND,
        subject="s-li",
        outcome=CrossingOutcome.ADMITTED,
    )
    return [*story[:2], (known,), *story[2:]]


STEP = 15 * MINUTE


class Service:
    """Engine and paging on one database, fed from a journal in memory."""

    def __init__(self, folder: Path, story: Story) -> None:
        folder.mkdir()
        self.database = open_state(folder)
        self.clock = ManualClock(story[0][0].received_at)
        self.phones = Phones(self.clock)
        self.story = story
        self.handled = 0
        self.start()

    def start(self) -> None:
        """Open anew, with the story's devices: where the frontier is never written, as in half of
        the runs, a kill hides how long one that never speaks has been listened to.
        """
        registry = community()
        speak = {observation.device_id for message in self.story for observation in message}
        registry.devices = {name: registry.devices[name] for name in speak}
        self.engine = Engine(
            database=self.database,
            journal="j",
            registry=lambda: registry,
            thresholds=Thresholds(),
            silent_after=lambda _: 6 * HOUR,
            clock=self.clock,
        )
        self.paging = Paging(
            database=self.database,
            registry=lambda: registry,
            clock=self.clock,
            policies=DEFAULT_POLICIES,
            channels=(self.phones,),
            console_url="https://gate.example",
            language="en",
        )

    def kill(self) -> None:
        """Drop everything in memory, open anew, and judge again from the durable cursor."""
        self.paging.close()
        self.start()
        position = (self.engine.cursor() or ("", 0))[1]
        self.engine.handle(position + 1, self.story[position : self.handled])

    def live(self, until: int) -> None:
        """Live in steps until an instant, judging time and sending pages."""
        while self.clock.now() < until:
            self.clock.set(min(until, self.clock.now() + STEP))
            self.engine.tick(self.clock.now())
            self.paging.tick()

    def run(self, *, is_killed: bool) -> dict[str, Any]:
        """Live through the story and two hours on, and return all that is durable."""
        for message in self.story:
            self.live(message[0].received_at)
            self.handled += 1
            self.engine.handle(self.handled, [message])
            if is_killed:
                self.kill()
            self.engine.tick(self.clock.now())
            self.paging.tick()
        self.live(self.clock.now() + 2 * HOUR)
        self.engine.flush()
        found = self._durable()
        self.paging.close()
        self.database.dispose()
        return found

    def _durable(self) -> dict[str, Any]:
        """Return all of it but random ids; a page's retry runs on real time."""
        with self.database.connect() as connection:
            opened = incident.c.opened_at, incident.c.rule, incident.c.key
            incidents = list(connection.execute(select(incident).order_by(*opened)).mappings())
            names = {row["id"]: number for number, row in enumerate(incidents)}
            events = connection.execute(select(incident_event).order_by(incident_event.c.id))
            pages = connection.execute(select(page).order_by(page.c.id))
            states = connection.execute(select(rule_state).order_by(*rule_state.primary_key))
            return {
                "incidents": [{**row, "id": names[row["id"]]} for row in incidents],
                "events": _plain(events.mappings(), names),
                "pages": _plain(pages.mappings(), names, next_at=0),
                "states": [(row.rule, row.key, row.due_at, row.state) for row in states],
                "books": self.engine.counters(),
                "cursor": self.engine.cursor(),
                "taken": sorted((taken.text.worker, taken.at) for taken in self.phones.taken),
            }


def _plain(rows: Iterable[Any], names: dict[str, int], **real_time: int) -> list[str]:
    """Return rows without random ids, in an order that racing senders do not change."""
    plain = [{**row, "id": 0, "incident": names[row["incident"]], **real_time} for row in rows]
    return sorted(str(row) for row in plain)


@pytest.mark.parametrize("write_every", [0, 1e9], ids=["written at once", "never written behind"])
@pytest.mark.parametrize(
    ("tell", "incidents"),
    [(night_guard, 1), (ms_sun, 2), (turning_meter, 1), (outsider, 1)],
)
def test_killed_after_every_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[], Story],
    incidents: int,
    write_every: float,
) -> None:
    """Incidents, timelines, pages, due times, states and books equal the uninterrupted run."""
    monkeypatch.setattr(write_behind, "WRITE_EVERY_S", write_every)
    through = Service(tmp_path / "through", tell()).run(is_killed=False)
    killed = Service(tmp_path / "killed", tell()).run(is_killed=True)
    told = [row for row in through["incidents"] if row["rule"] != "device_silent"]
    assert len(told) == incidents
    assert not any(row["watch"] for row in told)
    assert through["taken"]
    for what, expected in through.items():
        assert killed[what] == expected, what
