"""What the console calls things: a text for each value of a closed list, marked for translation."""

import gettext
from collections.abc import Callable, Mapping
from types import MappingProxyType

from alerts.finding import IncidentKind
from alerts.incident import Disposition, Incident


def mark(text: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return text


_KIND = {
    "fever": mark("Fever"),
    "fever_at_checkpoint": mark("Fever at a checkpoint"),
    "empty_flat": mark("Empty flat lived in"),
    "strangers": mark("Stranger at the gate"),
    "device": mark("Device needs attention"),
    "system": mark("Gatehouse itself"),
}
_DEVICE_WATCH = {
    "battery_low": mark("Battery nearly empty"),
    "clock_off": mark("Clock of a device is off"),
    "device_silent": mark("Device is silent"),
}
_SEVERITY = {
    "minor": mark("Minor"),
    "major": mark("Major"),
    "critical": mark("Critical"),
}
_STATE = {
    "triggered": mark("Nobody has answered"),
    "acknowledged": mark("Somebody is on it"),
    "observing": mark("Under observation"),
    "closed": mark("Closed"),
}
_DISPOSITION = {
    "hospital": mark("Taken to hospital"),
    "isolation_point": mark("Moved to an isolation point"),
    "home_isolation": mark("Isolated at home"),
    "other_community": mark("Handed over to another community"),
    "no_fever": mark("Measured again: no fever"),
    "recovered": mark("Recovered"),
    "registered": mark("Checked and put into the register"),
    "moved_out": mark("Nobody lives there any more"),
    "sent_away": mark("Sent away"),
    "device_repaired": mark("Device repaired"),
    "cause_gone": mark("The cause went away by itself"),
    "false_alarm": mark("False alarm"),
    "other": mark("Something else, see the note"),
}
_ROLE = {
    "guard": mark("Guard"),
    "grid_worker": mark("Grid worker"),
    "secretary": mark("Secretary"),
    "street_command": mark("Street command"),
    "operator": mark("Operator"),
}
_REFUSAL = {
    "changed": mark("Not done: the case has changed meanwhile. This is how it is now."),
    "already_acknowledged": mark("Not done: somebody is on it already."),
    "already_closed": mark("Not done: the case is closed already."),
    "not_acknowledged": mark("Not done: first say that you are on it, then observe."),
    "note_empty": mark("Not done: the note was empty. Write a word or two."),
    "note_too_long": mark("Not done: the note was too long. Write it in two."),
    "end_not_ahead": mark("Not done: the end of observing must be in the future."),
    "reading_gone": mark("Not done: this reading cannot be answered about any more."),
    "not_a_resident": mark("Not done: that person did not live in this flat then."),
}
_EVENT = {
    "opened": mark("Opened"),
    "evidence": mark("Evidence"),
    "evidence_after_closing": mark("Evidence that arrived after the closing"),
    "evidence_moved": mark("A reading is no longer counted here"),
    "became_incident": mark("Became an incident"),
    "raised": mark("Severity raised"),
    "round_begun": mark("Paging begins"),
    "step_begun": mark("Paged"),
    "step_repeated": mark("Paged again"),
    "step_skipped": mark("Step skipped: nobody on call"),
    "step_failed": mark("Step failed: no page got through"),
    "page_sent": mark("Page sent"),
    "page_attempt_failed": mark("Page attempt failed"),
    "page_failed": mark("Page failed on every channel"),
    "page_not_sent": mark("Page not sent"),
    "acknowledged": mark("Acknowledged"),
    "lapsed": mark("Acknowledgement lapsed"),
    "note": mark("Note"),
    "observing": mark("Under observation"),
    "recheck_due": mark("Recheck is due"),
    "cause_gone": mark("The cause has gone"),
    "closed": mark("Closed"),
}
_PAGE = {
    "owed": mark("Waiting to be sent"),
    "sending": mark("Being sent"),
    "sent": mark("Sent"),
    "failed": mark("Failed"),
    "cancelled": mark("Not sent"),
}
_BODY_SITE = {
    "axillary": mark("Armpit"),
    "oral": mark("Mouth"),
    "tympanic": mark("Ear"),
    "forehead": mark("Forehead (infrared)"),
    "wrist": mark("Wrist (infrared)"),
    "rectal": mark("Rectal"),
    "ambient": mark("Room, not a body"),
    "unknown": mark("Body site not known"),
}
_REASON = {
    "unknown_topic": mark("Unknown topic"),
    "unknown_device": mark("Unknown device"),
    "bad_encoding": mark("Wrong text encoding"),
    "bad_json": mark("Not valid JSON"),
    "too_deep": mark("Nested too deeply"),
    "too_large": mark("Too large"),
    "empty": mark("Empty"),
    "missing_field": mark("A field is missing"),
    "wrong_type": mark("A field has the wrong type"),
    "out_of_range": mark("A value is out of range"),
    "bad_checksum": mark("Wrong checksum"),
    "bad_time": mark("Impossible time"),
    "no_birth": mark("The device has not said what it measures"),
    "decoder_failed": mark("The decoder failed"),
    "store_refused": mark("Refused by the series store"),
}
_LETTER_STATE = {
    "open": mark("Waits for somebody"),
    "replayed": mark("Sent through again and used"),
    "discarded": mark("Discarded"),
    "expired": mark("Counted, not kept"),
}
_IGNORED = {
    "log_line": mark("Log line"),
    "answer": mark("Answer to a command"),
    "birth": mark("Birth or last-will message"),
    "command": mark("Command to a device"),
    "unchanged": mark("Nothing changed"),
    "retained": mark("Retained copy"),
    "other_content": mark("Other content, knowingly left aside"),
}
_PLACE = {
    "gate": mark("Gate"),
    "checkpoint": mark("Checkpoint"),
    "household": mark("Household"),
    "worker": mark("Carried by a worker"),
    "site": mark("The whole site"),
}
_ENROLMENT = {
    "id": mark("It is registered already."),
    "profile": mark("Choose what it is: one of those that understand its messages."),
    "place": mark("Choose where it stands."),
    "flat": mark("There is no such flat."),
    "household": mark("There is no such flat."),
    "site": mark("Choose the site."),
    "gate": mark("Name the gate, checkpoint or shop as it is registered at the site."),
    "worker": mark("Choose the worker who carries it."),
    "since": mark("Give a day that is not in the future."),
}
"""What is wrong with the form that gives an unknown device its place, by field."""
_HOUSEHOLD_STATE = {
    "occupied": mark("Occupied"),
    "empty": mark("Stands empty"),
    "away": mark("Away"),
    "unsaid": mark("Nothing registered"),
}
_RESIDENT_CLASS = {
    "none": mark("No class"),
    "fever": mark("Fever"),
    "close_contact": mark("Close contact"),
    "suspected": mark("Suspected case"),
    "confirmed": mark("Confirmed case"),
    "recovered": mark("Recovered, observed"),
    "home_isolation": mark("Home isolation"),
    "lone_elderly": mark("Old and living alone"),
    "away": mark("Away"),
}
_STATEMENT = {
    "state": mark("State of the flat"),
    "register": mark("Register a resident"),
    "class": mark("Class of a resident"),
    "trip": mark("Approved trip"),
    "leave": mark("A resident moves out"),
    "return": mark("Somebody lives here again"),
    "person": mark("Correct a name or phone"),
}
"""What can be stated about a household."""
_HISTORY = {
    "household_state": mark("State of the flat"),
    "residence": mark("Lives in"),
    "resident_class": mark("Class"),
    "trip": mark("Approved trips"),
}
_CHANGE_PROBLEM = {
    "resident": mark("Choose whom it is about."),
    "elsewhere": mark("This person lives where you do not look after. Call the secretary."),
    "name": mark("Write the name: at most 200 characters on one line."),
    "name_taken": mark("Somebody of this name is registered here already."),
    "nothing": mark("Write the right name, the right phone, or both."),
    "phone": mark("Write a phone of at most 64 characters, or leave it empty."),
    "state": mark("Choose the state."),
    "resident_class": mark("Choose the class."),
    "since": mark("Give a day, and for a trip the hour too."),
    "until": mark("Give an end that is later than the beginning."),
    "before": mark("Give a day that is later than the one since when they live here."),
    "reason": mark("Say why it was approved: at most 200 characters on one line."),
    "flat": mark("There is no such flat in what you look after."),
    "same_flat": mark("That is this flat."),
}
"""What is wrong with a field of a statement about a household."""
_DIRECTION = {
    "in": mark("In"),
    "out": mark("Out"),
    "unknown": mark("Direction not known"),
}
_OUTCOME = {
    "admitted": mark("Let through"),
    "refused": mark("Refused"),
    "unknown": mark("Not known whether let through"),
}
_FIELD = {
    "celsius": mark("Temperature, °C"),
    "power_w": mark("Power, W"),
    "energy_wh": mark("Meter reading, kWh"),
    "battery": mark("Battery, %"),
}
_BECAUSE = {
    "first_contact_reading": mark("first reading of a fever's height"),
    "above_own_baseline": mark("above this person's own normal"),
    "two_contact_readings": mark("two readings some minutes apart"),
    "one_high_contact_reading": mark("one high reading is enough"),
    "infrared_not_rechecked": mark("a high infrared reading was not rechecked in time"),
    "two_of_three_at_checkpoint": mark("two of the last three readings at the checkpoint"),
}
_WHOSE = {
    "resident": mark("a resident of this flat"),
    "visitor": mark("nobody who lives there"),
    "household": mark("not known"),
}
_UNACCOUNTED = {
    "messages": mark("messages not accounted for"),
    "points": mark("points not accounted for"),
    "dead letters": mark("dead letters not accounted for"),
}
_EVIDENCE = {
    "adjusted_to": mark("converted to"),
    "active_half_hours": mark("active half-hours"),
    "base_w": mark("base load, W"),
    "ahead_minutes": mark("clock set back by minutes"),
    "attributed_by": mark("said by"),
    "battery_percent": mark("battery, %"),
    "channel": mark("channel"),
    "clock_ahead_minutes": mark("its clock is ahead by minutes"),
    "clock_behind_minutes": mark("its clock is behind by minutes"),
    "clock_says": mark("its clock says"),
    "day": mark("day"),
    "days": mark("days lived in"),
    "dead": mark("dead letters in ten minutes"),
    "damaged": mark("damaged files"),
    "difference": mark("messages not accounted for"),
    "points_difference": mark("points not accounted for"),
    "filled": mark("room taken"),
    "free_gib": mark("disk left, GiB"),
    "hours_left": mark("hours left"),
    "incident": mark("case"),
    "jump_minutes": mark("clock ahead by minutes"),
    "kwh": mark("used, kWh"),
    "lost": mark("messages lost"),
    "minutes": mark("within minutes"),
    "pages": mark("pages that wait"),
    "policy": mark("ladder"),
    "readers": mark("standing still"),
    "readings": mark("readings, °C"),
    "remaining": mark("readings of a fever left here"),
    "resident": mark("resident no."),
    "silent_minutes": mark("silent for minutes"),
    "sources": mark("connection in trouble"),
    "tries": mark("tries"),
    "waiting_minutes": mark("waiting for minutes"),
    "whose": mark("whose it is"),
    "worker": mark("worker"),
}
_POLICY = {
    "fever_at_checkpoint": mark("Fever at a checkpoint"),
    "fever_minor": mark("Minor fever"),
    "fever_major": mark("Major fever"),
    "empty_flat": mark("Empty flat lived in"),
    "strangers": mark("Stranger at the gate"),
    "device": mark("Device needs attention"),
    "system": mark("Gatehouse itself"),
}
_LET_GO = {
    "superseded": mark("a newer page took its place"),
    "acknowledged": mark("somebody was on it by then"),
    "observing": mark("it was under observation by then"),
    "closed": mark("the case was closed by then"),
}
_FAILURE = {
    "address not understood": mark("the address is not understood"),
    "no connection": mark("no connection"),
    "no answer within": mark("no answer within"),
    "state database away": mark("the database does not answer"),
    "channel broke:": mark("the channel broke:"),
    "HTTP": mark("refused, HTTP"),
}
"""By how a channel's error begins; what follows is a number or a technical name."""
_CAUSE = {
    "device": mark("by the device, or on the way to the broker"),
    "broker": mark("by the broker, or while it was away"),
    "us": mark("by Gatehouse: dead letters, or a damaged journal"),
}
_THRESHOLD = {
    "contact": mark("fever"),
    "high": mark("high"),
    "critical": mark("critical"),
    "battery_low": mark("low"),
}
_ALARM = {
    "source_lost": mark("Readings do not come in"),
    "nothing_received": mark("No reading comes in any more"),
    "broker_dropping": mark("A broker drops messages"),
    "disk_stalled": mark("The disk takes nothing"),
    "disk_filling": mark("The disk is nearly full"),
    "journal_filling": mark("The journal fills up"),
    "journal_damaged": mark("The journal is damaged"),
    "account_damaged": mark("A file of the accounts was damaged"),
    "books_unbalanced": mark("The books do not balance"),
    "dead_letters_rising": mark("Many readings cannot be used"),
    "store_down": mark("The series store takes nothing"),
    "follower_stuck": mark("Readings are not worked on"),
    "rules_behind": mark("Alerts are late"),
    "channel_failing": mark("Pages do not get through"),
    "pages_overdue": mark("Pages wait"),
    "page_undelivered": mark("A page reached nobody"),
    "nobody_on_call": mark("Nobody is on call"),
    "console_silent": mark("The console does not answer"),
    "clock_set_back": mark("The clock was set back"),
    "clock_jumped": mark("The clock jumped ahead"),
}
_STAGE = {
    "source": mark("Taken in"),
    "journal": mark("Written to disk"),
    "decode": mark("Understood"),
    "store": mark("Put into the store"),
    "rules": mark("Judged"),
    "answers": mark("Answers to terminals"),
    "polls": mark("Questions to meters"),
    "pages": mark("Pages"),
}
_PASSING = {
    "reconnect": mark("connected anew"),
    "lost_session": mark("session lost"),
    "full": mark("no room"),
    "repeat": mark("repeats"),
    "lost": mark("lost with the journal"),
    "store": mark("the store did not take it"),
    "ledger": mark("the ledger could not be written"),
    "journal": mark("the journal could not be read"),
    "database": mark("the database did not answer"),
    "descriptions": mark("what devices say of themselves could not be kept"),
    "refused": mark("refused by the store"),
    "ignored": mark("nothing to judge"),
    "dead": mark("dead letters"),
    "broker": mark("the broker did not take it"),
    "no_room": mark("too many at once"),
    "broker_away": mark("no connection"),
    "attempt_failed": mark("attempts that failed"),
    "failed": mark("reached nobody"),
    "cancelled": mark("not needed any more"),
}
_WRITE = {
    "journal": mark("A commit of the journal"),
    "ledger": mark("A commit of the ledger"),
    "store": mark("A request to the store"),
}
_FOLLOWER = {
    "series": mark("Time series"),
    "alerts": mark("Alerts"),
}

WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "kind": _KIND,
        "device_watch": _DEVICE_WATCH,
        "severity": _SEVERITY,
        "state": _STATE,
        "disposition": _DISPOSITION,
        "role": _ROLE,
        "refusal": _REFUSAL,
        "event": _EVENT,
        "page": _PAGE,
        "body_site": _BODY_SITE,
        "reason": _REASON,
        "letter_state": _LETTER_STATE,
        "ignored": _IGNORED,
        "place": _PLACE,
        "enrolment": _ENROLMENT,
        "household_state": _HOUSEHOLD_STATE,
        "resident_class": _RESIDENT_CLASS,
        "statement": _STATEMENT,
        "history": _HISTORY,
        "change_problem": _CHANGE_PROBLEM,
        "direction": _DIRECTION,
        "outcome": _OUTCOME,
        "field": _FIELD,
        "because": _BECAUSE,
        "whose": _WHOSE,
        "evidence": _EVIDENCE,
        "unaccounted": _UNACCOUNTED,
        "policy": _POLICY,
        "let_go": _LET_GO,
        "failure": _FAILURE,
        "cause": _CAUSE,
        "threshold": _THRESHOLD,
        "follower": _FOLLOWER,
        "alarm": _ALARM,
        "stage": _STAGE,
        "passing": _PASSING,
        "write": _WRITE,
    }
)

