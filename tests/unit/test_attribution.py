"""What an answer to whose a reading is does to the keys that lose and get it."""

import msgspec
import pytest

from alerts.finding import Action
from alerts.rule import Attribution, Evidence, Whose
from alerts.rules import baseline, readings
from alerts.rules.fever import Fever
from alerts.rules.origin import by_identity
from alerts.rules.readings import ATTRIBUTED, ELSEWHERE
from devices.clock import DAY, HOUR, MINUTE
from devices.observation import BodySite, Temperature
from tests.judging import Bench, at, temperature, told

FAMILY, A, B, SUN = "household:h3", "subject:s-a", "subject:s-b", "subject:s-sun"
SEVEN_FORTY = at("07:40")


def family(celsius: float, when: int, **more) -> Temperature:
    """A reading of the thermometer that two people share."""
    return temperature(celsius, when, device="family", **more)


class Flat(Bench):
    """A bench whose readings are answered about, as the engine hands on the answers."""

    def __init__(self) -> None:
        super().__init__(Fever())
        self.answers: dict[int, Attribution] = {}

    def answer(self, reading: Temperature, whose: str, *, source: str = FAMILY) -> list:
        """Say whose a reading is: ``subject:…``, ``visitor`` or ``household``."""
        kept = next(
            one
            for one in readings.every(self.states[source].ring)
            if one.observed_at == reading.observed_at
        )
        came = by_identity(self.states[source].origins)[kept.identity]
        before = self.answers.get(kept.identity)
        subject = whose.removeprefix("subject:") if whose.startswith("subject:") else None
        said = Attribution(
            number=before.number + 1 if before else 1,
            source=source,
            whose=Whose.RESIDENT if subject else Whose(whose),
            subject=subject,
            resident={"s-a": 1, "s-b": 2}.get(subject or ""),
            device_id=reading.device_id,
            observed_at=kept.observed_at,
            identity=kept.identity,
            tenths=kept.tenths,
            marks=kept.marks,
            scale=came.scale,
            position=came.position,
            incident="7KX2M",
            by="worker-1",
            at=reading.observed_at + HOUR,
        )
        self.answers[kept.identity] = said
        return self.hear(said, before.holder if before else source, said.holder)

    def hear(self, said: Attribution, *keys: str) -> list:
        """Let keys hear an answer."""
        found: list = []
        for key in keys:
            if key:
                state = self.states.get(key) or self.rule.state()
                found += self._keep(key, self.rule.on_attributed(key, state, said, self.context))
        return found

    def held(self, key: str) -> list[float]:
        """The readings that a key is judged by."""
        state = self.states.get(key) or self.rule.state()
        return [one.celsius for one in readings.every(state.ring) if not one.marks & ELSEWHERE]


@pytest.mark.parametrize(
    ("device", "named", "expected"),
    [
        ("family", "s-b", (B,)),
        ("family", None, (FAMILY,)),
        ("family", "nobody-knows", (FAMILY,)),
        ("sun", None, (SUN,)),
        ("sun", "s-a", (A,)),
        ("gun", "s-a", (A, "device:gun")),
        ("gun", None, ("device:gun",)),
    ],
)
def test_a_reading_is_whose_it_says_else_the_only_residents_else_the_households(
    device: str, named: str | None, expected: tuple[str, ...]
) -> None:
    """The table of the README: nobody is guessed, and what a device makes up is not believed."""
    bench = Bench(Fever())
    reading = temperature(36.6, SEVEN_FORTY, device=device, subject=named)
    assert tuple(bench.rule.keys(reading, bench.context)) == expected


def test_an_answer_moves_a_reading_and_says_so_on_both_sides() -> None:
    """The household's case keeps standing with nothing left; who it is gets a watch."""
    flat, hot = Flat(), family(37.6, SEVEN_FORTY)
    assert told(flat.feed(hot)) == ["watch"]
    lost, got = flat.answer(hot, B)
    assert (lost.action, lost.key, lost.observed_at) == (Action.WITHDRAW, FAMILY, SEVEN_FORTY)
    assert (lost.evidence["resident"], lost.evidence["remaining"]) == (2, 0)
    assert (got.action, got.key, got.watch, got.observed_at) == (Action.OPEN, B, True, SEVEN_FORTY)
    assert (got.subject, got.household, got.position) == ("s-b", "h3", 1)
    assert got.evidence["body_site"] == "axillary"
    assert got.evidence["attributed_by"] == lost.evidence["attributed_by"] == "worker-1"
    assert (flat.held(FAMILY), flat.held(B)) == ([], [37.6])


