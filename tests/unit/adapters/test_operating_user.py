import os
import pwd

import pytest

from m365dq_dagster.adapters.operating_user import operating_person
from m365dq_dagster.core.errors import BadInput


def test_the_person_is_whom_the_system_names_and_not_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert operating_person().user == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert operating_person("  ").told == "user 3999999999"


def test_the_name_given_besides_is_kept_as_one_visible_line() -> None:
    assert operating_person("Bob\nof  the night\x1b[31m").acting_as == "Bob of the night [31m"


def test_a_name_too_long_to_keep_is_refused() -> None:
    with pytest.raises(BadInput, match="longer than 120 characters"):
        operating_person("x" * 121)
