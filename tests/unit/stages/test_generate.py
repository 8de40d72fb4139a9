import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from m365dq_dagster.adapters.synthetic.corpus import CaseOrder, corpus
from m365dq_dagster.core.errors import BadInput
from m365dq_dagster.stages.generate import EXPECTED, GeneratedCase, generate, generate_order


def truth(case: GeneratedCase) -> dict[str, Any]:
    return json.loads(case.expected.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def oculus(tmp_path_factory: pytest.TempPathFactory) -> GeneratedCase:
    return generate("oculus", tmp_path_factory.mktemp("oculus"))


def test_oculus_is_three_logs_a_context_and_the_truth(oculus: GeneratedCase) -> None:
    names = ["01_Oculus_SignInLogs.csv", "07_Oculus_FullAuditLog.csv", "10_Oculus_LegacyAuth.csv"]
    assert [path.name for path in oculus.files] == names
    assert sorted(path.name for path in oculus.folder.iterdir()) == sorted([*names, "case.toml", EXPECTED])
    context = tomllib.loads((oculus.folder / "case.toml").read_text(encoding="utf-8"))
    assert context == {"case": "oculus", "home_countries": ["AU"]}
    assert oculus.rows == 27_000


def test_the_truth_of_oculus_says_what_happened_and_what_can_still_be_shown(oculus: GeneratedCase) -> None:
    expected = truth(oculus)
    assert expected["verdict"] == "BREACH_INDICATED"
    assert expected["foreign_successes"] == 188
    assert len(expected["compromised_accounts"]) == 8
    assert expected["mail_items_accessed"] == 160
    assert expected["legacy_attempts"] == {"50126": 232, "50053": 122}
    assert sum(expected["events"].values()) == 27_000
    assert expected["field_states"] == {"status_error_code": ["CORRUPTED"]}
    assert expected["recommended"]["sign_in_logs"] == ["conditional_access_status"]
    shown, real = expected["by_outcome"]["sign_in_logs"], expected["true_outcome"]["sign_in_logs"]
    assert set(shown) == {"SUCCESS", "BLOCKED_AFTER_FIRST_FACTOR", "UNKNOWN"}
    assert {"REJECTED", "INTERRUPTED", "NOT_EVALUATED"} <= set(real)
    assert sum(shown.values()) == sum(real.values()) == expected["events"]["sign_in_logs"]


def test_the_audit_log_of_a_case_comes_from_the_compliance_portal_where_asked_for(tmp_path: Path) -> None:
    case = generate("mostly-success", tmp_path / "case", audit_shape="purview-csv")
    assert case.files[-1].read_text(encoding="utf-8-sig").startswith('"RecordId","CreationDate"')


def test_an_invented_one_may_also_be_called_uniform(tmp_path: Path) -> None:
    expected = truth(generate("oculus", tmp_path / "case", variant="invented-one"))
    assert expected["field_states"] == {"status_error_code": ["CORRUPTED", "CONTRADICTED", "UNIFORM"]}


def test_a_healthy_code_column_is_recommended_and_shows_the_true_outcomes(tmp_path: Path) -> None:
    expected = truth(generate("healthy", tmp_path / "case"))
    assert expected["recommended"]["sign_in_logs"] == ["status_error_code"]
    assert expected["field_states"] == {"status_error_code": ["LOW_CONTRAST"]}
    assert expected["by_outcome"] == expected["true_outcome"]
    assert (expected["verdict"], expected["foreign_successes"]) == ("BREACH_INDICATED", 188)


@pytest.mark.parametrize(
    ("family", "verdict", "state"),
    [
        ("all-blocked", "ALL_BLOCKED", "RELIABLE"),
        ("single-country", "NO_BREACH_INDICATED", "UNIFORM"),
        ("mostly-success", "NO_BREACH_INDICATED", "LOW_CONTRAST"),
        ("one-user", "NO_BREACH_INDICATED", "RELIABLE"),
    ],
)
def test_each_sibling_states_its_verdict(tmp_path: Path, family: str, verdict: str, state: str) -> None:
    expected = truth(generate(family, tmp_path / "case"))
    assert expected["verdict"] == verdict
    assert expected["field_states"] == {"status_error_code": [state]}
    assert expected["compromised_accounts"] == []
    assert expected["foreign_successes"] == 0
    assert expected["why"]


def test_the_truth_of_a_case_is_what_happened_whatever_its_export_shows(tmp_path: Path) -> None:
    told = [
        truth(generate("takeover", tmp_path / variant, seed=5, variant=variant))["truth"]
        for variant in ("intact", "codes-missing", "stuck-failure")
    ]
    assert [one.pop("outcome_field") for one in told] == [
        "status_error_code",
        "status_error_code",
        "conditional_access_status",
    ]
    assert [one.pop("healthy_export") for one in told] == [True, False, False]
    assert told[0] == told[1] == told[2]
    assert told[0]["breach"]
    assert told[0]["any_success"]
    assert set(told[0]["compromised_accounts"]) <= set(told[0]["attacked_accounts"])
    assert told[0]["rows"] > told[0]["sign_in_rows"]


def test_nothing_tells_where_the_status_is_lost_and_the_policies_are_silent(tmp_path: Path) -> None:
    told = truth(generate("all-blocked", tmp_path / "case", variant="stuck-zero"))["truth"]
    assert told["outcome_field"] is None
    assert (told["breach"], told["any_success"], len(told["attacked_accounts"])) == (False, False, 40)


def test_nothing_tells_where_there_is_no_row_and_the_export_is_a_file_all_the_same(tmp_path: Path) -> None:
    case = generate("no-rows", tmp_path / "case")
    told = truth(case)
    assert [path.name.partition("_")[0] for path in case.files] == ["InteractiveSignIns"]
    assert told["truth"]["outcome_field"] is None
    assert told["truth"]["rows"] == 0
    assert "recommended" in told
    assert not told["recommended"]


@pytest.mark.parametrize(
    ("family", "options", "decidable"),
    [
        ("tiny-failures", {"devices": False, "context": False, "audit": False}, True),
        ("quiet-use", {"context": False}, True),
        ("quiet-use", {"devices": False}, False),
        ("tiny-clean", {"devices": False}, True),
        ("tiny-clean", {"context": False}, False),
        ("consent-phishing", {"devices": False}, True),
        ("consent-phishing", {"audit": False}, False),
        ("no-rows", {}, False),
    ],
)
def test_the_truth_says_whether_anybody_could_settle_the_case(
    tmp_path: Path, family: str, options: dict[str, bool], decidable: bool
) -> None:
    assert truth(generate(family, tmp_path / "case", **options))["truth"]["decidable"] is decidable


@pytest.mark.parametrize(("family", "plain"), [("takeover", True), ("quiet-use", False), ("tiny-clean", False)])
def test_the_truth_says_whether_any_intact_export_settles_the_case(tmp_path: Path, family: str, plain: bool) -> None:
    assert truth(generate(family, tmp_path / "case", devices=False))["truth"]["plain"] is plain


def test_a_damage_does_not_change_what_an_intact_export_would_settle(tmp_path: Path) -> None:
    told = truth(generate("takeover", tmp_path / "case", variant="blank-codes"))["truth"]
    assert told["decidable"] is True


def test_of_a_single_log_nothing_is_claimed_to_be_settled(tmp_path: Path) -> None:
    assert truth(generate("signins", tmp_path / "case", rows=20))["truth"] is None


def test_of_a_story_that_claims_no_verdict_the_truth_alone_is_told(tmp_path: Path) -> None:
    expected = truth(generate("spray", tmp_path / "case"))
    assert expected["verdict"] is None
    assert expected["field_states"] == {}
    assert expected["truth"]["attacked_accounts"]


def test_of_a_damage_that_may_hide_the_story_no_verdict_is_claimed(tmp_path: Path) -> None:
    expected = truth(generate("one-user", tmp_path / "case", variant="blank-codes"))
    assert expected["verdict"] is None
    assert expected["truth"]["any_success"]


@pytest.mark.parametrize("order", corpus(12), ids=lambda order: f"{order.family}-{order.shape}-{order.variant}")
def test_an_order_of_the_corpus_is_made_as_it_says(tmp_path: Path, order: CaseOrder) -> None:
    case = generate_order(order, tmp_path / "case")
    expected = truth(case)
    assert (expected["family"], expected["variant"], expected["shape"]) == (order.family, order.variant, order.shape)
    assert expected["seed"] == order.seed
    assert (case.folder / "case.toml").exists() is order.context
    audited = "unified_audit_log" in expected["events"]
    assert not audited or order.audit_shape is not None
    assert expected["truth"]["healthy_export"] is (order.variant == "intact")


@pytest.mark.parametrize(
    ("family", "variant"),
    [("single-country", "stuck-zero"), ("tiny-clean", "stuck-zero"), ("no-rows", "type-name")],
)
def test_a_damage_that_would_change_nothing_is_refused(tmp_path: Path, family: str, variant: str) -> None:
    with pytest.raises(BadInput, match=f"'{variant}' would change nothing in '{family}' of seed 7: .* leave it out"):
        generate(family, tmp_path / "case", variant=variant)
    assert not (tmp_path / "case").exists()


@pytest.mark.parametrize(("family", "log_type"), [("ual", "unified_audit_log"), ("legacy", "legacy_auth_logs")])
def test_a_single_log_claims_no_verdict(tmp_path: Path, family: str, log_type: str) -> None:
    case = generate(family, tmp_path / "case", rows=200)
    expected = truth(case)
    assert expected["events"] == {log_type: 200}
    assert expected["verdict"] is None
    assert expected["field_states"] == {}
    assert case.rows == 200


def test_a_single_log_has_ten_thousand_rows_unless_told(tmp_path: Path) -> None:
    case = generate("signins", tmp_path / "case")
    assert case.rows == 10_000
    assert sum(truth(case)["by_outcome"]["sign_in_logs"].values()) == 10_000


def test_without_context_no_case_toml_is_written_and_an_earlier_one_goes(tmp_path: Path) -> None:
    generate("one-user", tmp_path / "case")
    again = generate("one-user", tmp_path / "case", context=False)
    assert not (again.folder / "case.toml").exists()


def test_the_portal_keeps_interactive_and_other_sign_ins_apart(tmp_path: Path) -> None:
    names = [path.name.partition("_")[0] for path in generate("one-user", tmp_path / "case").files]
    assert names == ["InteractiveSignIns", "NonInteractiveSignIns"]
    only = generate("all-blocked", tmp_path / "other")
    assert len(only.files) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"family": "octopus"}, "'octopus' is no family; choose one of: oculus, healthy"),
        ({"family": "oculus", "variant": "intact"}, "'intact' is no variant of 'oculus'"),
        (
            {"family": "healthy", "variant": "type-name"},
            "'type-name' is no variant of 'healthy'; choose one of: intact",
        ),
        ({"family": "oculus", "shape": "ual-csv"}, "'ual-csv' is no shape for 'oculus'"),
        ({"family": "ual", "shape": "portal-csv"}, "choose one of: ual-csv, purview-csv"),
        ({"family": "oculus", "audit_shape": "xml"}, "'xml' is no shape of the audit log"),
        ({"family": "oculus", "rows": 5}, "'oculus' is a whole case of fixed size"),
        ({"family": "signins", "rows": 0}, "0 rows cannot be generated"),
        ({"family": "signins", "rows": 20_000_001}, "a number from 1 to 20000000"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_one_sentence(
    tmp_path: Path, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        generate(out=tmp_path / "case", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "case").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "real.csv").write_text("evidence")
    with pytest.raises(BadInput, match=r"already holds 'real.csv'.*name an empty folder"):
        generate("one-user", folder)
    assert [path.name for path in folder.iterdir()] == ["real.csv"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "case").write_text("")
    with pytest.raises(BadInput, match="is a file; name a folder"):
        generate("one-user", tmp_path / "case")


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be made \(.+\); name a folder that you may write to"):
        generate("one-user", tmp_path / "file" / "case")