@pytest.mark.parametrize("later", [37.6, 38.4])
def test_a_fever_that_answers_make_is_a_watch(later: float) -> None:
    """Two readings that are now one person's are a fever of that person, without a ladder."""
    flat = Flat()
    both = family(37.5, SEVEN_FORTY), family(later, SEVEN_FORTY + 15 * MINUTE)
    flat.feed(*both)
    assert not flat.findings[-1].watch
    for reading in both:
        found = flat.answer(reading, A)
    assert found[-1].key == A
    assert found[-1].watch
    assert found[-1].evidence["because"] in ("two_contact_readings", "one_high_contact_reading")


def test_what_is_measured_after_an_answer_pages() -> None:
    """Once a reading is known to be hers, her next one within half an hour makes a fever."""
    flat, first = Flat(), family(37.5, SEVEN_FORTY)
    flat.feed(first)
    flat.answer(first, A)
    assert told(flat.feed(family(37.6, SEVEN_FORTY + 15 * MINUTE, subject="s-a"))) == [
        "incident minor"
    ]


def test_two_people_of_one_flat_are_not_one_fever() -> None:
    """A reading that is somebody else's leaves the company of those that stay."""
    flat, first = Flat(), family(37.5, SEVEN_FORTY)
    flat.feed(first)
    flat.answer(first, A)
    assert told(flat.feed(family(37.6, SEVEN_FORTY + 15 * MINUTE))) == ["attach"]


def test_an_answer_is_changed_and_undone() -> None:
    """Each time the reading leaves who had it; undone, it is the household's as before."""
    flat, hot = Flat(), family(37.6, SEVEN_FORTY)
    flat.feed(hot)
    flat.answer(hot, A)
    changed = flat.answer(hot, B)
    assert [(found.action, found.key) for found in changed] == [
        (Action.WITHDRAW, A),
        (Action.OPEN, B),
    ]
    undone = flat.answer(hot, "household")
    assert [(found.action, found.key) for found in undone] == [
        (Action.WITHDRAW, B),
        (Action.ATTACH, FAMILY),
    ]
    assert (flat.held(FAMILY), flat.held(A), flat.held(B)) == ([37.6], [], [])


def test_a_visitors_reading_is_judged_as_nobodys() -> None:
    """It leaves the household, whose case says so, and nobody else gets it."""
    flat, hot = Flat(), family(37.6, SEVEN_FORTY)
    flat.feed(hot)
    (lost,) = flat.answer(hot, "visitor")
    assert (lost.key, lost.evidence["whose"]) == (FAMILY, "visitor")
    assert "resident" not in lost.evidence


def test_a_lone_residents_reading_can_be_a_visitors() -> None:
    """What a person says counts before what the register makes of it."""
    flat, hot = Flat(), temperature(37.6, SEVEN_FORTY)
    flat.feed(hot)
    (lost,) = flat.answer(hot, "visitor", source=SUN)
    assert (lost.action, lost.key) == (Action.WITHDRAW, SUN)
    assert flat.held(SUN) == []


def test_the_same_answer_twice_is_one() -> None:
    """A key that hears it again changes nothing and tells nothing."""
    flat, hot = Flat(), family(37.6, SEVEN_FORTY)
    flat.feed(hot)
    flat.answer(hot, A)
    before = dict(flat.states)
    (said,) = flat.answers.values()
    assert flat.hear(said, FAMILY, A) == []
    assert flat.states == before


def test_a_resend_of_a_reading_that_was_answered_about_changes_nothing() -> None:
    """Its identity stays known where it was first judged."""
    flat, hot = Flat(), family(38.6, SEVEN_FORTY)
    flat.feed(hot)
    flat.answer(hot, A)
    assert flat.feed(hot) == []
    assert (flat.held(FAMILY), flat.held(A)) == ([], [38.6])