EVIDENCE_LISTS: Mapping[str, str] = MappingProxyType(
    {
        "adjusted_to": "body_site",
        "because": "because",
        "body_site": "body_site",
        "policy": "policy",
        "readers": "follower",
        "whose": "whose",
    }
)
"""Which list the values of a piece of evidence are from; several are parted by commas."""

_ABOUT_A_PERSON = (
    Disposition.HOSPITAL,
    Disposition.ISOLATION_POINT,
    Disposition.HOME_ISOLATION,
    Disposition.OTHER_COMMUNITY,
    Disposition.NO_FEVER,
    Disposition.RECOVERED,
    Disposition.OTHER,
)
_ABOUT_A_MACHINE = (Disposition.DEVICE_REPAIRED, Disposition.FALSE_ALARM, Disposition.OTHER)
DISPOSITIONS: Mapping[IncidentKind, tuple[Disposition, ...]] = MappingProxyType(
    {
        IncidentKind.FEVER: _ABOUT_A_PERSON,
        IncidentKind.FEVER_AT_CHECKPOINT: _ABOUT_A_PERSON,
        IncidentKind.EMPTY_FLAT: (
            Disposition.REGISTERED,
            Disposition.MOVED_OUT,
            Disposition.FALSE_ALARM,
            Disposition.OTHER,
        ),
        IncidentKind.STRANGERS: (
            Disposition.SENT_AWAY,
            Disposition.REGISTERED,
            Disposition.FALSE_ALARM,
            Disposition.OTHER,
        ),
        IncidentKind.DEVICE: _ABOUT_A_MACHINE,
        IncidentKind.SYSTEM: _ABOUT_A_MACHINE,
    }
)
"""What the closing form offers for each kind, the likeliest first."""

