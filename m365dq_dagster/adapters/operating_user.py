"""Who runs this process, as the operating system says: environment variables are not asked, because anyone can set
them. What a person may do is judged in `core`.
"""

from __future__ import annotations

import os
import pwd

from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.people import Person
from m365dq_dagster.core.plain_text import one_line

MOST_CHARACTERS = 120


def operating_person(acting_as: str | None = None) -> Person:
    """The person behind this process, with the name given besides. Raises `BadInput` for a name too long to keep."""
    given = one_line(acting_as or "").strip()
    if len(given) > MOST_CHARACTERS:
        raise BadInput(f"--actor is longer than {MOST_CHARACTERS} characters; give a name.")
    return Person(_user_name(), given or None)


def _user_name() -> str:
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
