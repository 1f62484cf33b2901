"""README.md: what it says to type works, what it says comes up can come up, and where it points there is something."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml  # type: ignore[import-untyped]

from pipelines import cli
from pipelines.demo import DATABASE
from pipelines.sync import sync
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock

from .pages import ROOT, blocks, environment, links, pages, table, text, unlimited, variables

README = "README.md"
COMMANDS = [line for block in blocks(README, "sh") for line in block.splitlines()]
TARGETS = re.findall(r"^([a-z]+):.*##", text("Makefile"), re.MULTILINE)
# PostgreSQL's words, which reach the user as they are
NOT_OURS = {"connection to server at … failed: …"}


# ---- what it says to type


def test_every_command_is_of_a_kind_that_is_tested() -> None:
    assert COMMANDS
    for command in COMMANDS:
        assert re.match(r"make |export \w+=|cp |chmod |git clone |cd |(\.venv/bin/)?(leadhouse|dlt) ", command), command


def test_make_has_the_targets_and_the_page_names_them() -> None:
    for command in {command for command in COMMANDS if command.startswith("make ")}:
        subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, check=True, capture_output=True, timeout=30)
    assert TARGETS
    listed = text(README).partition("`make` lists")[2].split("\n\n")[0]
    assert re.findall(r"`([a-z]+)`", listed) == [target for target in TARGETS if target != "help"]


def test_exported_variables_are_settings() -> None:
    exported = [command.removeprefix("export ").split("=")[0] for command in COMMANDS if command.startswith("export ")]
    assert exported
    assert set(exported) <= variables()


@pytest.mark.parametrize("destination", ["duckdb", "postgres"])
def test_the_commands_run(destination: str, house: Path, request: pytest.FixtureRequest) -> None:
    """In the page's order, in a folder with the settings files, against a simulated vendor."""
    if destination == "postgres":
        request.getfixturevalue("postgres")
    (house / ".dlt").mkdir()
    for name in ("config.toml", "secrets.toml.example"):
        shutil.copy(ROOT / ".dlt" / name, house / ".dlt")
    little = {
        "SOURCES__LEADFEEDER_LEGACY__START_DATE": f"{datetime.now(UTC).date() - timedelta(days=2)}",
        "SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS": "all_leads",
    }
    asked = []
    for words in map(shlex.split, dict.fromkeys(COMMANDS)):
        program = Path(words[0]).name
        if program in ("cp", "chmod"):
            subprocess.run(words, cwd=house, check=True, timeout=30)
        elif program == "leadhouse" and (destination == "postgres") == ("postgres" in words):
            asked.append(words[1:])
    with Sandbox(World(days=3, accounts=1, visits_per_day=10), limits=False) as sandbox:
        sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
        done = subprocess.run(
            [sys.executable, "-m", "tests.docs.prefork", json.dumps(asked)],
            cwd=house,
            env=environment(sandbox.settings(), unlimited(), little),
            # somebody who is asked presses Enter
            input=b"\n" * 20,
            check=True,
            capture_output=True,
            timeout=300,
        )
    ended = json.loads(done.stdout)
    assert len(ended) == len(asked) >= 3
    for words, (code, out, err) in zip(asked, ended, strict=True):
        assert code == 0, (words, out, err)
        assert out, words
        if "--json" in words:
            assert json.loads(out)["exit_code"] == 0
        elif words[0] == "sync":
            header, *rows = out.splitlines()
            shown = next(block for block in blocks(README, "text") if block.startswith("vendor"))
            assert header.split() == shown.split("\n")[0].split()
            assert rows
    if destination == "duckdb":
        [command] = [line for line in COMMANDS if line.startswith(".venv/bin/dlt ")]
        command = command.replace(".venv/bin", str(Path(sys.executable).parent)).replace("~/.dlt", "$DLT_DATA_DIR")
        shown_by_dlt = subprocess.run(["bash", "-c", command], cwd=house, check=True, capture_output=True, timeout=60)
        # the page's last command, `recover`, has left no trace of a run
        assert b"Found pipeline leadfeeder_legacy" in shown_by_dlt.stdout


def parsed(words: list[str]) -> Any:
    """What the command line makes of the words after `leadhouse`; raises where it knows no such command or option."""
    group: Any = typer.main.get_command(cli.app)
    context = group.make_context("leadhouse", list(words))
    name, command, rest = group.resolve_command(context, list(words))
    return command.make_context(name, [word for word in rest if word not in ("-h", "--help")], parent=context)


def test_the_command_line_is_asked_what_it_knows() -> None:
    assert parsed(["sync", "--from", "2026-01-01"]).params["first"] == "2026-01-01"
    for wrong in (["sink"], ["sync", "--form", "2026-01-01"]):
        with pytest.raises(Exception, match="No such"):
            parsed(wrong)


def test_commands_in_the_text_exist() -> None:
    prose = re.sub(r"^```.*?^```$", "", text(README), flags=re.MULTILINE | re.DOTALL)
    commands = re.findall(r"`leadhouse ([^`]+)`", prose)
    assert commands
    for command in commands:
        parsed(shlex.split(command))


# ---- schedules


def test_cron() -> None:
    jobs = [line for block in blocks(README, "crontab") for line in block.splitlines() if not re.match(r"#|\w+=", line)]
    assert len(jobs) >= 2
    for job in jobs:
        *times, command = job.split(maxsplit=5)
        assert is_schedule(times), job
        # cron turns % into a line break
        assert "%" not in command
        assert check_script(command) == 1


