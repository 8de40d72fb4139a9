"""What people approved and what a home says comes upon the shipped pack; the same knowledge has the same hash."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.pack_overlay import overlaid, remember
from m365dq_dagster.adapters.rule_pack import RulePack
from m365dq_dagster.core.code_changes import CodeKey, ReferenceRow
from m365dq_dagster.core.context_rules import FILE as CONTEXT_RULES
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.core.reference import Layer, Origin
from tests.support.case_runs import shipped_pack

CODE = ("sign_in_logs", "status_error_code")
NEW = {"meaning": "Blocked, a new way", "severity": "WARNING", "category": "password_correct_blocked",
       "first_factor": "likely_accepted", "outcome": "failure", "provenance": "documented",
       "sources": "a page"}  # fmt: skip


def approved(log_type: str, field: str, value: str, number: int = 1, **given: Any) -> Layer:
    return Layer(CodeKey(log_type, field, value), given, f"change {number}", number=number)


def with_local(home: Path, files: dict[str, str], pack: RulePack | None = None) -> RulePack:
    """The shipped pack with these files in the home's folder upon it."""
    for name, text in files.items():
        path = home / "rule_pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    made = overlaid(pack or shipped_pack(), [], home)
    remember(made)
    return made


def row(pack: RulePack, *key: str) -> ReferenceRow:
    return next(one for one in pack.reference if one.key == CodeKey(*key))


def test_without_changes_and_files_it_is_the_shipped_pack(home: Path) -> None:
    assert overlaid(shipped_pack(), [], home) is shipped_pack()
    (home / "rule_pack").mkdir()
    assert overlaid(shipped_pack(), [], home) is shipped_pack()
    assert overlaid(shipped_pack(), [], None) is shipped_pack()


def test_an_approved_code_is_known_to_the_judge_and_changes_the_hash() -> None:
    pack = overlaid(shipped_pack(), [approved(*CODE, "512345", **NEW)], None)
    known = pack.vocabulary.codes["512345"]
    assert (known.category, known.first_factor, known.sources) == (
        "password_correct_blocked",
        "likely_accepted",
        "a page",
    )
    assert not known.is_weak
    assert pack.content_hash != shipped_pack().content_hash
    assert len(pack.codes) == len(shipped_pack().codes) + 1
    assert pack.overlay.changed[CodeKey(*CODE, "512345")].origin is Origin.CHANGE
    assert list(pack.overlay.files) == ["reference_data/status_codes.csv"]


def test_the_same_changes_give_the_same_hash_whatever_they_are_called() -> None:
    one = overlaid(shipped_pack(), [approved(*CODE, "512345", **NEW), approved(*CODE, "512346", 2, **NEW)], None)
    two = overlaid(shipped_pack(), [approved(*CODE, "512346", 7, **NEW), approved(*CODE, "512345", 9, **NEW)], None)
    assert one.content_hash == two.content_hash


def test_a_change_that_says_what_ships_leaves_the_hash() -> None:
    held = row(shipped_pack(), *CODE, "50126")
    pack = overlaid(shipped_pack(), [Layer(held.key, held.as_mapping(), "change 1")], None)
    assert pack.content_hash == shipped_pack().content_hash
    assert pack.overlay.changed == {}


def test_approving_the_code_that_ships_as_pending_puts_it_in_force() -> None:
    assert "530031" not in shipped_pack().vocabulary.codes
    pack = overlaid(shipped_pack(), [approved(*CODE, "530031", state="ACTIVE")], None)
    before, after = row(shipped_pack(), *CODE, "530031"), row(pack, *CODE, "530031")
    assert after == replace(before, state="ACTIVE")
    assert "530031" in pack.vocabulary.codes


def test_a_deprecated_code_is_marked_and_still_known() -> None:
    pack = overlaid(shipped_pack(), [approved(*CODE, "50126", deprecated=True)], None)
    assert pack.vocabulary.codes["50126"].deprecated
    assert row(pack, *CODE, "50126").deprecated
    assert not pack.vocabulary.codes["50053"].deprecated


