"""The fever rule, reading by reading: each test is one sentence of the specification."""

import pytest

from alerts.finding import Action, IncidentKind, Severity
from alerts.rules.fever import Fever
from alerts.thresholds import Thresholds, tenths
from devices.clock import DAY, HOUR, MINUTE, SECOND
from devices.observation import BodySite, Crossing, CrossingOutcome
from devices.registry import ResidentClass
from tests.judging import Bench, at, community, temperature, told, waited

FOREHEAD = BodySite.FOREHEAD
SEVEN_FORTY = at("07:40")


def gun(celsius: float, when: int, **more):
    """A reading of the checkpoint's gun, which does not know whom it measures."""
    return temperature(celsius, when, device="gun", **{"site": FOREHEAD, **more})


@pytest.mark.parametrize(
    ("celsius", "expected"),
    [
        (37.25, 373),
        (37.249, 372),
        (37.35, 374),
        (37.05, 371),
        (37.049999237060547, 371),
        (37.29999923706055, 373),
        (37.04, 370),
        (38.9499, 389),
        (-0.05, 0),
    ],
)
def test_temperatures_are_rounded_half_up(celsius: float, expected: int) -> None:
    """A half is rounded up, also where binary floating point falls short of it."""
    assert tenths(celsius) == expected


def test_night_guard_pages_on_the_fourth_reading() -> None:
    """36.9, 37.0, 37.7, 37.9 at a checkpoint page on the fourth reading and not before."""
    bench = Bench(Fever())
    times = [at("20:00") + number * 20 * SECOND for number in range(4)]
    given = [
        told(bench.feed(gun(celsius, when)))
        for celsius, when in zip((36.9, 37.0, 37.7, 37.9), times, strict=True)
    ]
    assert given == [[], [], [], ["incident minor"]]
    found = bench.findings[0]
    assert found.kind is IncidentKind.FEVER_AT_CHECKPOINT
    assert found.position == 4
    assert (found.site, found.gate, found.subject) == ("river", "north", None)
    assert found.evidence["readings"] == [36.9, 37.0, 37.7, 37.9]


@pytest.mark.parametrize("site", [FOREHEAD, BodySite.WRIST, BodySite.UNKNOWN])
def test_checkpoint_takes_any_instrument(site: BodySite) -> None:
    """At a checkpoint two of the last three readings count whatever the instrument."""
    bench = Bench(Fever())
    start = at("20:00")
    bench.feed(*(gun(c, start + n * SECOND * 30, site=site) for n, c in enumerate((37.4, 36.8))))
    assert told(bench.findings) == []
    assert told(bench.feed(gun(37.3, start + 60 * SECOND, site=site))) == ["incident minor"]


def test_two_of_four_are_not_two_of_three() -> None:
    """Two high readings with two ordinary ones between them do not page."""
    bench = Bench(Fever())
    values = (37.4, 36.8, 36.9, 37.5)
    bench.feed(*(gun(c, at("20:00") + n * 20 * SECOND) for n, c in enumerate(values)))
    assert told(bench.findings) == []


@pytest.mark.parametrize(("apart", "expected"), [(90, ["incident minor"]), (91, [])])
def test_nameless_readings_join_for_ninety_seconds(apart: int, expected: list[str]) -> None:
    """On a gun two readings are one person's when at most 90 seconds lie between them."""
    bench = Bench(Fever())
    start = at("20:00")
    bench.feed(gun(37.7, start), gun(37.9, start + apart * SECOND))
    assert told(bench.findings) == expected


def test_nameless_readings_of_two_devices_never_join() -> None:
    """A second gun measures somebody else."""
    bench = Bench(Fever())
    start = at("20:00")
    bench.feed(gun(37.7, start), temperature(37.9, start + SECOND, device="camera", site=FOREHEAD))
    assert told(bench.findings) == []


@pytest.mark.parametrize(
    "next_person",
    [
        Crossing(
            device_id="gun",
            observed_at=at("20:00") + 10 * SECOND,
            received_at=at("20:00") + 10 * SECOND,
            outcome=CrossingOutcome.ADMITTED,
        ),
        temperature(36.5, at("20:00") + 10 * SECOND, device="gun", site=FOREHEAD, subject="s-li"),
    ],
    ids=["somebody was let in", "somebody known was measured"],
)
def test_next_person_ends_the_row(next_person) -> None:
    """What was measured before the next person came is not theirs."""
    bench = Bench(Fever())
    start = at("20:00")
    bench.feed(gun(37.7, start), next_person, gun(37.9, start + 20 * SECOND))
    assert told(bench.findings) == []
    assert told(bench.feed(gun(37.8, start + 40 * SECOND))) == ["incident minor"]