def test_github_actions() -> None:
    (block,) = blocks(README, "yaml")
    workflow = yaml.safe_load(block)
    # YAML reads the word `on` as true
    (schedule,) = workflow[True]["schedule"]
    assert is_schedule(schedule["cron"].split())
    steps = workflow["jobs"]["sync"]["steps"]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert [check_script(step["run"]) for step in steps if "run" in step] == [0, 1]
    for step in steps:
        assert set(step.get("env", {})) <= variables()
        if "--destination postgres" in step.get("run", ""):
            assert "DESTINATION__POSTGRES__CREDENTIALS" in step["env"]


def check_script(script: str) -> int:
    """Check that what a line of shell calls exists; returns how many syncs it is."""
    syncs = 0
    for command in re.split(r"&&|\|\|", re.sub(r"\d?>+\s*[\w.&]+", "", script)):
        program, *words = shlex.split(command)
        if program == "make":
            assert set(words) <= set(TARGETS)
        elif program.endswith("leadhouse"):
            syncs += parsed(words).info_name == "sync"
        else:
            assert program in ("cd", "tail", "mutt")
    return syncs


def is_schedule(times: list[str]) -> bool:
    bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    return len(times) == len(bounds) and all(
        time == "*" or (time.isdigit() and low <= int(time) <= high)
        for time, (low, high) in zip(times, bounds, strict=True)
    )


# ---- queries


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's database, smaller."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch, Sandbox(World(days=8, accounts=2), limits=False) as sandbox:
        sandbox.leadfeeder_legacy.options.exports.pending_polls = 0
        more = {"DLT_DATA_DIR": str(folder / "dlt"), "DESTINATION__DUCKDB__CREDENTIALS": str(folder / DATABASE)}
        for name, value in (sandbox.settings() | unlimited() | more).items():
            patch.setenv(name, value)
        patch.setenv("SOURCES__LEADFEEDER_LEGACY__START_DATE", f"{datetime.now(UTC).date() - timedelta(days=7)}")
        patch.setenv("SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS", "all_leads")
        clock = Clock()
        assert sync(Warehouse("duckdb", clock=clock), clock=clock).exit_code == 0
    return folder


def test_queries(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    queries = 0
    with chdir(demo):
        for block in blocks(README, "python"):
            exec(compile(block, README, "exec"), names)
            shown = capsys.readouterr().out
            queries += block.count("SELECT")
            # only what is missing may be empty
            assert shown.count(" 0 rows") == block.count("incomplete_days"), block
            assert bool(shown) == ("SELECT" in block)
    assert queries >= 3


def test_a_result_is_shown_with_the_columns_of_its_query() -> None:
    page = text(README)
    for query, shown in re.findall(r"^```python\n([^`]*?)```\n\n```text\n(┌.*?)```$", page, re.MULTILINE | re.DOTALL):
        for column in shown.split("\n")[1].strip("│").split("│"):
            assert column.strip() in query


# ---- what it says comes up


@cache
def literals() -> tuple[str, ...]:
    """Every text in the code, with … where a value goes."""
    found = []
    for path in sorted([*(ROOT / "sources").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                # a template of the log's: %s, %r, %.1f
                found.append(re.sub(r"%[.\d]*[a-z]", "…", node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                found.append("".join(map(str, parts)))
    return tuple(each for each in found if says_something(each))


def says_something(message: str) -> bool:
    return len(re.findall(r"\w", message)) >= 8


@cache
def pattern(message: str) -> re.Pattern[str]:
    """What a message with … for values looks like; a value never holds what parts a message from its remedy."""
    return re.compile(r"(?:(?!; ).)*".join(map(re.escape, message.split("…"))), re.DOTALL)


def is_said(message: str) -> bool:
    """Whether the code says this, as one text or as a message and its remedy."""
    if any(pattern(each).fullmatch(message) or pattern(message).fullmatch(each) for each in literals()):
        return says_something(message)
    cuts = [cut.start() for cut in re.finditer("; ", message)]
    return any(is_said(message[:cut]) and is_said(message[cut + 2 :]) for cut in cuts)


MESSAGES = [re.findall("`([^`]+)`", row[0])[0] for row in table(README, "message", "what it means, what to do")]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_the_codes(message: str) -> None:
    assert message in NOT_OURS or is_said(message)


@pytest.mark.parametrize(
    "message",
    ["there is no table …; choose among …", "… answered 401 (…); try another key", "…", "…; check the key; no"],
)
def test_a_message_that_nobody_says_is_noticed(message: str) -> None:
    assert not is_said(message)


def test_exit_codes() -> None:
    codes = [int(row[0]) for row in table(README, "code", "meaning")]
    assert codes == [cli.OK, cli.FAILED, cli.USAGE, cli.INTERRUPTED]


# ---- where it points


@pytest.mark.parametrize("page", [*pages()])
def test_links_lead_somewhere(page: str) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_in_the_index() -> None:
    records = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    assert links("docs/decisions/README.md") == records
    for number, record in enumerate(records, 1):
        headings = re.findall(r"^#+ (.+)$", text(f"docs/decisions/{record}"), re.MULTILINE)
        assert headings[0].startswith(f"{number}. ")
        assert headings[1:] == ["Context", "Decision", "Consequences"]
