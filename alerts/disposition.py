"""How an incident ended."""

from enum import StrEnum


class Disposition(StrEnum):
    """How an incident ended. Closed list: it is counted."""

    HOSPITAL = "hospital"
    ISOLATION_POINT = "isolation_point"
    HOME_ISOLATION = "home_isolation"
    OTHER_COMMUNITY = "other_community"
    NO_FEVER = "no_fever"
    RECOVERED = "recovered"
    REGISTERED = "registered"
    MOVED_OUT = "moved_out"
    SENT_AWAY = "sent_away"
    DEVICE_REPAIRED = "device_repaired"
    CAUSE_GONE = "cause_gone"
    FALSE_ALARM = "false_alarm"
    OTHER = "other"