def test_two_people_at_one_checkpoint_are_two_incidents() -> None:
    """A second person with fever at the same gun is paged like the first."""
    bench = Bench(Fever())
    first, second = at("20:00"), at("20:10")
    bench.feed(gun(37.7, first), gun(37.9, first + 20 * SECOND))
    bench.feed(gun(37.8, second), gun(38.1, second + 20 * SECOND))
    assert told(bench.findings) == ["incident minor", "incident major"]
    assert len({finding.key for finding in bench.findings}) == 2


def test_queue_that_never_pauses_hides_nobody() -> None:
    """A second fever in a queue measured without a pause is an incident of its own."""
    bench = Bench(Fever())
    queue = [36.5] * 40
    queue[3:5] = [37.8, 37.9]
    queue[30:32] = [37.7, 38.2]
    bench.feed(*(gun(c, at("18:00") + n * 15 * SECOND) for n, c in enumerate(queue)))
    assert told(bench.findings) == ["incident minor", "incident major"]
    assert len({finding.key for finding in bench.findings}) == 2


def test_ms_sun() -> None:
    """37.5 in the armpit is a watch; 37.6 fifteen minutes later is the incident."""
    bench = Bench(Fever())
    assert told(bench.feed(temperature(37.5, SEVEN_FORTY))) == ["watch"]
    assert told(bench.feed(temperature(37.6, at("07:55")))) == ["incident minor"]
    found = bench.findings[-1]
    assert found.key == "subject:s-sun"
    assert (found.grid, found.household, found.subject) == ("g1", "h1", "s-sun")


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(4.9, []), (5, ["incident minor"]), (30, ["incident minor"]), (30.1, ["attach"])],
)
def test_second_contact_reading_has_its_time(minutes: float, expected: list[str]) -> None:
    """Two contact readings make an incident when 5 to 30 minutes lie between them."""
    bench = Bench(Fever())
    bench.feed(temperature(37.3, SEVEN_FORTY))
    second = temperature(37.3, SEVEN_FORTY + round(minutes * MINUTE))
    assert told(bench.feed(second)) == expected


def test_order_of_arrival_does_not_matter() -> None:
    """The reading of 07:40 that arrives after the one of 07:55 completes the pair."""
    bench = Bench(Fever())
    bench.feed(temperature(37.6, at("07:55")))
    late = temperature(37.5, SEVEN_FORTY, after=2 * HOUR)
    assert told(bench.feed(late)) == ["incident minor"]
    assert bench.findings[-1].observed_at == SEVEN_FORTY


@pytest.mark.parametrize(
    ("celsius", "expected"),
    [
        (37.2, []),
        (37.24, []),
        (37.25, ["watch"]),
        (37.9, ["watch"]),
        (37.95, ["incident major"]),
        (38.9, ["incident major"]),
        (39.0, ["incident critical"]),
        (42.5, ["incident critical"]),
        (42.6, []),
        (33.9, []),
    ],
)
def test_one_contact_reading(celsius: float, expected: list[str]) -> None:
    """One contact reading is nothing, a watch, or from 38.0 an incident."""
    assert told(Bench(Fever()).feed(temperature(celsius, SEVEN_FORTY))) == expected


@pytest.mark.parametrize("site", [BodySite.ORAL, BodySite.TYMPANIC])
def test_mouth_and_ear_are_contact(site: BodySite) -> None:
    """Mouth and ear count as the armpit does."""
    assert told(Bench(Fever()).feed(temperature(37.3, SEVEN_FORTY, site=site))) == ["watch"]


def test_healthy_rectal_reading_is_nothing() -> None:
    """37.7 is a healthy person's rectal temperature; 38.0 is not."""
    bench = Bench(Fever())
    assert told(bench.feed(temperature(37.7, SEVEN_FORTY, site=BodySite.RECTAL))) == []
    warm = temperature(38.0, at("07:50"), site=BodySite.RECTAL)
    assert told(bench.feed(warm)) == ["incident major"]


