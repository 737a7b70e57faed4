"""Fevers for all readings: repeats, orders, rounding, bounds."""

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.finding import Action
from alerts.rules.fever import ENTRIES, Fever
from alerts.thresholds import tenths
from devices.clock import HOUR, MINUTE, SECOND
from devices.observation import BodySite, Temperature
from tests.judging import Bench, at, temperature

START = at("08:00")
SITES = (BodySite.AXILLARY, BodySite.FOREHEAD, BodySite.UNKNOWN, BodySite.AMBIENT)


@st.composite
def readings(draw: st.DrawFn, device: str = "sun") -> list[Temperature]:
    """Readings of one device within two hours, all in time to page."""
    found = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2 * HOUR // SECOND),
                st.integers(330, 430).map(lambda value: value / 10),
                st.sampled_from(SITES),
            ),
            max_size=14,
            unique_by=lambda each: each[0],
        )
    )
    return [
        Temperature(
            device_id=device,
            observed_at=START + seconds * SECOND,
            received_at=START + 2 * HOUR,
            celsius=celsius,
            body_site=site,
        )
        for seconds, celsius, site in found
    ]


@given(st.decimals(min_value=33, max_value=44, places=3))
def test_rounding_is_decimal_half_up(value: Decimal) -> None:
    """What a thermometer prints is rounded as on paper, whatever binary floats make of it."""
    expected = value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP) * 10
    assert tenths(float(value)) == int(expected)


@given(readings(), st.randoms(use_true_random=False))
def test_person_has_at_most_one_episode_in_any_order(given_: list, random) -> None:
    """In any order of arrival a person's readings open at most one watch and one incident."""
    random.shuffle(given_)
    bench = Bench(Fever())
    for reading in given_:
        bench.feed(reading)
        if random.random() < 0.2:
            bench.reach(reading.observed_at + random.randrange(HOUR))
    bench.reach(START + 9 * HOUR)
    opened = [found for found in bench.findings if found.action is Action.OPEN]
    assert [found.watch for found in opened] in ([], [True], [False], [True, False])
    assert len({found.key for found in bench.findings}) <= 1
    raised = [found for found in bench.findings if found.action is Action.RAISE]
    assert len(raised) <= 4
    assert opened or not raised


@given(readings(), st.sampled_from(["sun", "gun", "family"]), st.randoms(use_true_random=False))
def test_repeats_change_nothing(given_: list, device: str, random) -> None:
    """Every reading twice, the second time anywhere later, gives what once gives."""
    once, twice = Bench(Fever()), Bench(Fever())
    sent: list = []
    for original in given_:
        reading = temperature(
            original.celsius, original.observed_at, device=device, site=original.body_site
        )
        once.feed(reading)
        twice.feed(reading)
        sent.append(reading)
        assert twice.feed(random.choice(sent)) == []
    assert _rings(once) == _rings(twice)
    assert [found.action for found in once.findings] == [found.action for found in twice.findings]


def _rings(bench: Bench) -> dict:
    return {key: state.ring for key, state in bench.states.items()}


@given(readings())
def test_infrared_and_unlabelled_alone_never_open_below_high(given_: list) -> None:
    """Outside a checkpoint nothing but contact readings opens anything below 38.0."""
    bench = Bench(Fever())
    without = [each for each in given_ if each.body_site is not BodySite.AXILLARY]
    bench.feed(*(each for each in without if each.celsius < 37.95))
    bench.reach(START + 9 * HOUR)
    assert bench.findings == []


@given(st.lists(st.integers(0, 90), min_size=1, max_size=40))
@settings(max_examples=20)
def test_state_is_bounded(pauses: list[int]) -> None:
    """However much a gun says, its state stays small."""
    bench = Bench(Fever())
    when = START
    for number in range(1_500):
        when += pauses[number % len(pauses)] * SECOND + SECOND
        bench.feed(temperature(36.0 + number % 30 / 10, when, device="gun"))
    state = bench.states["device:gun"]
    assert len(state.ring) <= ENTRIES * 15
    assert len(state.episodes) <= 32
    assert len(state.waits) <= 32
    assert bench.rule.due(state) is None or bench.rule.due(state) <= when + 15 * MINUTE