def test_words_and_operations_are_changed_in_their_own_tables() -> None:
    layers = [
        approved("sign_in_logs", "status", "Sucess", meaning="misspelt", severity="INFO", category="SUCCESS"),
        approved(
            "unified_audit_log", "operation", "New-Thing", meaning="m", severity="CRITICAL", category="persistence"
        ),
        approved("unified_audit_log", "operation", "New-InboxRule", meaning="other"),
    ]
    pack = overlaid(shipped_pack(), layers, None)
    assert pack.vocabulary.words["sucess"] == "SUCCESS"
    operations = {one.operation: one for one in pack.operations}
    assert (operations["New-Thing"].indicator, operations["New-Thing"].record_types) == ("persistence", "")
    shipped = next(one for one in shipped_pack().operations if one.operation == "New-InboxRule")
    assert operations["New-InboxRule"] == replace(shipped, investigation_note="other")


def test_a_row_says_the_same_after_it_was_written_and_read_again() -> None:
    said = {**NEW, "symbolic_name": 'A, "quoted"\nname', "portal_status": "Failure", "deprecated": True}
    for place in (CODE, ("sign_in_logs", "status"), ("unified_audit_log", "operation")):
        pack = overlaid(shipped_pack(), [approved(*place, "Odd", **said)], None)
        assert {name: getattr(row(pack, *place, "Odd"), name) for name in said} == said


def test_a_local_row_changes_only_the_cells_that_it_fills(home: Path) -> None:
    pack = with_local(home, {"status_codes.csv": "code,severity,category\n50126,CRITICAL,\n"})
    before, after = row(shipped_pack(), *CODE, "50126"), row(pack, *CODE, "50126")
    assert after == replace(before, severity="CRITICAL")
    assert pack.overlay.changed[after.key].origin is Origin.LOCAL
    assert pack.content_hash != shipped_pack().content_hash


def test_a_local_row_wins_over_an_approved_change(home: Path) -> None:
    with_local(home, {"status_codes.csv": "code,meaning\n50126,mine\n"})
    pack = overlaid(shipped_pack(), [approved(*CODE, "50126", meaning="theirs", severity="INFO")], home)
    found = row(pack, *CODE, "50126")
    assert (found.meaning, found.severity) == ("mine", "INFO")
    assert [one.detail for one in pack.overlay.conflicts if one.kept is Origin.LOCAL] == [
        "change 1 says something else"
    ]


def test_cells_that_only_the_file_knows_can_be_changed_locally(home: Path) -> None:
    pack = with_local(home, {"operations.csv": "operation,ordinary\nSend,INFO\n"})
    assert next(one for one in pack.operations if one.operation == "Send").ordinary == "INFO"
    assert pack.content_hash != shipped_pack().content_hash


def test_a_local_policy_is_merged_number_by_number(home: Path) -> None:
    pack = with_local(home, {"policy.toml": "[breach]\nmin_attempts = 9\n"})
    shipped = shipped_pack().policy
    assert pack.policy == replace(shipped, breach=replace(shipped.breach, min_attempts=9))
    assert tomllib.loads(pack.files["reference_data/policy.toml"].decode()) == pack.policy_table


def test_a_local_policy_that_says_what_ships_leaves_the_hash(home: Path) -> None:
    number = shipped_pack().policy.breach.min_attempts
    pack = with_local(home, {"policy.toml": f"[breach]\nmin_attempts = {number}\n"})
    assert pack.content_hash == shipped_pack().content_hash


