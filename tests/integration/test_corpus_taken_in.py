"""Cases of the corpus, taken in: every row of every file arrives, at the time and from the place that is told."""

import json
from collections import Counter
from pathlib import Path

import pytest

from m365dq_dagster.adapters.synthetic.corpus import CaseOrder, corpus
from m365dq_dagster.adapters.synthetic.program_writers import APART, UNSEEN
from m365dq_dagster.adapters.synthetic.stories import tell
from m365dq_dagster.adapters.synthetic.vocabulary import Family, Shape, Variant
from m365dq_dagster.stages.generate import generate_order
from tests.support.intake_case import Taken, take_in

QUICK = 8


def named(order: CaseOrder) -> str:
    return f"{order.family}-{order.shape}-{order.variant}-{order.seed}"


@pytest.mark.parametrize("order", corpus(QUICK), ids=named)
def test_a_case_of_the_corpus_arrives_whole(order: CaseOrder, tmp_path: Path) -> None:
    hold_to_the_story(order, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("order", corpus(520)[QUICK:], ids=named)
def test_every_case_of_the_corpus_arrives_whole(order: CaseOrder, tmp_path: Path) -> None:
    hold_to_the_story(order, tmp_path)


@pytest.mark.parametrize("shape", [*APART, Shape.GRAPH_JSON, Shape.PS_CSV])
def test_applications_that_sign_in_as_themselves_arrive_without_an_account(shape: Shape, tmp_path: Path) -> None:
    order = CaseOrder(
        Family.SERVICES_ABROAD, 3, shape, None, Variant.INTACT, devices=True, context=True, mfa_steps=True
    )
    taken = hold_to_the_story(order, tmp_path)
    programs = taken.rows("SELECT DISTINCT service_principal_name AS name FROM sign_in_logs WHERE account IS NULL")
    assert bool(programs) is (shape not in UNSEEN)
    assert all(row["name"] for row in programs)


def hold_to_the_story(order: CaseOrder, tmp_path: Path) -> Taken:
    case = generate_order(order, tmp_path / "case")
    taken = take_in(case.folder)
    for path in case.files:
        entry = taken.file(path.name)
        assert entry["status"] == ("IMPORTED" if case.rows else "EMPTY")
        assert entry["rows_read"] == entry["rows_imported"]
        assert entry["date_order"] in (None, "ISO", "MDY")
    events = json.loads(case.expected.read_text(encoding="utf-8"))["events"]
    assert {log_type: len(taken.events(log_type)) for log_type in events} == events
    assert arrived(taken) == told(order)
    return taken


def arrived(taken: Taken) -> Counter[tuple[object, ...]]:
    rows = taken.rows("SELECT event_time, account, country, address FROM sign_in_logs")
    return Counter((str(row["event_time"])[:19], row["account"], row["country"], row["address"]) for row in rows)


def told(order: CaseOrder) -> Counter[tuple[object, ...]]:
    story = tell(order.family, order.seed, mfa_steps=order.mfa_steps)
    rows = [row for row in story.sign_ins if row.person.account or order.shape not in UNSEEN]
    return Counter((str(row.time), row.person.account.lower() or None, row.place.country, row.address) for row in rows)