@pytest.mark.parametrize("site", [FOREHEAD, BodySite.WRIST, BodySite.UNKNOWN])
def test_infrared_at_home_is_never_a_contact_reading(site: BodySite) -> None:
    """Neither infrared nor an unlabelled body site opens anything by itself below 38.0."""
    bench = Bench(Fever())
    readings = [temperature(37.9, SEVEN_FORTY + n * 6 * MINUTE, site=site) for n in range(4)]
    bench.feed(*readings)
    assert told(bench.reach(at("12:00"))) == []
    assert bench.findings == []


@pytest.mark.parametrize("rest", [{"site": BodySite.AMBIENT}, {"adjusted_to": BodySite.AMBIENT}])
def test_room_is_never_a_body(rest) -> None:
    """A room at 39 °C has no fever."""
    assert Bench(Fever()).feed(temperature(39.0, SEVEN_FORTY, **rest)) == []


def test_high_infrared_pages_when_nobody_rechecks() -> None:
    """38.0 on the forehead pages after fifteen minutes without a recheck, and not before."""
    bench = Bench(Fever())
    bench.feed(temperature(38.0, SEVEN_FORTY, site=FOREHEAD))
    assert told(bench.reach(at("07:55"))) == []
    assert told(bench.reach(at("07:55") + 1)) == ["incident major"]
    found = bench.findings[-1]
    assert (found.observed_at, found.position) == (SEVEN_FORTY, 1)
    assert bench.reach(at("09:00")) == []


@pytest.mark.parametrize(
    ("recheck", "expected"),
    [
        (temperature(36.8, at("07:50")), []),
        (temperature(36.9, at("07:50"), site=FOREHEAD), []),
        (temperature(37.4, at("07:50"), site=FOREHEAD), ["incident major"]),
        (temperature(37.2, at("07:50"), site=FOREHEAD, adjusted_to=BodySite.ORAL), []),
        (temperature(34.9, at("07:50"), site=FOREHEAD), ["incident major"]),
        (temperature(36.4, at("07:56")), ["incident major"]),
        (waited(temperature(36.4, at("07:50"))), ["incident major"]),
    ],
    ids=[
        "contact, ordinary",
        "infrared, ordinary",
        "infrared that asks for a recheck itself",
        "infrared on the mouth's scale, ordinary on it",
        "low is never normal",
        "too late",
        "nobody knows when",
    ],
)
def test_recheck_settles_a_high_infrared_reading(recheck, expected: list[str]) -> None:
    """What settles a high infrared reading is an ordinary reading within fifteen minutes."""
    bench = Bench(Fever())
    bench.feed(temperature(38.2, SEVEN_FORTY, site=FOREHEAD), recheck)
    assert told(bench.reach(at("08:30"))) == expected


def test_recheck_that_arrived_first_counts() -> None:
    """A recheck counts by the time it was taken, whichever message came first."""
    bench = Bench(Fever())
    bench.feed(temperature(36.6, at("07:50")), temperature(38.2, SEVEN_FORTY, site=FOREHEAD))
    assert told(bench.reach(at("08:30"))) == []


def test_next_person_does_not_settle_a_high_reading() -> None:
    """At a gun the ordinary reading of the next person is no recheck of the one before."""
    bench = Bench(Fever())
    bench.feed(gun(38.4, at("20:00")), gun(36.4, at("20:05")))
    assert told(bench.reach(at("20:16"))) == ["incident major"]


@pytest.mark.parametrize(("air", "expected"), [(15.9, []), (16, ["x"]), (35, ["x"]), (35.1, [])])
def test_infrared_needs_mild_air(air: float, expected: list[str]) -> None:
    """In air below 16 or above 35 °C infrared says nothing; contact does."""
    bench = Bench(Fever())
    bench.feed(temperature(38.4, SEVEN_FORTY, site=FOREHEAD, ambient_celsius=air))
    assert len(bench.reach(at("08:00"))) == len(expected)
    contact = temperature(38.4, at("09:00"), device="li", ambient_celsius=air)
    assert told(bench.feed(contact)) == ["incident major"]


