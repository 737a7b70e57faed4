"""How much of a flood is kept: of each minute the first letters of each group, and of all. Pure.

What is beyond is counted and not kept. Its messages stay in the journal for as long as that keeps
what has been read (``keep_hours``).
"""

from devices.clock import MINUTE

GROUP_LETTERS = 600
"""Of one group in a minute: 10 a second, more than a device says when it is well."""
ALL_LETTERS = 20_000
"""Of all groups in a minute: all that a community of a few thousand devices sends, should none of
them be registered yet. A letter that is kept costs twice a good message. Bounds what is remembered
here, too."""
GROUP_SHARE = 16
ALL_SHARE = 4
"""The same in bytes: these parts of what dead letters may take at all."""

Group = tuple[str, str, str]
"""Topic, device, reason."""


class LetterSample:
    """The minute's budget. A restart begins a new one."""

    def __init__(self, *, max_bytes: int) -> None:
        self._of_group = (GROUP_LETTERS, max_bytes // GROUP_SHARE)
        self._of_all = (ALL_LETTERS, max_bytes // ALL_SHARE)
        self._minute = -1
        self._begin(-1)

    def admits(self, group: Group, *, size: int, at: int) -> bool:
        """Return whether a letter is kept, and count it if so.

        Args:
            group: Its group.
            size: Bytes it would take.
            at: When its message arrived; milliseconds UTC.
        """
        if at // MINUTE != self._minute:
            self._begin(at // MINUTE)
        letters, taken = self._groups.get(group, (0, 0))
        letters, taken = letters + 1, taken + size
        is_few = letters <= self._of_group[0] and taken <= self._of_group[1]
        if not is_few or self.is_spent or self._bytes + size > self._of_all[1]:
            return False
        self._groups[group] = (letters, taken)
        self._letters += 1
        self._bytes += size
        return True

    @property
    def is_spent(self) -> bool:
        """Whether nothing more of this minute is kept: then even its groups are not told apart."""
        return self._letters >= self._of_all[0] or self._bytes >= self._of_all[1]

    def _begin(self, minute: int) -> None:
        self._minute = minute
        self._groups: dict[Group, tuple[int, int]] = {}
        self._letters = self._bytes = 0
