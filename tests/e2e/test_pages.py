"""Dagster's pages, as a person sees them: a case that went through and one that a gate stopped."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from m365dq_dagster.adapters.case_store import CaseStore
from m365dq_dagster.adapters.registry import Registry
from m365dq_dagster.adapters.rule_pack import load_rule_pack
from m365dq_dagster.adapters.settings import Settings
from m365dq_dagster.definitions import run_case
from m365dq_dagster.defs.launch import ensure_dagster_home
from m365dq_dagster.defs.ui import ui_command
from m365dq_dagster.stages.case import prepare_case
from tests.support.sign_in_folder import TYPE_NAME, write_sign_ins

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
STARTS_WITHIN = 180
SHOWS_WITHIN = 60_000


@pytest.fixture(scope="module")
def browser_path() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no browser is installed (looked for {', '.join(BROWSERS)})"
        print(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def home(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with two registered cases, of which a gate stopped `stuck`."""
    folder = tmp_path_factory.mktemp("pages")
    settings = Settings(home=folder / "home").prepared()
    store, pack = CaseStore(settings.cases_dir), load_rule_pack()
    with Registry.open(settings.registry_url) as registry:
        prepare_case(settings, registry, store, pack, write_sign_ins(folder / "healthy"))
        stuck = write_sign_ins(folder / "stuck", code=lambda row: TYPE_NAME, access="")
        prepare_case(settings, registry, store, pack, stuck)
    assert run_case(settings, "stuck").blocked
    return settings


@pytest.fixture(scope="module")
def went_through(home: Settings, page: Page) -> str:
    """The case `healthy`, run while the pages are open: a badge speaks of the last run of any case."""
    assert run_case(home, "healthy").success
    return "healthy"


@pytest.fixture(scope="module")
def address(home: Settings, checkout: Path) -> Iterator[str]:
    """Where the pages are, as `m365dq ui` starts them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(ensure_dagster_home(home)),
        "M365DQ_HOME": str(home.home),
        "PYTHONPATH": str(checkout),
    }
    log = home.home / "pages.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ui_command("127.0.0.1", port),
            env=environment,
            cwd=checkout,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):  # the web server and the daemon outlive what started them
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    pytest.fail("the pages did not come up: " + log.read_text(encoding="utf-8", errors="replace")[-3000:])


@pytest.fixture(scope="module")
def page(address: str, browser_path: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1500, "height": 1000}, base_url=address)
        opened.set_default_timeout(SHOWS_WITHIN)
        expect.set_options(timeout=SHOWS_WITHIN)
        yield opened
        browser.close()


def test_the_gate_that_stopped_a_case_says_why_and_where_help_stands(page: Page) -> None:
    page.goto("/assets/quality_report?view=checks&checkDetail=outcome_can_be_told")
    expect(page.get_by_text("Case stuck: sign_in_logs: no outcome field may testify.").first).to_be_visible()
    expect(page.get_by_text("docs/runbooks/quality-check-failure.md").first).to_be_visible()


def test_the_verdict_is_the_headline_of_its_check_and_names_the_case(page: Page, went_through: str) -> None:
    page.goto("/assets/verified_findings?view=checks&checkDetail=verdict")
    expect(page.get_by_text("Case healthy: no breach indicated in 40 sign-ins").first).to_be_visible()


def test_the_cases_are_the_partitions_and_a_stopped_one_is_red_from_the_first_asset_not_made(
    page: Page, went_through: str
) -> None:
    page.goto("/assets/quality_report?view=partitions")
    for case_id in ("healthy", "stuck"):
        expect(page.get_by_text(case_id, exact=True).first).to_be_visible()
    expect(page.get_by_text("Materialized (2)").first).to_be_visible()
    page.goto("/assets/reliability_scores?view=partitions")
    expect(page.get_by_text("Failed (1)").first).to_be_visible()
    expect(page.get_by_text("Materialized (1)").first).to_be_visible()


def test_the_launch_form_asks_for_what_is_known_of_a_case(page: Page) -> None:
    page.goto("/jobs")
    page.get_by_text("case_job").first.click()
    expect(page.get_by_text("raw_logs").first).to_be_visible()


def test_sensors_and_schedules_are_running(page: Page) -> None:
    page.goto("/automation")
    for name in ("inbox", "outbox", "killed_runs", "quarterly_maintenance", "daily_metrics"):
        expect(page.get_by_text(re.compile(rf"^{name}$")).first).to_be_visible()
