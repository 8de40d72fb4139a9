"""Claims about the comparison of two field lists. What whole exports show of it is in `test_schema` of the stages."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from m365dq_dagster.core.field_lists import FieldList, FieldSeen
from m365dq_dagster.core.schema_diff import (
    ROWS_ENOUGH,
    Reading,
    alike,
    compare,
    fits,
    is_older,
    merged,
    renamed_words,
    same_values,
    word_changes,
)

NOTHING = Reading({})
EARLY, LATE = datetime(2026, 1, 1), datetime(2026, 2, 1)


def shown(rows: int = 100, first: datetime | None = None, last: datetime | None = None, **fields: int) -> FieldList:
    """A list of records: name -> rows that have it."""
    found = {name: FieldSeen(name, False, {"": count}) for name, count in fields.items()}
    return FieldList("f", "sign_in_logs", "beta", {"": rows}, found, first, last)


def stated(*names: str) -> FieldList:
    found = {name.casefold(): FieldSeen(name, True, {}) for name in names}
    return FieldList("f", "sign_in_logs", "beta", {}, found)


lists = st.builds(
    lambda rows, fields: shown(rows, **{name: min(rows, count) for name, count in fields.items()}),
    st.integers(0, 60),
    st.dictionaries(st.sampled_from(["a", "b", "c", "ab", "abc"]), st.integers(0, 60), max_size=5),
)


@given(lists)
def test_a_list_fits_itself_and_nothing_changed(one: FieldList) -> None:
    assert fits(one, one)
    assert compare(one, one, NOTHING, "x") == ()
    assert merged(one, one) == one


@given(lists, lists)
def test_what_an_import_was_merged_into_fits_the_import(known: FieldList, seen: FieldList) -> None:
    assert fits(merged(known, seen), seen)


@given(lists, lists)
def test_fewer_records_than_are_enough_take_nothing_away(known: FieldList, seen: FieldList) -> None:
    if sum(seen.rows.values()) < ROWS_ENOUGH:
        assert merged(known, seen).fields.keys() >= known.fields.keys()
        assert not [one for one in compare(known, seen, NOTHING, "x") if one.kind == "FIELD_GONE"]


def test_the_bounds_of_what_counts_as_gone() -> None:
    reading = Reading({"key": frozenset({"status"})}, frozenset({"status"}))

    def gone(before_rows: int, before: int, after_rows: int) -> bool:
        return bool(compare(shown(before_rows, key=before), shown(after_rows), reading, "x"))

    assert gone(100, 98, 20)
    assert not gone(100, 97, 20)
    assert not gone(100, 98, 19)
    assert not gone(19, 19, 100)
    assert gone(20, 20, 20)


def test_a_key_is_asked_by_make_of_record() -> None:
    known = FieldList("f", "l", "v", {"15": 40, "6": 400}, {"error": FieldSeen("error", False, {"15": 40})})
    assert compare(known, FieldList("f", "l", "v", {"15": 40}, {}), NOTHING, "x")
    assert not compare(known, FieldList("f", "l", "v", {"6": 400}, {}), NOTHING, "x")


def test_counts_of_few_records_do_not_replace_those_of_many() -> None:
    assert merged(shown(100, a=100), shown(5, a=5)).rows == {"": 100}
    assert merged(shown(100, a=100), shown(30, a=30)).rows == {"": 30}
    assert merged(shown(3, a=3), shown(5, a=5)).rows == {"": 5}


def test_a_list_is_older_only_where_all_of_it_lies_before() -> None:
    later = shown(first=LATE, last=LATE)
    assert is_older(later, shown(first=EARLY, last=EARLY))
    assert not is_older(later, shown(first=EARLY, last=LATE))
    assert not is_older(later, shown())
    assert merged(later, shown(first=EARLY, last=EARLY)).first_event == EARLY


def test_each_name_has_one_successor_and_is_one_only() -> None:
    kind = {"kind": "guid"}
    known = FieldList("f", "l", "v", {}, {n: FieldSeen(n, True, {}, **kind) for n in ("user id", "users id")})
    seen = FieldList("f", "l", "v", {}, {n: FieldSeen(n, True, {}, **kind) for n in ("user ids", "other")})
    told = {(one.kind, one.before, one.after) for one in compare(known, seen, NOTHING, "x")}
    assert told == {
        ("FIELD_RENAMED", "user id", "user ids"),
        ("FIELD_GONE", "users id", ""),
        ("FIELD_NEW", "", "other"),
    }


def test_values_agree_by_half_of_the_smaller_vocabulary_or_by_a_kind_that_few_share() -> None:
    def one(kind: str, *words: str) -> FieldSeen:
        return FieldSeen("x", True, {}, kind, dict.fromkeys(words, 1))

    assert same_values(one("text", "a", "b"), one("text", "b", "c", "d"))
    assert not same_values(one("text", "a", "b", "c"), one("text", "c", "d", "e"))
    assert same_values(one("guid"), one("guid"))
    assert not same_values(one("text"), one("text"))
    assert not same_values(one(""), one(""))
    assert not same_values(one("guid"), one("address"))


def test_names_in_a_list_are_alike_from_the_stated_likeness() -> None:
    assert alike("ErrorCode", "errornumber") == 0.6
    assert alike("User ID", "Username") < 0.6


def test_a_word_gave_way_only_where_it_was_to_be_expected_and_the_shares_are_near() -> None:
    assert renamed_words({"failure": 30, "success": 70}, {"failed": 30, "success": 70}) == {"failure": "failed"}
    assert renamed_words({"failure": 30, "success": 70}, {"failed": 2, "success": 8}) == {}
    assert renamed_words({"failure": 30, "success": 70}, {"failed": 1, "success": 99}) == {}
    assert renamed_words({"failure": 1, "success": 999}, {"failed": 1, "success": 999}) == {}
    assert renamed_words({"failure": 30, "success": 70}, {"other": 30, "success": 70}) == {}
    assert renamed_words({"50140": 30, "0": 70}, {"50034": 30, "0": 70}) == {}


def test_words_of_an_older_export_or_of_a_field_that_is_not_there_say_nothing() -> None:
    reading = Reading({}, known_words={"a": frozenset({"x"})})
    assert word_changes(shown(first=LATE), shown(last=EARLY), reading, "x") == ()
    assert word_changes(shown(), shown(), reading, "x") == ()


def test_an_object_whose_parts_moved_elsewhere_is_not_told_of_by_itself() -> None:
    code = {"kind": "code", "words": {"0": 50, "50126": 50}}
    known = FieldList(
        "f", "l", "v", {"": 100}, {
            "status": FieldSeen("status", False, {"": 100}, "object"),
            "status.code": FieldSeen("status.code", False, {"": 100}, **code),
        },
    )  # fmt: skip
    seen = FieldList(
        "f", "l", "v", {"": 100}, {
            "result": FieldSeen("result", False, {"": 100}, "object"),
            "result.code": FieldSeen("result.code", False, {"": 100}, **code),
        },
    )  # fmt: skip
    reading = Reading({"status.code": frozenset({"error"})}, frozenset({"error"}))
    (told,) = compare(known, seen, reading, "x")
    assert (told.kind, told.before, told.after, told.severity) == (
        "FIELD_MOVED",
        "status.code",
        "result.code",
        "CRITICAL",
    )


def test_a_document_that_has_no_header_says_nothing_of_columns() -> None:
    assert compare(stated("a", "b"), shown(c=1), NOTHING, "x") == ()