GUIDE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fever": (
            mark("Phone the household, or knock. Keep two metres away and wear a mask."),
            mark("Measure again with a thermometer under the arm."),
            mark("Still feverish: keep the person apart and tell the secretary."),
            mark("Write a note. Close the case when it is decided where the person goes."),
        ),
        "fever_at_checkpoint": (
            mark("The person is standing there: keep them apart, with a mask."),
            mark("Measure again with a thermometer under the arm."),
            mark("Tell the secretary. Arrange the hospital, or isolation with the family."),
            mark("Agree who measures at the door, and how often. Write it in a note."),
        ),
        "empty_flat": (
            mark("Ask the neighbours, then knock. Keep two metres away and wear a mask."),
            mark("Ask who lives there and since when; measure everybody."),
            mark("Put them into the register, and close with what you found."),
        ),
        "strangers": (
            mark("Go to the gate. Ask who they are and whom they visit."),
            mark("Do not let them in without the secretary's consent."),
            mark("A resident whose face the camera does not know: enrol again."),
        ),
        "device": (
            mark("Look at the device: power, battery, network, clock."),
            mark("Until it works, measure or count there by hand."),
        ),
        "system": (
            mark("Open the Intake page: it says what is held up and why."),
            mark("Readings are kept in the journal meanwhile; nothing is lost while it has room."),
        ),
    }
)


