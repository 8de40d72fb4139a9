import json
from pathlib import Path

import pytest

from m365dq_dagster.core.errors import InternalFault
from m365dq_dagster.stages import bench_evidence as bench
from m365dq_dagster.stages.bench_evidence import evidence
from m365dq_dagster.stages.case_run import Silent
from tests.support.watching import Watching


def test_evidence_of_another_generator_or_of_another_size_on_disk_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evidence(tmp_path, "ual-csv", 20, Silent())
    whole = first.file.read_bytes()
    first.file.write_bytes(whole[:-5])
    assert evidence(tmp_path, "ual-csv", 20, Silent()).file.read_bytes() == whole
    monkeypatch.setattr(bench, "generator_version", lambda: "another")
    watching = Watching()
    evidence(tmp_path, "ual-csv", 20, watching)
    assert len(watching.seen) == 1
    assert json.loads((first.folder.parent / bench.MARKER).read_text())["generator"] == "another"


def test_evidence_that_changes_while_it_is_made_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_make", lambda *given: None)
    with pytest.raises(InternalFault, match="changed while it was made; run the benchmark again"):
        evidence(tmp_path, "ual-csv", 20, Silent())
