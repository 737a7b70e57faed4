"""Ladders as timetables: when who is called, if nobody acknowledges."""

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from alerts.escalation import (
    DEFAULT_POLICIES,
    Policies,
    Policy,
    Standing,
    Step,
    advance,
    new_round,
    policy_name,
)
from alerts.finding import IncidentKind, Severity
from devices.clock import HOUR, MINUTE, SECOND
from devices.registry import Role

ZONE = ZoneInfo("Asia/Shanghai")
EVERYBODY = {
    Role.GUARD: ("guard",),
    Role.GRID_WORKER: ("worker",),
    Role.SECRETARY: ("secretary",),
    Role.STREET_COMMAND: ("street",),
    Role.OPERATOR: ("operator",),
}


def local(hour: int, minute: int = 0, *, day: int = 14) -> int:
    return round(datetime(2020, 2, day, hour, minute, tzinfo=ZONE).timestamp() * SECOND)


def calls(
    name: str,
    *,
    begins: int,
    hours: float,
    roster: Callable[[Role], Sequence[str]] | None = None,
) -> list[tuple[int, tuple[str, ...]]]:
    """Return (minutes since the beginning, who is called) while nobody acknowledges."""
    policy = DEFAULT_POLICIES.named(name)
    standing, due_at = new_round(Standing(), now=begins), begins
    made = []
    while due_at <= begins + hours * HOUR:
        move = advance(
            policy,
            standing,
            now=due_at,
            zone=ZONE,
            roster=roster or (lambda role: EVERYBODY[role]),
        )
        if move.called:
            made.append(((due_at - begins) // MINUTE, tuple(worker for worker, _ in move.called)))
        assert move.next_at > due_at
        standing, due_at = move.standing, move.next_at
    return made


W, S, T = ("worker",), ("secretary",), ("street",)
G, OP = ("guard",), ("operator",)


@pytest.mark.parametrize(
    ("name", "hours", "expected"),
    [
        pytest.param(
            "fever_minor",
            1.3,
            [
                *((0, W), (5, W), (10, W)),
                *((15, S), (20, S), (25, S), (30, S)),
                *((45, T), (50, T), (55, T), (60, T)),
                (75, W),
            ],
            id="fever, minor: worker, secretary after 15 min, street after 45, round again",
        ),
        pytest.param(
            "fever_major",
            0.25,
            [(0, W + S), (5, W + S), (10, W + S), (15, T)],
            id="fever, major: worker and secretary at once, street after 15 min",
        ),
        pytest.param(
            "fever_at_checkpoint",
            0.25,
            [(0, G + W + S), (5, G + W + S), (10, G + W + S), (15, T)],
            id="fever at a checkpoint: guard, worker and secretary at once",
        ),
        pytest.param(
            "strangers",
            1,
            [(0, G), (5, G), (10, G), (15, G), (30, S), (35, S), (40, S), (45, S), (60, G)],
            id="strangers: guard, secretary after 30 min, round again 30 min after that",
        ),
        pytest.param(
            "system",
            1,
            [(0, OP), (5, OP), (10, OP), (15, S), (20, S), (25, S), (30, S), (60, T)],
            id="the system itself: operator, secretary after 15 min, street after 1 h",
        ),
    ],
)
def test_each_kind_climbs_by_its_timetable(
    name: str, hours: float, expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    """While nobody acknowledges, exactly these people are called at exactly these minutes."""
    assert calls(name, begins=local(20), hours=hours) == expected


def test_an_empty_flat_waits_for_the_morning() -> None:
    """What is found at night pages at 8 o'clock local time, and four hours count from there."""
    made = calls("empty_flat", begins=local(23), hours=24)
    nine_hours = 9 * 60
    assert made[0] == (nine_hours, W)
    assert (nine_hours + 4 * 60, S) in made
    times = [local(23) + minute * MINUTE for minute, _ in made]
    assert {datetime.fromtimestamp(at / SECOND, ZONE).hour for at in times} <= set(range(8, 21))


def test_a_repeat_that_falls_into_the_night_is_one_page_in_the_morning() -> None:
    """Repeats missed while nobody may be paged are not made up for one after the other."""
    made = calls("empty_flat", begins=local(20, 58), hours=11.1)
    assert made == [(0, W), (11 * 60 + 2, S)]


def test_missed_repeats_are_not_made_up_for() -> None:
    """After an hour's standstill the next step is called, and no burst of repeats."""
    policy = DEFAULT_POLICIES.strangers
    begun = Standing(round=1, round_at=0, step=0, step_at=0, repeat=0)
    move = advance(policy, begun, now=14 * MINUTE, zone=ZONE, roster=lambda role: EVERYBODY[role])
    assert move.standing.repeat == 2
    assert move.next_at == 15 * MINUTE


def test_an_empty_step_is_skipped_at_once() -> None:
    """With no worker on call the secretary is called in the same move, and the skip is told."""
    standing = new_round(Standing(), now=0)
    move = advance(
        DEFAULT_POLICIES.fever_minor,
        standing,
        now=0,
        zone=ZONE,
        roster=lambda role: () if role is Role.GRID_WORKER else EVERYBODY[role],
    )
    assert move.called == (("secretary", Role.SECRETARY),)
    assert move.skipped == (0,)
    assert move.standing.step == 1
    assert move.next_at == 5 * MINUTE


def test_a_ladder_without_anybody_looks_again() -> None:
    """With nobody on call at all every step is skipped and the next round begins in 30 minutes."""
    move = advance(
        DEFAULT_POLICIES.fever_minor,
        new_round(Standing(), now=0),
        now=0,
        zone=ZONE,
        roster=lambda _: (),
    )
    assert (move.called, move.skipped, move.next_at) == ((), (0, 1, 2), 30 * MINUTE)


def test_a_failed_step_gives_way_at_once() -> None:
    """When every page of a step failed for good, the next step does not wait for its time."""
    begun = Standing(round=1, round_at=0, step=0, step_at=0, repeat=0)
    move = advance(
        DEFAULT_POLICIES.fever_minor,
        begun,
        now=MINUTE,
        zone=ZONE,
        roster=lambda role: EVERYBODY[role],
        step_failed=True,
    )
    assert move.called == (("secretary", Role.SECRETARY),)
    assert move.standing.step == 1


def test_a_failed_last_step_does_not_spin() -> None:
    """When the last step fails too, the next round keeps its time."""
    last = Standing(round=1, round_at=0, step=2, step_at=0, repeat=3)
    move = advance(
        DEFAULT_POLICIES.fever_minor,
        last,
        now=MINUTE,
        zone=ZONE,
        roster=lambda role: EVERYBODY[role],
        step_failed=True,
    )
    assert (move.called, move.next_at) == ((), 30 * MINUTE)


def test_a_person_in_two_roles_is_called_once() -> None:
    """Whoever is guard and secretary tonight gets one page of a step, not two."""
    move = advance(
        DEFAULT_POLICIES.fever_at_checkpoint,
        new_round(Standing(), now=0),
        now=0,
        zone=ZONE,
        roster=lambda _: ("li",),
    )
    assert move.called == (("li", Role.GUARD),)


def test_every_kind_and_severity_has_a_policy() -> None:
    """No incident can be opened that has no ladder."""
    for kind in IncidentKind:
        for severity in Severity:
            assert DEFAULT_POLICIES.named(policy_name(kind, severity)).steps


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("steps", (Step(after_minutes=5, roles=(Role.GUARD,)),), id="late start"),
        pytest.param("hours", (21, 8), id="hours turned round"),
        pytest.param("steps", (), id="no step"),
        pytest.param("lapses_after_minutes", 0, id="lapses at once"),
    ],
)
def test_a_ladder_that_cannot_work_is_refused(field: str, value: object) -> None:
    """A policy in the settings that would page nobody or for ever is refused by name."""
    content = DEFAULT_POLICIES.strangers.model_dump() | {field: value}
    with pytest.raises(ValidationError, match=field if field != "steps" else "steps|step"):
        Policy.model_validate(content)


def test_a_setting_changes_one_policy_only() -> None:
    """A ladder written in the settings replaces its default and leaves the others alone."""
    steps = [{"after_minutes": 0, "roles": ["secretary"]}]
    changed = Policies.model_validate({"strangers": {"steps": steps, "lapses_after_minutes": 5}})
    assert changed.strangers.steps[0].roles == (Role.SECRETARY,)
    assert changed.fever_minor == DEFAULT_POLICIES.fever_minor