@pytest.mark.parametrize(
    ("resident", "celsius", "expected"),
    [
        (ResidentClass.CLOSE_CONTACT, 38.0, Severity.CRITICAL),
        (ResidentClass.HOME_ISOLATION, 37.4, Severity.MAJOR),
        (ResidentClass.SUSPECTED, 37.4, Severity.MAJOR),
        (ResidentClass.RECOVERED, 38.0, Severity.MAJOR),
        (ResidentClass.CLOSE_CONTACT, 39.2, Severity.CRITICAL),
    ],
)
def test_severity_is_a_step_higher_for_those_at_risk(
    resident: ResidentClass, celsius: float, expected: Severity
) -> None:
    """Contacts, isolated and suspected people are one step more severe, never beyond critical."""
    bench = Bench(Fever(), registry=community(classes={"s-sun": resident}))
    assert bench.feed(temperature(celsius, SEVEN_FORTY))[0].severity is expected


def test_severity_only_rises() -> None:
    """A higher reading raises the incident, a lower one is only attached."""
    bench = Bench(Fever())
    values = [38.1, 39.2, 38.3, 36.6]
    for number, celsius in enumerate(values):
        bench.feed(temperature(celsius, SEVEN_FORTY + number * 6 * MINUTE))
    assert told(bench.findings) == ["incident major", "raise critical", "attach", "attach"]


def test_household_without_a_name_keeps_the_household() -> None:
    """A shared thermometer is its household's; the sole resident's is the person's."""
    bench = Bench(Fever(), registry=community(classes={"s-b": ResidentClass.SUSPECTED}))
    found = bench.feed(temperature(38.1, SEVEN_FORTY, device="family"))[0]
    assert (found.key, found.subject, found.household) == ("household:h3", None, "h3")
    assert found.severity is Severity.CRITICAL
    named = bench.feed(temperature(38.1, SEVEN_FORTY, device="family", subject="s-a"))[0]
    assert named.key == "subject:s-a"


@pytest.mark.parametrize(
    ("device", "key"), [("family", "household:h3"), ("sun", "subject:s-sun"), ("gun", "device:gun")]
)
def test_a_name_nobody_registered_is_not_a_person(device: str, key: str) -> None:
    """What a device writes as a subject becomes no key and no finding unless it is registered."""
    bench = Bench(Fever())
    reading = temperature(38.1, SEVEN_FORTY, device=device, subject="Zhang Wei, flat 301")
    assert list(bench.rule.keys(reading, bench.context)) == [key]
    (found,) = bench.feed(reading)
    assert "Zhang" not in repr(found)


def test_known_person_at_the_gate_keeps_their_grid() -> None:
    """Whoever is recognised at the gate is paged to the worker of their own grid."""
    bench = Bench(Fever())
    readings = [
        temperature(37.6, at("20:00") + n * MINUTE, device=device, site=FOREHEAD, subject="s-li")
        for n, device in enumerate(("gun", "camera"))
    ]
    bench.feed(*readings)
    found = bench.findings[0]
    assert told([found]) == ["incident minor"]
    assert (found.gate, found.grid, found.household) == ("north", "g1", "h2")


@pytest.mark.parametrize(
    "again",
    [
        temperature(38.1, SEVEN_FORTY, after=HOUR),
        temperature(38.1, SEVEN_FORTY, after=20 * HOUR),
    ],
)
def test_repeat_changes_nothing(again) -> None:
    """The same reading once more gives nothing and leaves the state as it is."""
    bench = Bench(Fever())
    bench.feed(temperature(38.1, SEVEN_FORTY))
    before = dict(bench.states)
    assert bench.feed(again) == []
    assert bench.states == before


def test_event_id_makes_a_repeat() -> None:
    """A terminal that resends an event with a new time says nothing new."""
    bench = Bench(Fever())
    first = gun(37.7, at("20:00"), event_id="7")
    again = gun(37.7, at("20:00") + 20 * SECOND, event_id="7")
    assert bench.feed(first, again) == []


def test_reading_that_waited_never_makes_an_interval() -> None:
    """Without a time of its own a late reading is evidence, but never half of a pair."""
    bench = Bench(Fever())
    bench.feed(temperature(37.5, SEVEN_FORTY), waited(temperature(37.6, at("07:55"))))
    assert told(bench.findings) == ["watch", "attach"]
    high = waited(temperature(38.1, at("08:10")))
    assert told(bench.feed(high)) == ["incident major"]
    assert bench.findings[-1].late


