"""Stands where progress is shown, and remembers every step it was told of."""


class Watching:
    """The steps, in order: stage, detail, how many of how many are done."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int, int]] = []

    def step(self, stage: str, detail: str, done: int = 0, total: int = 0) -> None:
        """Remembers it."""
        self.seen.append((stage, detail, done, total))
