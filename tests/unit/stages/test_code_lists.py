import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.adapters.registry import Registry, StatusCode
from m365dq_dagster.core.code_changes import Asked, ChangeAction, ChangeState, CodeKey
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.outcome import Severity
from m365dq_dagster.core.people import Person
from m365dq_dagster.stages.code_changes import CodeDesk
from m365dq_dagster.stages.code_lists import COLUMNS, export, take_in
from m365dq_dagster.stages.codes import listing, load_codes
from tests.support.case_runs import shipped_pack

ALICE = Person("alice")
PLACE = ("sign_in_logs", "status_error_code")
KNOWN = StatusCode(
    *(*PLACE, "50126", "wrong password", Severity.WARNING),
    category="bad_credentials",
    outcome="failure",
    first_factor="rejected",
    provenance="documented",
    method="listed",
)
SHIPPED = replace(KNOWN, value="530031", state="PENDING", meaning="blocked")
WORD = StatusCode("sign_in_logs", "status", "Success", "went through", Severity.INFO, category="SUCCESS")

TakeIn = Callable[..., dict[str, Any]]


@pytest.fixture
def desk(registry: Registry, now: datetime) -> Callable[[], CodeDesk]:
    """Desks at a reference of three rows."""
    registry.load_status_codes([KNOWN, SHIPPED, WORD], now)
    return lambda: CodeDesk(registry, shipped_pack(), ALICE, now)


@pytest.fixture
def taken(desk: Callable[[], CodeDesk], tmp_path: Path) -> TakeIn:
    """Takes in a list that is given as text."""

    def run(text: str, **given: Any) -> dict[str, Any]:
        path = tmp_path / "list.csv"
        path.write_text(text)
        return take_in(desk(), path, **given)

    return run


def kinds(done: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(clash["kind"], clash["lines"]) for clash in done["conflicts"]]


def test_a_public_list_becomes_proposals_that_wait_and_nothing_in_force(taken: TakeIn, registry: Registry) -> None:
    done = taken("Error Code,Description,URL\nAADSTS999999: NewThing,It is new,a blog\n")
    (row,) = done["proposed"]
    assert (row["line"], row["change"], row["code_value"], row["action"]) == (2, 1, "999999", "ADD")
    (change,) = registry.code_changes()
    assert change.state is ChangeState.PENDING
    assert (change.after.category, change.after.severity, change.after.first_factor) == ("unknown", "INFO", "unknown")
    assert (change.after.symbolic_name, change.after.sources, change.after.provenance) == (
        "NewThing",
        "a blog",
        "community",
    )
    assert registry.audit_entries()[-1].detail["file"].startswith("list.csv sha256:")
    assert [code.value for code in registry.status_codes("999999")] == []


def test_a_value_that_a_list_holds_twice_with_other_words_is_reported_and_not_proposed(
    taken: TakeIn, registry: Registry
) -> None:
    done = taken("Code,Message\n700084,one text\n999999,new\n700084,another text\n999999,new\n")
    assert kinds(done) == [("DUPLICATE", (2, 4))]
    assert "'one text' / 'another text'" in done["conflicts"][0]["detail"]
    assert [change.key.value for change in registry.code_changes()] == ["999999"]


def test_other_words_for_a_known_code_are_reported_and_not_taken_over(taken: TakeIn, registry: Registry) -> None:
    done = taken("Code,Message\n50126,Invalid username or password\n530031,Else\n")
    assert kinds(done) == [("OTHER_WORDS", (2,)), ("OTHER_WORDS", (3,))]
    assert "meaning 'wrong password' -> 'Invalid username or password'" in done["conflicts"][0]["detail"]
    assert registry.code_changes() == []


def test_our_own_columns_propose_changes_of_what_is_in_force(taken: TakeIn, registry: Registry) -> None:
    head = "log_type,field_name,code_value,category,severity,meaning,deprecated\n"
    done = taken(head + "unified_audit_log,error_number,50126,app_config,WARNING,wrong password,\n")
    assert kinds(done) == [("DIFFERS", (2,))]
    assert done["conflicts"][0]["detail"] == "category 'bad_credentials' -> 'app_config'"
    (change,) = registry.code_changes()
    assert (change.action, change.critical, change.after.outcome) == (ChangeAction.CHANGE, True, "failure")
    again = taken(head + "sign_in_logs,status_error_code,50126,bad_credentials,WARNING,other words,\n")
    assert kinds(again) == [("WAITS", (2,))]
    assert "change 1 waits and says otherwise" in again["conflicts"][0]["detail"]
    assert taken(head + "sign_in_logs,status_error_code,50126,app_config,WARNING,wrong password,\n")["equal"] == 1


def test_a_row_may_mark_a_code_as_deprecated_and_says_nothing_by_a_blank(taken: TakeIn, registry: Registry) -> None:
    done = taken("code_value,category,severity,meaning,deprecated,method\n50126,,,,TRUE,\n")
    assert kinds(done) == [("UNREADABLE", (2,))]
    text = (
        "code_value,category,severity,meaning,deprecated,method\n50126,bad_credentials,WARNING,wrong password,TRUE,\n"
    )
    assert taken(text)["proposed"][0]["action"] == "CHANGE"
    assert registry.code_changes()[0].after.deprecated


def test_the_known_is_skipped_in_upper_or_lower_case(taken: TakeIn) -> None:
    head = "log_type,field_name,code_value,category,severity,meaning\n"
    done = taken(head + "legacy_auth_logs,status,SUCCESS,SUCCESS,info,went through\n")
    assert (done["equal"], done["proposed"], done["conflicts"]) == (1, [], [])
    done = taken(head + "sign_in_logs,status,Sucess,SUCCESS,info,a\nsign_in_logs,status,SUCESS,SUCCESS,info,b\n")
    assert kinds(done) == [("DUPLICATE", (2, 3))]


