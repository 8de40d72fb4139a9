"""The rule pack is found, checked, and hashed by what it says and not by how its files lie on a disk."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from m365dq_dagster.adapters import rule_pack as module
from m365dq_dagster.adapters.rule_pack import RulePack, load_operations_policy, load_rule_pack, resource_dir
from m365dq_dagster.core.completeness import FAULT, LOSS
from m365dq_dagster.core.errors import BadInput, InternalFault
from m365dq_dagster.core.outcome import Role


@pytest.fixture
def copy(tmp_path: Path, checkout: Path) -> RulePack:
    """The shipped pack, copied to where a test may change it."""
    for name in ("reference_data", "expectations"):
        shutil.copytree(checkout / name, tmp_path / name)
    return RulePack(tmp_path / "reference_data", tmp_path / "expectations")


def again(pack: RulePack) -> RulePack:
    """The same folders, read anew."""
    return RulePack(pack.root, pack.expectations_dir)


def whole(pack: RulePack) -> list[object]:
    """Every part of the pack."""
    return [pack.codes, pack.fields, pack.policy, pack.formats]


def test_the_shipped_pack_is_whole() -> None:
    pack = load_rule_pack()
    codes = {row.code: row for row in pack.codes}
    assert codes["0"].category == "success"
    assert codes["530031"].state == "pending"
    assert "530031" not in pack.vocabulary.codes
    assert {spec.field for spec in pack.fields if spec.role is Role.OUTCOME} >= {"status_error_code", "error_number"}
    assert {"sign_in_logs", "unified_audit_log"} <= {row.log_type for row in pack.values}
    assert "New-InboxRule" in {row.operation for row in pack.operations}
    assert len(pack.formats) >= 6
    assert pack.policy.breach.foreign_rate == 0.8


def test_the_hash_depends_on_every_word_of_the_pack(copy: RulePack) -> None:
    before = copy.content_hash
    assert before.startswith("sha256:")
    assert before == load_rule_pack().content_hash
    for path in (copy.root / "policy.toml", copy.root / "status_codes.csv", next(copy.expectations_dir.glob("*.json"))):
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        assert again(copy).content_hash != before
        path.write_bytes(kept)
    assert again(copy).content_hash == before


def test_the_hash_knows_nothing_of_operations_of_line_ends_or_of_other_files(copy: RulePack) -> None:
    before = copy.content_hash
    (copy.root / "operations.toml").write_text('owner = "x@contoso.example"\n')
    (copy.root / "notes.txt").write_text("mine")
    (copy.root / "misreadings" / "M99.yaml").write_text("id: M99")
    values = copy.root / "values.csv"
    values.write_bytes(values.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert again(copy).content_hash == before


def test_a_moved_line_between_files_changes_the_hash(tmp_path: Path) -> None:
    packs = []
    for number, (one, two) in enumerate([("a", "bc"), ("ab", "c")]):
        root = tmp_path / str(number) / "reference_data"
        root.mkdir(parents=True)
        (root / "one.csv").write_text(one)
        (root / "two.csv").write_text(two)
        packs.append(RulePack(root, tmp_path / "none"))
    assert packs[0].content_hash != packs[1].content_hash


def test_folders_come_from_the_installed_package_where_there_is_no_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "checkout_root", lambda: None)
    package = tmp_path / "m365dq_dagster"
    (package / "_data" / "reference_data").mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(package / "adapters" / "rule_pack.py"))
    assert resource_dir("reference_data") == package / "_data" / "reference_data"
    with pytest.raises(InternalFault, match="lacks its folder 'expectations'; install the package again"):
        resource_dir("expectations")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("status_codes.csv", b"code,meaning\n0,fine\n", "status_codes.csv: column 'category' is missing"),
        ("status_codes.csv", b"code\xff,meaning\n", "status_codes.csv of the rule pack cannot be read"),
        ("status_codes.csv", b"code,meaning\n0,\"\0\n", "status_codes.csv"),
        ("fields.csv", b"log_type,field,role,witness,precedence\na,b,nonsense,,\n", "fields.csv: 'nonsense'"),
        ("fields.csv", b"log_type,field\na,b\n", "fields.csv: 'role'"),
        ("policy.toml", b"[case\n", "policy.toml of the rule pack cannot be read"),
        ("policy.toml", b"# \xff\n", "policy.toml of the rule pack cannot be read"),
        ("policy.toml", b"", "policy.toml: table"),
        ("formats/ual_csv.yaml", b"a: [\n", "formats/ual_csv.yaml is no readable YAML"),
        ("formats/ual_csv.yaml", b"a: \xff\n", "formats/ual_csv.yaml is no readable YAML"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_in_one_sentence(copy: RulePack, name: str, content: bytes, said: str) -> None:
    (copy.root / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        whole(again(copy))
    assert str(caught.value).startswith(said)
    assert str(caught.value).rstrip(".").endswith(("correct it", "restore the shipped one"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(copy: RulePack) -> None:
    (copy.root / "operations.csv").unlink()
    with pytest.raises(BadInput, match=r"operations.csv of the rule pack cannot be read \(No such file"):
        _ = again(copy).operations


def test_a_short_row_of_a_table_has_empty_cells(copy: RulePack) -> None:
    with (copy.root / "values.csv").open("a") as file:
        file.write("sign_in_logs,status,Odd\n")
    assert again(copy).values[-1].meaning == ""


def test_the_operations_policy_is_read_beside_the_pack(copy: RulePack) -> None:
    assert load_operations_policy().owner
    (copy.root / "operations.toml").write_text('owner = "night@contoso.example"\n')
    assert load_operations_policy(copy.root).owner == "night@contoso.example"


def test_what_microsoft_changed_and_how_long_logs_are_kept_come_with_the_pack() -> None:
    pack = load_rule_pack()
    changes = {row.id: row for row in pack.vendor_changes}
    lost, misplaced = changes["C30"], changes["C31"]
    assert (lost.begins, lost.ends, lost.kind) == (date(2024, 9, 2), date(2024, 9, 19), LOSS)
    assert {"sign_in_logs", "unified_audit_log"} <= set(lost.log_types)
    assert (misplaced.begins, misplaced.ends, misplaced.kind) == (date(2023, 3, 23), date(2023, 3, 23), FAULT)
    assert "MailItemsAccessed" in changes["C12"].operations
    assert len(changes) == len(pack.vendor_changes) >= 31
    assert all(row.effect and row.source for row in pack.vendor_changes)
    audit = [(row.days, row.begins, row.ends) for row in pack.retention if row.log_type == "unified_audit_log"]
    assert audit == [(90, None, date(2023, 10, 16)), (180, date(2023, 10, 17), None), (365, None, None)]
    assert [row.days for row in pack.retention if row.log_type == "sign_in_logs"] == [7, 30]


@pytest.mark.parametrize(
    ("name", "part", "old", "new", "message"),
    [
        ("vendor_changes.csv", "vendor_changes", "2024-09-02", "2 September", "is no day; write it as"),
        ("retention.csv", "retention", ",180,", ",half a year,", "is no number of days"),
        ("retention.csv", "retention", "tier", "level", "column 'tier' is missing"),
    ],
)
def test_a_day_or_length_that_cannot_be_read_is_named(
    copy: RulePack, name: str, part: str, old: str, new: str, message: str
) -> None:
    path = copy.root / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=message) as error:
        getattr(again(copy), part)
    assert str(error.value).startswith(name)


def test_a_context_rule_on_a_field_that_is_not_profiled_is_named(copy: RulePack) -> None:
    path = copy.root / "context_rules.yaml"
    path.write_text(path.read_text().replace("sign_in_logs.city", "sign_in_logs.moon"))
    with pytest.raises(
        BadInput, match=r"rule 'address-of-refreshed-tokens': fields: sign_in_logs.moon is not in fields"
    ):
        _ = again(copy).context_rules


@pytest.mark.parametrize("text", [": [", b"\xff\xfe", None])
def test_context_rules_that_cannot_be_read_are_named(copy: RulePack, text: str | bytes | None) -> None:
    path = copy.root / "context_rules.yaml"
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput, match=r"context_rules.yaml of the rule pack cannot be read .*restore the shipped one"):
        _ = again(copy).context_rules


def test_an_operations_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"operations.toml of the rule pack cannot be read \(No such file"):
        load_operations_policy(tmp_path)
