"""Who did something: the person whom the machine vouches for, and the name that he or she gave besides. Finding out who
that is belongs to the adapters.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A person who acts. `user` is the operating system's word and decides whether two people are two; `acting_as` is
    what was said besides, and proves nothing.
    """

    user: str
    acting_as: str | None = None

    @property
    def told(self) -> str:
        """Both names, for records and sentences."""
        return f"{self.user} (as {self.acting_as})" if self.acting_as else self.user

    def is_same_as(self, other: Person) -> bool:
        """Whether the machine takes both for one person, whatever names were given."""
        return self.user == other.user
