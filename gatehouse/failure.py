"""How a command fails: one line on standard error that says what to do, and an exit code."""

FAILED = 1
WRONG_USE = 2


class Failure(Exception):
    """End the command with a sentence; ``code`` 1 when it failed, 2 when it was used wrongly."""

    def __init__(self, sentence: str, *, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code
