"""Fields that contradict each other: refused at the place of the field, unless by default only."""

import pytest

from cronjob.core.entry import Style, Table
from cronjob.core.table import parse_table


def read(text: str, style: Style = "system") -> Table:
    return parse_table(text, source="t", style=style)


def told(text: str, style: Style = "system") -> list[str]:
    return [str(problem) for problem in read(text, style).problems]


SHORTEST = "jitter must be shorter than the shortest interval of the schedule"


@pytest.mark.parametrize(
    ("line", "offset", "message"),
    [
        ("0 0 * * * catchup-within=1d root x", 10,
         "catchup-within needs catchup=latest or catchup=all"),
        ("0 0 * * * catchup=none catchup-within=1d root x", 23,
         "catchup-within needs catchup=latest or catchup=all"),
        ("*/5 * * * * jitter=5m root x", 12, f"{SHORTEST}, 5 minutes"),
        ("@hourly timeout=1m jitter=2h root x", 19, f"{SHORTEST}, 1 hour"),
        ("@daily retry=3,10m retry-until=5m root x", 19, "no retry can start: retry-until ends "
         "5 minutes after the first start, and the first retry waits 9 minutes at least"),
        ("@daily retry-until=26s retry=1 root x", 7, "no retry can start: retry-until ends "
         "26 seconds after the first start, and the first retry waits 27 seconds at least"),
        ("@daily retry=3 retry-on=0 root x", 15, "retry-on names 0, which ok counts as success"),
        ("@daily retry=3 retry-on=1,70-75 ok=0,64-78 root x", 15,
         "retry-on names 70-75, which ok counts as success"),
    ],
)  # fmt: skip
def test_a_contradiction_costs_the_line_and_is_told_at_its_field(
    line: str, offset: int, message: str
) -> None:
    assert told(line + "\n") == [f"t:1:{offset + 1}: {message}"]
    assert read(line + "\n").entries == ()


def test_all_contradictions_of_a_line_are_told() -> None:
    line = "*/5 * * * * catchup-within=1d jitter=1h retry=1 retry-on=0 retry-until=1s root x\n"
    assert [problem.column for problem in read(line).errors] == [31, 13, 60, 49]


@pytest.mark.parametrize(
    "line",
    [
        "@daily catchup=latest catchup-within=1d root x",
        "@daily catchup-within=1d catchup=all root x",
        "*/5 * * * * jitter=299s root x",
        "@daily retry=3,10m retry-until=9m root x",
        "@daily retry=3,10m retry-until=next root x",
        "@daily retry=3 retry-on=1-255 ok=0,75 root x",
        "@daily retry=3 retry-on=timeout root x",
        "@daily catchup=all deadline=61s root x",
        "@daily catchup=all jitter=1m deadline=1s root x",
        "@daily catchup=none deadline=1s root x",
        "@daily catchup=all catchup-within=23h deadline=23h root x",
        "@daily catchup=all catchup-within=1d jitter=1h deadline=23h root x",
        "@daily retry=none root x",
        "@daily slots=0 root x",
        "@daily slots=0 priority=0 root x",
        "@daily priority=5 root x",
        "@daily slots=2 priority=5 root x",
        "@reboot slots=1 priority=5 root x",
        "@reboot catchup=none root x",
        "@reboot retry=3 retry-until=1h jitter=2d root x",
    ],
)
def test_fields_that_go_together_are_no_problem(line: str) -> None:
    assert told(line + "\n") == []
    assert len(read(line + "\n").entries) == 1