def test_a_context_rule_is_replaced_or_added_by_its_id(home: Path) -> None:
    shipped = shipped_pack().context_rules
    text = (shipped_pack().root / CONTEXT_RULES).read_text(encoding="utf-8")
    first, second = text.split("\n- id: ")[1:3]
    ours = f"- id: {first.replace('factor: 0.5', 'factor: 0.4', 1)}\n- id: ours-{second}\n"
    pack = with_local(home, {CONTEXT_RULES: ours})
    assert [one.id for one in pack.context_rules] == [*(one.id for one in shipped), f"ours-{shipped[1].id}"]
    assert pack.context_rules[0] == replace(shipped[0], factor=0.4, examples=pack.context_rules[0].examples)
    assert pack.context_rules[1] == shipped[1]
    assert with_local(home, {CONTEXT_RULES: f"- id: {first}\n"}).content_hash == shipped_pack().content_hash


def test_formats_and_suites_are_replaced_or_added_by_file(home: Path) -> None:
    shipped = shipped_pack()
    pack = with_local(home, {"formats/ours.yaml": "id: ours\n", "expectations/ours.json": "{}"})
    assert {"id": "ours"} in pack.formats
    assert len(pack.formats) == len(shipped.formats) + 1
    assert pack.suite("ours") == b"{}"
    assert pack.suite("sign_in_logs") == shipped.suite("sign_in_logs")
    assert pack.suite("nothing") is None
    same = (shipped.root / "formats" / "purview_csv.yaml").read_text(encoding="utf-8").replace("\n", "\r\n")
    shutil.rmtree(home / "rule_pack")
    assert with_local(home, {"formats/purview_csv.yaml": same}).content_hash == shipped.content_hash


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("status_code.csv", "code\n", "rule_pack/status_code.csv has no place in a local rule pack"),
        ("fields.csv", "a\n", "rule_pack/fields.csv has no place"),
        ("formats/deep/x.yaml", "a: b\n", "rule_pack/formats/deep/x.yaml has no place"),
        ("formats/x.json", "{}", "rule_pack/formats/x.json has no place"),
        ("status_codes.csv", "code,catgory\n1,x\n", "rule_pack/status_codes.csv: column 'catgory' is not known"),
        ("status_codes.csv", "code,severity\n,INFO\n", "rule_pack/status_codes.csv: row 2 has no 'code'"),
        ("status_codes.csv", "code,severity\n1,INFO,x\n", "rule_pack/status_codes.csv: row 2 has more cells"),
        ("status_codes.csv", "code,severity\n50126,BAD\n", "rule_pack/status_codes.csv: 50126: severity is 'BAD'"),
        ("values.csv", "log_type,field,value\nl,f,v\n", "rule_pack/values.csv: v: severity is ''"),
        ("policy.toml", "[case\n", "rule_pack/policy.toml of the rule pack cannot be read"),
        ("policy.toml", "[case]\nodd = 1\n", "rule_pack/policy.toml, upon what ships: policy.toml: table [case]: key"),
        ("policy.toml", "case = 1\n", "rule_pack/policy.toml, upon what ships: policy.toml: [case] must be a table"),
        (CONTEXT_RULES, "a: b\n", f"rule_pack/{CONTEXT_RULES}, upon what ships: {CONTEXT_RULES} must be a list"),
        (CONTEXT_RULES, ": [", f"rule_pack/{CONTEXT_RULES} of the rule pack cannot be read"),
    ],
)
def test_a_local_file_that_cannot_be_used_is_named(home: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        with_local(home, {name: text})
    assert str(caught.value).startswith(said)


def test_an_approved_change_that_cannot_be_used_is_named() -> None:
    with pytest.raises(BadInput, match="change 1: 512345: severity is ''"):
        overlaid(shipped_pack(), [approved(*CODE, "512345", meaning="m")], None)


def test_files_that_are_no_part_of_a_pack_are_left_alone(home: Path) -> None:
    pack = with_local(home, {"README.txt": "ours", ".hidden.csv": "x", "notes/why.md": "y"})
    assert pack is shipped_pack()


def test_a_local_file_that_cannot_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_local(home, {"policy.toml": ""})
    monkeypatch.setattr(Path, "read_bytes", refuse_local(Path.read_bytes))
    with pytest.raises(BadInput, match=r"rule_pack/policy.toml cannot be read \(Permission denied\)"):
        overlaid(shipped_pack(), [], home)


def refuse_local(real: Any) -> Any:
    def read(path: Path) -> bytes:
        if path.parent.name == "rule_pack":
            raise PermissionError(13, "Permission denied")
        return bytes(real(path))

    return read


@pytest.fixture
def upgraded(tmp_path: Path) -> RulePack:
    """The next version of the shipped pack: some of what it says is new."""
    root = Path(shutil.copytree(shipped_pack().root, tmp_path / "next"))
    for name, old, new in (
        ("status_codes.csv", "\n50126,", "\n50126,Renamed"),
        ("policy.toml", "min_attempts = 5", "min_attempts = 6"),
        (f"{CONTEXT_RULES}", "factor: 0.5", "factor: 0.6"),
        ("formats/purview_csv.yaml", "id:", "# new\nid:"),
    ):
        text = (root / name).read_text(encoding="utf-8")
        assert old in text, name
        (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return RulePack(root, shipped_pack().expectations_dir)


def test_an_upgrade_under_local_entries_keeps_them_and_tells_of_each(home: Path, upgraded: RulePack) -> None:
    first = (shipped_pack().root / CONTEXT_RULES).read_text(encoding="utf-8").split("\n- id: ")[1]
    local = {
        "status_codes.csv": "code,severity\n50126,CRITICAL\n50053,CRITICAL\n",
        "policy.toml": "[breach]\nmin_attempts = 9\n",
        CONTEXT_RULES: f"- id: {first.replace('factor: 0.5', 'factor: 0.4', 1)}\n",
        "formats/purview_csv.yaml": "id: purview_csv\n",
    }
    assert with_local(home, local).overlay.conflicts == ()
    for _ in range(2):
        pack = overlaid(upgraded, [], home)
        remember(pack)
        assert pack.policy.breach.min_attempts == 9
        told = {(one.file, one.key) for one in pack.overlay.conflicts}
        assert told == {
            ("status_codes.csv", "50126"),
            ("policy.toml", "breach.min_attempts"),
            (CONTEXT_RULES, "conditional-access-on-legacy-clients"),
            ("reference_data/formats/purview_csv.yaml", ""),
        }
    with_local(home, {"status_codes.csv": "code,severity\n50126,WARNING\n50053,CRITICAL\n"}, upgraded)
    assert "50126" not in {one.key for one in overlaid(upgraded, [], home).overlay.conflicts}


@pytest.mark.parametrize("memory", ["no json", "[1]", '[{"file": 1}]'])
def test_a_memory_that_cannot_be_read_is_begun_anew(home: Path, memory: str) -> None:
    with_local(home, {"policy.toml": "[breach]\nmin_attempts = 9\n"})
    path = home / "rule_pack" / ".shipped.json"
    path.write_text(memory)
    pack = overlaid(shipped_pack(), [], home)
    remember(pack)
    assert pack.overlay.conflicts == ()
    assert json.loads(path.read_text())[0]["key"] == "breach.min_attempts"


def test_a_folder_that_cannot_be_written_has_no_memory_and_is_used_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    (home / "rule_pack").mkdir()
    (home / "rule_pack" / "policy.toml").write_bytes(b"[breach]\nmin_attempts = 9\n")
    pack = overlaid(shipped_pack(), [], home)
    remember(pack)
    assert pack.policy.breach.min_attempts == 9
    assert not (home / "rule_pack" / ".shipped.json").exists()


def test_looking_at_a_pack_writes_nothing(home: Path) -> None:
    (home / "rule_pack").mkdir()
    (home / "rule_pack" / "policy.toml").write_text("[breach]\nmin_attempts = 9\n")
    overlaid(shipped_pack(), [], home)
    assert [path.name for path in (home / "rule_pack").iterdir()] == ["policy.toml"]