def test_a_reading_that_named_somebody_is_not_asked_about() -> None:
    """Whom the payload names is beyond question: nothing is kept to move it by."""
    flat = Flat()
    flat.feed(family(37.6, SEVEN_FORTY, subject="s-a"))
    assert flat.states[A].origins == b""


def test_a_wait_for_a_recheck_moves_with_its_reading() -> None:
    """The household no longer waits; whose it is gets the watch when nobody rechecked."""
    flat, hot = Flat(), family(38.3, SEVEN_FORTY, site=BodySite.FOREHEAD)
    flat.feed(hot)
    flat.answer(hot, A)
    assert flat.states[FAMILY].waits == ()
    (found,) = flat.reach(SEVEN_FORTY + HOUR)
    assert (found.key, found.watch) == (A, True)
    assert found.evidence["because"] == "infrared_not_rechecked"


def test_the_own_usual_follows_the_answers() -> None:
    """Readings teach what is usual for whom they are, until they are somebody else's."""
    flat = Flat()
    week = [family(36.2, SEVEN_FORTY + day * DAY * 4 // 5) for day in range(10)]
    for reading in week:
        flat.feed(reading)
        flat.answer(reading, A)
    warm = family(37.2, SEVEN_FORTY + 8 * DAY)
    flat.feed(warm)
    (found,) = flat.answer(warm, A)
    assert (found.key, found.evidence["because"]) == (A, "above_own_baseline")
    for reading in week[-3:]:
        flat.answer(reading, B)
    kept = readings.every(flat.states[B].ring)
    assert [one.celsius for one in kept] == [36.2] * 3
    size = len(flat.states[B].baseline)
    assert len(flat.states[A].baseline) == size // 3 * 7


def test_an_answer_about_a_closed_case_attaches_to_it() -> None:
    """What was measured before a closing belongs to the closed case, also by an answer."""
    flat, hot = Flat(), family(37.6, SEVEN_FORTY)
    flat.feed(family(37.5, SEVEN_FORTY + MINUTE, subject="s-a"), hot)
    flat.close(A, SEVEN_FORTY + HOUR)
    _, got = flat.answer(hot, A)
    assert (got.action, got.key, got.watch) == (Action.ATTACH, A, True)


def test_an_answer_raises_no_fever_that_pages() -> None:
    """A higher reading that is somebody's only afterwards starts no ladder of its own."""
    flat = Flat()
    flat.feed(
        family(37.5, SEVEN_FORTY, subject="s-a"),
        family(37.6, SEVEN_FORTY + 15 * MINUTE, subject="s-a"),
    )
    hot = family(39.4, SEVEN_FORTY + 20 * MINUTE)
    flat.feed(hot)
    _, got = flat.answer(hot, A)
    assert (got.action, got.severity.value) == (Action.ATTACH, "minor")
    assert got.evidence["celsius"] == 39.4


@pytest.mark.parametrize("site", [one for one in BodySite if one is not BodySite.AMBIENT])
@pytest.mark.parametrize("adjusted_to", [None, BodySite.ORAL])
def test_a_scale_stands_for_its_sites(site: BodySite, adjusted_to: BodySite | None) -> None:
    """What is kept of a reading says where on the body it was taken."""
    reading = family(36.6, SEVEN_FORTY, site=site, adjusted_to=adjusted_to)
    assert baseline.sites(baseline.scale(reading)) == (site, adjusted_to)


def test_what_is_kept_of_origins_is_bounded() -> None:
    """A thermometer that never stops talking keeps as many origins as readings."""
    flat = Flat()
    for second in range(700):
        flat.feed(family(36.6, SEVEN_FORTY + second * 10_000))
    state = flat.states[FAMILY]
    assert len(by_identity(state.origins)) == readings.count(state.ring) == 512


def test_states_written_before_answers_existed_are_read() -> None:
    """A state of the version before has no origins, and goes on as it was."""
    old = msgspec.msgpack.encode([b"", b"", [], []])
    state = msgspec.msgpack.decode(old, type=Fever.state)
    bench = Bench(Fever())
    hot = family(37.6, SEVEN_FORTY)
    after, findings = bench.rule.step(FAMILY, state, Evidence(hot, 1), bench.context)
    assert told(findings) == ["watch"]
    assert by_identity(after.origins)
    assert not readings.every(after.ring)[0].marks & (ATTRIBUTED | ELSEWHERE)