@pytest.mark.parametrize(
    ("device", "age", "expected", "late"),
    [
        ("sun", 5 * MINUTE, "incident major", False),
        ("sun", 6 * MINUTE, "incident major", True),
        ("sun", 12 * HOUR, "incident major", True),
        ("sun", 12 * HOUR + 1, "watch", True),
        ("gun", 2 * HOUR, "incident major", True),
        ("gun", 2 * HOUR + 1, "watch", True),
    ],
)
def test_late_evidence(device: str, age: int, expected: str, late: bool) -> None:
    """Evidence up to 12 hours old (2 at a gate) pages, marked late; older is only a watch."""
    bench = Bench(Fever())
    found = bench.feed(temperature(38.1, SEVEN_FORTY, device=device, after=age))
    assert told(found) == [expected]
    assert found[0].late is late


def usual(celsius: float, days: int) -> list:
    """Two readings a day for some days before the fourteenth of February."""
    start = at("07:00") - days * DAY
    return [
        temperature(celsius + 0.1 * (number % 2), start + number * 12 * HOUR)
        for number in range(2 * days)
    ]


@pytest.mark.parametrize(
    ("before", "celsius", "expected"),
    [
        (usual(36.0, 8), 36.9, ["watch"]),
        (usual(36.0, 8), 36.8, []),
        (usual(36.0, 6), 36.9, []),
        (usual(36.0, 8)[::4], 36.9, []),
        (usual(36.0, 8), 37.3, ["watch"]),
    ],
    ids=["far above", "not far enough", "too few days", "too few readings", "fever anyway"],
)
def test_own_baseline(before: list, celsius: float, expected: list[str]) -> None:
    """Far above one's own usual is a watch, once ten readings over a week are known."""
    bench = Bench(Fever())
    bench.feed(*before)
    assert told(bench.feed(temperature(celsius, at("07:00")))) == expected


def test_baseline_is_of_one_body_site() -> None:
    """The forehead is not compared with the armpit's usual."""
    bench = Bench(Fever())
    bench.feed(*usual(35.8, 10))
    assert bench.feed(temperature(36.9, at("07:00"), site=FOREHEAD)) == []


def test_closing_begins_a_new_episode() -> None:
    """After a person has closed it, new readings are judged anew and old ones belong to it."""
    bench = Bench(Fever())
    bench.feed(temperature(37.5, at("07:40")), temperature(37.6, at("07:55")))
    bench.close("subject:s-sun", at("09:00"))
    old = temperature(37.8, at("08:50"), after=HOUR)
    assert told(bench.feed(old)) == ["attach"]
    assert told(bench.feed(temperature(37.4, at("09:05")))) == ["watch"]
    assert told(bench.feed(temperature(37.4, at("09:15")))) == ["incident minor"]


def test_closing_at_a_checkpoint_leaves_the_others_open() -> None:
    """Closing one person's incident at a gun leaves the next one's as it is."""
    bench = Bench(Fever())
    first, second = at("20:00"), at("20:10")
    bench.feed(gun(37.7, first), gun(37.9, first + 20 * SECOND))
    bench.feed(gun(37.8, second), gun(37.8, second + 20 * SECOND))
    bench.close(bench.findings[0].key, at("20:11"))
    found = bench.feed(gun(39.3, second + 40 * SECOND), gun(39.2, second + 60 * SECOND))
    assert told(found) == ["raise critical"]
    assert found[0].key == bench.findings[1].key


def test_site_may_have_numbers_of_its_own() -> None:
    """A site's threshold holds there and nowhere else."""
    special = Thresholds.model_validate({"sites": {"river": {"fever": {"contact_celsius": 37.0}}}})
    assert told(Bench(Fever(), thresholds=special).feed(temperature(37.0, SEVEN_FORTY))) == [
        "watch"
    ]


def test_streaming_thermometer_is_bounded() -> None:
    """A thermometer that never stops talking keeps its state small, and still finds a fever."""
    bench = Bench(Fever())
    readings = [temperature(36.5, SEVEN_FORTY + n * 5 * SECOND) for n in range(2_000)]
    bench.feed(*readings)
    end = readings[-1].observed_at
    hot = [temperature(37.5, end + n * 5 * SECOND) for n in range(1, 80)]
    bench.feed(*hot)
    assert told(bench.findings)[:2] == ["watch", "incident minor"]
    assert len(bench.findings) <= 3
    assert len(bench.states["subject:s-sun"].ring) <= 512 * 15
    assert bench.findings[1].action is Action.OPEN
