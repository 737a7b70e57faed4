"""The engine: hands observations and time to the rules, and makes what they find durable.

An effect (an incident opened, fed, raised or cleared) commits with its key's state and with the
facts people left for that key, in one transaction. What a rule begins to wait for by itself is
written before it is waited for. Everything else is written behind (see
``write_behind``). A crash at any step loses nothing: the cursor is behind every unwritten change,
and a key that has seen an input takes it only once.

One thread owns an engine. A database that is away raises SQLAlchemy's error from whatever was
asked; asking again with the same input goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import sqlalchemy
import structlog

from alerts import fact, incident
from alerts.cursor import Books
from alerts.escalation import DEFAULT_POLICIES, Policies
from alerts.fact import Closed
from alerts.finding import Finding
from alerts.rule import Context, Evidence, Rule
from alerts.rule_state import Agenda, RuleStates, Slot, upsert
from alerts.rules import RULES
from alerts.thresholds import Thresholds
from alerts.write_behind import WriteBehind
from devices.clock import Clock
from devices.observation import Observation
from devices.outcome import Ignored, Outcome
from devices.registry import Registry

log = structlog.get_logger()

DUE_PER_TICK = 500
FACTS_PER_TICK = 100

_Run = Callable[[Any], tuple[Any, Sequence[Finding]]]


class _Watch(NamedTuple):
    """A rule's look at one kind of message.

    Attributes:
        keys_of, step: The rule's.
        states: The rule and its states.
        context: What it may look at.
        places: Which of the message's observations it looks at.
    """

    keys_of: Callable[[Observation, Context], Sequence[str]]
    step: Callable[[str, Any, Evidence, Context], tuple[Any, Sequence[Finding]]]
    states: RuleStates
    context: Context
    places: tuple[int, ...]


class _Memos(NamedTuple):
    """What was worked out from a snapshot of the registry; see Context."""

    registry: Registry
    of_rule: dict[str, dict[str, Any]]
    stays: dict[str, Any]


class Engine:
    """Judge what the journal's followers hand over."""

    def __init__(
        self,
        *,
        database: sqlalchemy.Engine,
        journal: str,
        registry: Callable[[], Registry],
        thresholds: Thresholds,
        silent_after: Callable[[str], int | None],
        clock: Clock,
        policies: Policies = DEFAULT_POLICIES,
        rules: Sequence[Rule[Any]] = RULES,
    ) -> None:
        """Load every rule's states.

        Args:
            database: The state database, migrated.
            journal: Id of the journal whose positions are handled.
            registry: Gives the present snapshot; called once a batch.
            thresholds: The rules' numbers.
            silent_after: Milliseconds a profile's devices may say nothing, by its name.
            clock: Tells when an incident was opened; nothing is judged by it.
            policies: Who is paged when, by the kind of an incident.
            rules: Those to apply.
        """
        self._database = database
        self._registry = registry
        self._thresholds = thresholds
        self._silent_after = silent_after
        self._clock = clock
        self._policies = policies
        self._states = {rule.name: RuleStates(rule) for rule in rules}
        self._memos = _Memos(Registry(), {}, {})
        self._seeded = Registry()
        self._agenda = Agenda()
        self._behind = WriteBehind(database)
        self._progress = msgspec.structs.replace(self._behind.durable, journal=journal)
        with database.connect() as connection:
            for states in self._states.values():
                states.load(connection)
        for states in self._states.values():
            for key, slot in states.slots.items():
                self._agenda.plan(states, key, slot)

    def cursor(self) -> tuple[str, int] | None:
        """Return the durable journal id and position; None before the first."""
        durable = self._behind.durable
        return (durable.journal, durable.books.position) if durable.journal else None

    def counters(self) -> dict[str, int]:
        """Return how many messages were judged, ignored and dead letters, each once."""
        counters = msgspec.structs.asdict(self._progress.books)
        del counters["position"]
        return counters

    def handle(self, base: int, outcomes: Sequence[Outcome]) -> None:
        """Judge the outcomes of messages whose positions are dense from ``base`` on.

        Those that were handled before, and come again because something was held, are left out.
        """
        contexts = self._contexts()
        watches: dict[tuple[type, ...], list[_Watch]] = {}
        judged = ignored = 0
        seen = max(0, self._progress.books.position + 1 - base)
        outcomes = outcomes[seen:]
        for position, outcome in enumerate(outcomes, start=base + seen):
            if outcome.__class__ is tuple:
                judged += 1
                kinds = tuple([observation.__class__ for observation in outcome])
                watching = watches.get(kinds)
                if watching is None:
                    watching = watches[kinds] = self._watching(kinds, contexts)
                self._judge(outcome, position, watching)
            elif isinstance(outcome, Ignored):
                ignored += 1
        books = self._progress.books
        books = Books(
            position=max(books.position, base + seen + len(outcomes) - 1),
            judged=books.judged + judged,
            ignored=books.ignored + ignored,
            dead=books.dead + len(outcomes) - judged - ignored,
        )
        self._progress = msgspec.structs.replace(self._progress, books=books)
        self._behind.write_some(self._progress)

    def tick(self, frontier: int) -> None:
        """Take in what people did, and judge what is due before the frontier.

        Args:
            frontier: Arrival of the next unjudged message, or now; milliseconds UTC.
        """
        self._take_facts()
        self._progress = self._progress.move(frontier)
        contexts = self._contexts()
        self._seed(contexts, frontier)
        for _ in range(DUE_PER_TICK):
            due = self._agenda.take_due(frontier)
            if due is None:
                break
            self._judge_due(*due, frontier, contexts)
        self._behind.write_some(self._progress)

    def flush(self) -> None:
        """Write everything that is behind; the cursor follows."""
        self._behind.write_all(self._progress)

    def _contexts(self) -> dict[str, Context]:
        """Return what each rule may look at, by its name."""
        registry = self._registry()
        if self._memos.registry is not registry:
            self._memos = _Memos(registry, {name: {} for name in self._states}, {})
        return {
            name: Context(
                registry=registry,
                thresholds=self._thresholds,
                silent_after=self._silent_after,
                listening_since=self._progress.listening_since,
                neighbour=states.get,
                memo=self._memos.of_rule[name],
                stays=self._memos.stays,
            )
            for name, states in self._states.items()
        }

    def _seed(self, contexts: dict[str, Context], frontier: int) -> None:
        """Take what the rules begin to wait for with what changed in the registry.

        Durable at once: no input would bring it again, and a kill must not begin the wait anew.
        """
        registry = self._memos.registry
        if registry is self._seeded:
            return
        changed = registry.changed_devices(self._seeded)
        seeds: list[tuple[RuleStates, str, Slot]] = []
        for name, states in self._states.items():
            for key, state in states.rule.seeds(changed, contexts[name], frontier).items():
                slot = states.slots.get(key)
                written = Slot(state, position=slot.position if slot else 0)
                written.due = states.rule.due(state)
                seeds.append((states, key, written))
        if seeds:
            with self._database.begin() as connection:
                upsert(connection, [(states.rule.name, key, slot) for states, key, slot in seeds])
        for states, key, slot in seeds:
            states.slots[key] = slot
            self._agenda.plan(states, key, slot)
            self._behind.discard(states.rule.name, key)
        self._seeded = registry

    def _watching(self, kinds: Sequence[type], contexts: dict[str, Context]) -> list[_Watch]:
        """Return who looks at messages whose observations are of these types."""
        watching: list[_Watch] = []
        for name, states in self._states.items():
            rule = states.rule
            places = tuple(place for place, kind in enumerate(kinds) if kind in rule.observes)
            if places:
                watching.append(_Watch(rule.keys, rule.step, states, contexts[name], places))
        return watching

    def _judge(
        self, observations: Sequence[Observation], position: int, watching: Sequence[_Watch]
    ) -> None:
        """Hand one message's observations to every key of every rule they concern."""
        for watch in watching:
            keys_of, step, states, context, places = watch
            slots = states.slots
            for place in places:
                observation = observations[place]
                for key in keys_of(observation, context):
                    slot = slots.get(key)
                    if slot is None:
                        state = states.blank
                    elif position > slot.position:
                        state = slot.state or states.read(slot)
                    else:
                        continue
                    evidence = Evidence(observation, position)
                    after, findings = step(key, state, evidence, context)
                    if not findings and after is state:  # Mostly nothing changes.
                        continue
                    if len(places) == 1:
                        self._take(watch, key, (evidence,), after, findings)
                        continue
                    self._judge_several(observations, position, watch)
                    break
                else:
                    continue
                break

    def _judge_several(
        self, observations: Sequence[Observation], position: int, watch: _Watch
    ) -> None:
        """Hand each key all that one message says of it, so that it has seen all or nothing."""
        states, context = watch.states, watch.context
        inputs: dict[str, list[Evidence]] = {}
        for place in watch.places:
            evidence = Evidence(observations[place], position)
            for key in watch.keys_of(observations[place], context):
                inputs.setdefault(key, []).append(evidence)
        for key, several in inputs.items():
            slot = states.slots.get(key)
            if slot is None or position > slot.position:
                state = states.read(slot)
                after, findings = _step(states.rule, key, several, context, state)
                if findings or after is not state:
                    self._take(watch, key, several, after, findings)

    def _take(
        self,
        watch: _Watch,
        key: str,
        evidence: Sequence[Evidence],
        after: Any,
        findings: Sequence[Finding],
    ) -> None:
        """Take the next state of a key, with what was found or by itself."""
        states, position = watch.states, evidence[0].position
        slot = states.slots.get(key)
        if findings:
            run = partial(_step, states.rule, key, evidence, watch.context)
            self._commit(states, key, slot, position, run)
        else:
            slot = self._keep(states, key, slot, after, position)
            self._behind.add(states.rule.name, key, slot, position)

    def _judge_due(
        self,
        states: RuleStates,
        key: str,
        slot: Slot,
        frontier: int,
        contexts: dict[str, Context],
    ) -> None:
        """Let one key judge time; nothing is forgotten when the database is away."""
        rule = states.rule
        context = contexts[rule.name]
        try:
            after, findings = rule.on_due(key, states.read(slot), frontier, context)
            if findings:
                self._commit(
                    states,
                    key,
                    slot,
                    slot.position,
                    lambda state: rule.on_due(key, state, frontier, context),
                )
            else:
                self._keep(states, key, slot, after, slot.position)
                self._behind.add(rule.name, key, slot, 0)
        finally:
            self._agenda.plan(states, key, slot)

    def _commit(
        self, states: RuleStates, key: str, slot: Slot | None, position: int, run: _Run
    ) -> None:
        """Commit what was found together with the state that found it.

        What people did to the key's incidents meanwhile is taken first, in the same transaction,
        and the step is taken again on that.
        """
        rule = states.rule
        registry, now = self._registry(), self._clock.now()
        with self._database.begin() as connection:
            state = states.read(slot)
            found: list[Finding] = []
            for said in fact.take(connection, rule, key):
                if isinstance(said, Closed):
                    state = rule.on_closed(state, said.incident_key, said.at)
                    continue
                state, told = rule.on_attributed(key, state, said, self._contexts()[rule.name])
                found += told
            state, findings = run(state)
            findings = [*found, *findings]
            for finding in findings:
                incident.apply(
                    connection, finding, now=now, registry=registry, policies=self._policies
                )
            written = Slot(state, position=position)
            written.due = rule.due(state)
            upsert(connection, [(rule.name, key, written)])
        log.info("findings_committed", rule=rule.name, findings=len(findings), position=position)
        self._keep(states, key, slot, state, position)
        self._behind.discard(rule.name, key)

    def _keep(
        self, states: RuleStates, key: str, slot: Slot | None, state: Any, position: int
    ) -> Slot:
        """Keep a key's new state in memory, in its slot or a new one."""
        if slot is None:
            slot = states.slots[key] = Slot(state)
        else:
            slot.write(state)
        slot.position = position
        slot.due = states.rule.due(state)
        self._agenda.plan(states, key, slot)
        return slot

    def _take_facts(self) -> None:
        """Take in what people did, in the transaction that forgets it."""
        with self._database.connect() as connection:
            waiting = fact.list_waiting(connection, limit=FACTS_PER_TICK)
        for name, incident_key in waiting:
            states = self._states.get(name)
            if states is None:
                with self._database.begin() as connection:
                    fact.drop(connection, name, incident_key)
                continue
            key = states.rule.state_key(incident_key)
            slot = states.slots.get(key)
            position = slot.position if slot is not None else 0
            self._commit(states, key, slot, position, lambda state: (state, ()))


def _step(
    rule: Rule[Any], key: str, evidence: Sequence[Evidence], context: Context, state: Any
) -> tuple[Any, Sequence[Finding]]:
    """Advance a state by one message's evidence, in its order."""
    found: list[Finding] = []
    for each in evidence:
        state, findings = rule.step(key, state, each, context)
        found += findings
    return state, found