@pytest.mark.parametrize(
    ("line", "offset", "message"),
    [
        ("@daily retry=0 retry-on=75 root x", 15, "retry-on says nothing without retry"),
        ("@daily retry-on=75 root x", 7, "retry-on says nothing without retry"),
        ("@daily retry-until=1h root x", 7, "retry-until says nothing without retry"),
        ("@daily retry-until=1s root x", 7, "retry-until says nothing without retry"),
        ("@reboot retry-until=next root x", 8, "retry-until says nothing without retry"),
        ("@reboot catchup=all root x", 8,
         "@reboot has no fire time that could be missed, so catchup says nothing"),
        ("@reboot retry=2 retry-until=next root x", 16,
         "@reboot has no next fire time, so retry-until=next says nothing"),
        ("@daily catchup=all deadline=1m root x", 19,
         "what is made up for is more than 1 minute late, and deadline ends 1 minute after the "
         "fire time, so none of it starts"),
        ("@daily catchup=all catchup-within=1d deadline=23h root x", 19,
         "deadline ends 23 hours after the fire time: nothing older is made up for"),
        ("@daily slots=0 priority=5 root x", 15,
         "a run without slots never waits for them, so priority says nothing"),
        ("@reboot priority=5 root x", 8,
         "a run without slots never waits for them, so priority says nothing"),
    ],
)  # fmt: skip
def test_a_field_that_says_nothing_is_a_warning(line: str, offset: int, message: str) -> None:
    assert told(line + "\n") == [f"t:1:{offset + 1}: warning: {message}"]
    assert len(read(line + "\n").entries) == 1


@pytest.mark.parametrize(
    ("mailto", "mail", "warned"),
    [
        ("MAILTO=", "always", True),
        ('MAILTO=""', "failure", True),
        ("MAILTO=", "never", False),
        ("MAILTO=ops", "always", False),
        ("MAILTO=\nMAILTO=ops", "always", False),
        ("", "always", False),
    ],
)
def test_mail_to_nobody_is_a_warning(mailto: str, mail: str, warned: bool) -> None:
    expected = ["warning: MAILTO is empty, so nothing is mailed"] if warned else []
    found = told(f"{mailto}\n@daily mail={mail} root x\n")
    assert [problem.split(": ", 1)[1] for problem in found] == expected


# --- @defaults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defaults", "line"),
    [
        ("catchup-within=1d", "@daily root x"),
        ("catchup=latest catchup-within=1d", "@daily catchup=none root x"),
        ("catchup=latest", "@daily catchup-within=1d root x"),
        ("retry=3,10m retry-until=5m", "@daily root x"),
        ("retry-on=75", "@daily root x"),
        ("retry-on=75 retry=1", "@daily retry=0 root x"),
        ("retry-on=0", "@daily root x"),
        ("catchup=all priority=4", "@reboot root x"),
        ("jitter=10m", "@daily root x"),
    ],
)
def test_what_only_the_defaults_contradict_is_no_problem_of_an_entry(
    defaults: str, line: str
) -> None:
    assert told(f"@defaults {defaults}\n{line}\n") == []
    assert len(read(f"@defaults {defaults}\n{line}\n").entries) == 1


def test_a_default_jitter_leaves_out_the_entries_that_it_does_not_fit() -> None:
    table = read("@defaults jitter=10m\n*/5 * * * * root often\n@daily root daily\n")
    assert [(each.command, bool(each.fields.jitter)) for each in table.entries] == [
        ("often", False),
        ("daily", True),
    ]
    assert [str(problem) for problem in table.problems] == [
        f"t:2:1: warning: the default jitter does not apply here: {SHORTEST}, 5 minutes"
    ]


def test_a_retry_that_a_default_bound_rules_out_is_a_warning() -> None:
    assert told("@defaults retry-until=5m\n@daily retry=3,10m root x\n") == [
        "t:2:8: warning: no retry can start: retry-until ends 5 minutes after the first start, "
        "and the first retry waits 9 minutes at least"
    ]


def test_a_bound_of_the_line_that_rules_out_the_default_retry_is_an_error() -> None:
    assert told("@defaults retry=3,10m\n@daily retry-until=5m root x\n") == [
        "t:2:8: no retry can start: retry-until ends 5 minutes after the first start, "
        "and the first retry waits 9 minutes at least"
    ]