def test_a_file_that_is_behind_decides_nothing(taken: TakeIn, registry: Registry) -> None:
    head = "code_value,category,severity,meaning,state\n"
    done = taken(
        head
        + "50126,bad_credentials,WARNING,wrong password,PENDING\n"
        + "999999,bad_credentials,WARNING,never,REJECTED\n"
        + "888888,bad_credentials,WARNING,waits there,PENDING\n"
    )
    assert kinds(done) == [("BEHIND", (2,)), ("BEHIND", (3,))]
    assert [change.key.value for change in registry.code_changes()] == ["888888"]


def test_what_is_in_force_elsewhere_and_pending_here_is_proposed(taken: TakeIn, registry: Registry) -> None:
    done = taken("code_value,category,severity,meaning,state\n530031,bad_credentials,WARNING,blocked,ACTIVE\n")
    assert kinds(done) == [("DIFFERS", (2,))]
    assert registry.code_changes()[0].proposer == ALICE


def test_rows_that_cannot_be_used_are_named_and_the_others_taken(taken: TakeIn) -> None:
    done = taken("Code,Message\nhello,x\n999999,new,surplus\n888888,\n777777,fine\n")
    assert kinds(done) == [("UNREADABLE", (2,)), ("UNREADABLE", (3,)), ("UNREADABLE", (4,))]
    assert done["conflicts"][0]["value"] == "hello"
    assert done["conflicts"][2]["detail"] == "the row gives no meaning"
    assert (done["rows"], len(done["proposed"])) == (4, 1)


def test_a_list_of_words_needs_their_class_and_says_where_they_stand(taken: TakeIn, registry: Registry) -> None:
    done = taken("Value,Class,Severity,Text\nSucess,success,INFO,misspelt\n", place=("sign_in_logs", "status"))
    assert done["proposed"][0]["field_name"] == "status"
    assert registry.code_changes()[0].after.category == "SUCCESS"
    done = taken("Value,Text\nSuccesss,misspelt\n", place=("sign_in_logs", "status"))
    assert done["conflicts"][0]["detail"] == "the row gives no category"
    with pytest.raises(BadInput, match="names no code and its meaning"):
        taken("a,b\n1,2\n")


def test_a_dry_run_keeps_nothing(taken: TakeIn, registry: Registry) -> None:
    done = taken("Code,Message\n999999,new\n", dry_run=True)
    assert (done["dry_run"], done["proposed"][0]["change"]) == (True, None)
    assert registry.code_changes() == []
    assert registry.audit_entries() == []


def test_what_is_given_out_is_a_file_for_spreadsheets_and_programs(
    desk: Callable[[], CodeDesk], registry: Registry, tmp_path: Path
) -> None:
    desk().propose(Asked(CodeKey(*PLACE, "999999"), "app_config", "INFO", "=1+1"))
    written = export(registry, tmp_path / "out.csv")
    assert written["states"] == {"ACTIVE": 2, "PENDING": 4}
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert tuple(rows[0]) == COLUMNS
    assert {row["meaning"] for row in rows if row["code_value"] == "999999"} == {"'=1+1"}
    export(registry, tmp_path / "out.json")
    assert {row["meaning"] for row in json.loads((tmp_path / "out.json").read_text())} >= {"=1+1", "blocked"}
    for name in ("out.csv", "out.json"):
        back = take_in(desk(), tmp_path / name)
        assert (back["equal"], back["proposed"], back["conflicts"]) == (6, [], [])


def test_what_was_turned_down_is_not_given_out(
    desk: Callable[[], CodeDesk], registry: Registry, tmp_path: Path
) -> None:
    desk().decide(CodeKey(*PLACE, "530031"), ChangeState.REJECTED, "no")
    assert export(registry, tmp_path / "out.csv")["rows"] == 2


def test_a_file_that_cannot_be_written_is_said(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ends in .csv or .json"):
        export(registry, tmp_path / "out.xlsx")
    with pytest.raises(BadInput, match="cannot be written"):
        export(registry, tmp_path / "missing" / "out.csv")


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_the_whole_reference_comes_back_without_a_single_difference(
    registry: Registry, now: datetime, tmp_path: Path, suffix: str
) -> None:
    load_codes(registry, shipped_pack(), now)
    path = tmp_path / f"all.{suffix}"
    written = export(registry, path)
    back = take_in(CodeDesk(registry, shipped_pack(), ALICE, now), path)
    assert written["rows"] == back["equal"] == back["rows"] == len(listing(registry))
    assert (back["proposed"], back["conflicts"]) == ([], [])


HOSTILE = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).map(lambda text: "m" + text)


@given(st.lists(HOSTILE | st.sampled_from(["=1+1", "'=1", "@x", "-2", '"', "a,b;c", "x\ny"]), min_size=1, max_size=4))
def test_any_meaning_comes_back_as_it_was_given_out(
    desk: Callable[[], CodeDesk], registry: Registry, tmp_path: Path, meanings: list[str]
) -> None:
    for number, meaning in enumerate(meanings):
        key = CodeKey(*PLACE, str(900000 + number))
        waiting = desk().waiting.get(key)
        if waiting is not None:
            desk().decide(key, ChangeState.REJECTED, "again")
        desk().propose(Asked(key, "app_config", "INFO", meaning))
    for name in ("out.csv", "out.json"):
        export(registry, tmp_path / name)
        back = take_in(desk(), tmp_path / name)
        assert (back["proposed"], back["conflicts"]) == ([], [])