def speaker(translations: gettext.NullTranslations) -> Callable[[str, str], str]:
    """Return what gives the words of a list's value in a language, or the value itself."""

    def word(kind: str, value: str) -> str:
        text = WORDS[kind].get(value)
        return value if text is None else translations.gettext(text)

    return word


def evidence_speaker(translations: gettext.NullTranslations) -> Callable[[str, str], str]:
    """Return what gives a text of the evidence in a language: words where its list is closed."""
    word = speaker(translations)

    def said(name: str, value: str) -> str:
        kind = EVIDENCE_LISTS.get(name)
        return ", ".join(word(kind, one) for one in value.split(", ")) if kind else value

    return said


def incident_speaker(translations: gettext.NullTranslations) -> Callable[[Incident], str]:
    """Return what an incident is called: of a device or of Gatehouse itself, by what found it."""
    word = speaker(translations)

    def called(incident: Incident) -> str:
        if incident.kind is IncidentKind.SYSTEM:
            return word("alarm", incident.rule)
        if incident.kind is IncidentKind.DEVICE:
            return word("device_watch", incident.rule)
        return word("kind", incident.kind)

    return called


def reason_speaker(translations: gettext.NullTranslations) -> Callable[[str], str]:
    """Return what says in a language why a message did not pass a stage."""
    word = speaker(translations)

    def said(reason: str) -> str:
        if reason.startswith("http_"):
            return f"HTTP {reason.removeprefix('http_')}"
        kind = next((one for one in ("passing", "ignored", "reason") if reason in WORDS[one]), "")
        return word(kind, reason) if kind else reason

    return said


def failure_speaker(translations: gettext.NullTranslations) -> Callable[[str], str]:
    """Return what says in a language why a channel did not take a page."""
    word = speaker(translations)

    def said(error: str) -> str:
        begins = next((one for one in _FAILURE if error.startswith(one)), "")
        return f"{word('failure', begins)}{error.removeprefix(begins)}"

    return said
