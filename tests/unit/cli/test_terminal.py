"""What reaches the terminal is neutral; progress never touches stdout."""

import io
import json

import pytest
from rich.text import Text

from m365dq_dagster.cli import terminal
from tests.support.sample_document import ESCAPE


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(part: object) -> str:
    sink = io.StringIO()
    terminal.console(sink).print(part)
    return sink.getvalue()


def test_a_cell_never_interprets_markup() -> None:
    assert terminal.cell("[bold]x[/bold]").plain == "[bold]x[/bold]"
    assert "[bold]x[/bold]" in printed(terminal.cell("[bold]x[/bold]"))


def test_words_of_the_vocabulary_have_a_colour_and_others_do_not() -> None:
    assert str(terminal.cell("CORRUPTED").style) == "red"
    assert str(terminal.cell("anything").style) == ""
    assert str(terminal.cell("anything", "bold").style) == "bold"


def test_a_table_keeps_key_columns_whole_where_stdout_is_no_terminal() -> None:
    name = "a.long.account.name@contoso.example"
    made = terminal.table("T", ("Account", "Why"), [(name, "words " * 60)], free=("Why",))
    out = printed(made)
    assert name in out
    assert max(len(line) for line in out.splitlines()) <= terminal.WIDE


def test_a_table_neutralises_its_cells_and_takes_text_as_it_is() -> None:
    out = printed(terminal.table("T", ("A", "N"), [(ESCAPE, Text("kept"))], numbers=("N",)))
    assert "\x1b" not in out
    assert "\\x1b" in out
    assert "kept" in out


def test_a_console_on_a_terminal_takes_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert terminal.console(Screen()).width == 77
    assert terminal.console(io.StringIO(), width=50).width == 50


def test_json_escapes_everything_but_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.emit({"a": ESCAPE + "\u202eé"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)["a"].endswith("é")


def test_lines_go_where_they_belong(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("result" + ESCAPE)
    terminal.note("aside")
    captured = capsys.readouterr()
    assert captured.out.startswith("result\\x1b")
    assert captured.err == "aside\n"


def test_progress_is_one_line_a_stage_where_stderr_is_no_terminal() -> None:
    stream = io.StringIO()
    with terminal.StderrProgress(stream).shown() as progress:
        progress.step("intake", "a.csv", 1, 2)
        progress.step("intake", "b.csv", 2, 2)
        progress.step("quality", ESCAPE)
    assert stream.getvalue().splitlines()[0] == "intake: a.csv"
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


def test_progress_draws_a_bar_where_stderr_is_a_terminal() -> None:
    stream = Screen()
    with terminal.StderrProgress(stream).shown() as progress:
        progress.step("intake", "a.csv", 1, 2)
    assert "intake: a.csv" in stream.getvalue()


def test_columns_that_have_no_room_beside_each_other_are_wrapped_and_nothing_is_cut() -> None:
    names = ("A", "B", "C", "D", "E")
    out = printed(terminal.table("T", names, [tuple(name.lower() * 43 for name in names)]))

    assert max(len(line) for line in out.splitlines()) <= terminal.WIDE
    assert all(out.count(name.lower()) == 43 for name in names)
