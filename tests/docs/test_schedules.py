"""docs/schedules.md and the examples it points to: times are times, commands exist, variables are settings."""

import configparser
import re
import shlex

import yaml  # type: ignore[import-untyped]

from .pages import blocks, text, variables
from .test_readme import check_script, is_schedule, parsed

PAGE = "docs/schedules.md"
WORKFLOW = "examples/github-actions.yml"


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=True, interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(text(f"examples/systemd/{name}"))
    return found


def test_cron() -> None:
    syncs = []
    for block in blocks(PAGE, "crontab"):
        given = re.findall(r"^(\w+)=", block, re.MULTILINE)
        assert set(given) <= variables()
        syncs.append(0)
        for job in block.splitlines()[len(given) :]:
            *times, command = job.split(maxsplit=5)
            assert is_schedule(times), job
            assert "%" not in command
            syncs[-1] += check_script(command)
    assert syncs == [1, 2, 0, 1]


def test_what_does_not_wait_is_collected_before_the_models() -> None:
    commands = [re.search(r"bin/leadhouse ([^>]+)", job) for job in blocks(PAGE, "crontab")[1].splitlines()]
    night, morning, models = (parsed(shlex.split(found[1])) for found in commands if found)
    assert night.params["wait"] is False
    assert list(morning.params["vendors"]) == ["leadfeeder_legacy"]
    assert models.info_name == "transform"


def test_the_service_runs_a_sync_once() -> None:
    service = unit("leadhouse.service")["Service"]
    assert service["Type"] == "oneshot"
    program, *words = shlex.split(service["ExecStart"])
    assert program.startswith(service["WorkingDirectory"] + "/.venv/bin/")
    assert parsed(words).info_name == "sync"


def test_the_timer_starts_it_each_night() -> None:
    timer = unit("leadhouse.timer")
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d:\d\d", timer["Timer"]["OnCalendar"])
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_github_actions() -> None:
    workflow = yaml.safe_load(text(WORKFLOW))
    # YAML reads the word `on` as true
    assert all(is_schedule(each["cron"].split()) for each in workflow[True]["schedule"])
    assert workflow["concurrency"]["cancel-in-progress"] is False
    steps = workflow["jobs"]["sync"]["steps"]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    scripts = [step["run"] for step in steps if "run" in step]
    assert [check_script(script) for script in scripts] == [0, 1]
    assert parsed(shlex.split(scripts[1])[1:]).params["wait"] is False
    (given,) = (step["env"] for step in steps if "env" in step)
    assert set(given) <= variables()
    assert "DESTINATION__POSTGRES__CREDENTIALS" in given
