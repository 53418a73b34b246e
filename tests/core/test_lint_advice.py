"""What a lint says to write instead is good itself: it is a table, and the lint is content."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.entry import Entry, Problem, Table
from cronjob.core.lint.codes import lint_table
from cronjob.core.lint.subject import Surroundings
from cronjob.core.table import parse_table

START = datetime(2026, 11, 21, tzinfo=UTC)
AROUND = Surroundings(
    now=START,
    account={"root"}.__contains__,
    program={"/bin/sh", "true", "make", "date"}.__contains__,
    directory=lambda _: True,
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo")
COLUMNS = st.tuples(
    st.sampled_from(("0", "*", "*/20", "*/45", "*/60", "5,35", "0-59/7", "~")),
    st.sampled_from(("*", "2", "1", "0", "*/24", "*/5", "*/13", "3,5", "1-3", "H")),
    st.sampled_from(("*", "*/2", "*/31", "1-7", "8-14", "1-31", "29", "30", "30,31", "31", "L")),
    st.sampled_from(("*", "2", "feb", "4,6", "1,2", "*/6", "1-12")),
    st.sampled_from(("*", "*/2", "*/7", "1", "mon", "0-6", "1-5", "7", "0,7", "fri-sun")),
)
COMMANDS = ("make -j4", "make -j 8 all", "make -kj3 -j2", "date +%F%n", "echo '5% of 6%'", "true")


def read(text: str) -> Table:
    return parse_table(text, source="t", zone="Europe/Berlin")


def lint(text: str) -> list[Problem]:
    table = read(text)
    assert table.errors == (), text
    return list(lint_table(table, text, AROUND))


def with_column(line: str, index: int, text: str) -> str:
    words = line.split(" ")
    return " ".join([*words[:index], text, *words[index + 1 :]])


def with_field(line: str, field: str) -> str:
    words = [word for word in line.split(" ") if not word.startswith(field.partition("=")[0] + "=")]
    return " ".join([*words[:5], field, *words[5:]])


def last_day(line: str, problem: Problem) -> str:
    assert problem.message.count("write L for the last day") == (
        "no day matches" not in problem.message
    )
    return with_column(line, 2, "L" if "write L" in problem.message else "1")


def one_day(line: str, problem: Problem) -> str:
    if match := re.search(
        r"write \* for the day of month and (\S+) for the day of w", problem.message
    ):
        return with_column(with_column(line, 2, "*"), 4, match[1])
    if match := re.search(r'"(\S+)" matches each', problem.message):
        return with_column(line, line.split(" ").index(match[1], 2), "*")
    assert problem.message.endswith("test the day in the command")
    return ""


def no_star(line: str, problem: Problem) -> str:
    for text, name in re.findall(r"(\S+) for the (minute|hour)", problem.message):
        line = with_column(line, ("minute", "hour").index(name), text)
    return line


def escaped(line: str, problem: Problem) -> str:
    at = problem.column - 1
    assert line[at] == "%"
    return escaped_all(f"{line[:at]}\\{line[at:]}")


def escaped_all(line: str) -> str:
    found = [each for each in lint(line + "\n") if each.code == "percent"]
    return escaped(line, found[0]) if found else line


def wider(line: str, problem: Problem) -> str:
    match = re.search(r"or (slots=\d+)$", problem.message)
    assert match is not None
    return with_field(line, match[1])


ADVICE: dict[str, Callable[[str, Problem], str]] = {
    "never-fires": last_day,
    "leap-years-only": last_day,
    "short-months": last_day,
    "either-day": one_day,
    "both-days": lambda line, problem: with_column(line, 2, problem.message.split()[-1]),
    "every-minute": lambda line, _: with_column(line, 0, "0"),
    "clock-change": no_star,
    "overlapping": lambda line, _: with_field(line, "overlap=skip"),
    "catch-up-overlap": lambda line, _: with_field(line, "overlap=allow"),
    "percent": escaped,
    "parallel-build": wider,
}


def followed(line: str, problem: Problem) -> Entry | None:
    """The entry of the line that a lint asks for, which has nothing against it."""
    better = ADVICE[problem.code](line, problem)
    if not better:
        return None
    assert problem.code not in [each.code for each in lint(better + "\n")], better
    table = read(better + "\n")
    before = {each.message for each in read(line + "\n").problems}
    assert [each.message for each in table.problems if each.message not in before] == [], better
    (entry,) = table.entries
    return entry


@settings(deadline=None)  # what never fires is looked for through 50 years
@given(COLUMNS, st.sampled_from(ZONES), st.sampled_from(("", " timeout=2h")))
def test_a_schedule_as_a_lint_wants_it_is_read_and_content(
    columns: tuple[str, ...], zone: str, timeout: str
) -> None:
    line = f"{' '.join(columns)} tz={zone}{timeout} root true"
    for problem in lint(line + "\n"):
        if problem.code in ADVICE:
            followed(line, problem)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("field", ["", " slots=2"])
def test_a_command_as_a_lint_wants_it_is_read_and_content(command: str, field: str) -> None:
    line = f"0 5 * * *{field} root {command}"
    for problem in lint(line + "\n"):
        followed(line, problem)


@pytest.mark.parametrize("line", ["*/20 2 * * * root true", "0 9 */2 * 1 root true"])
def test_the_same_column_without_its_star_has_the_same_values(line: str) -> None:
    (problem,) = lint(line + "\n")
    entry = followed(line, problem)
    (before,) = read(line + "\n").entries
    assert entry is not None
    assert [c.values for c in entry.schedule.columns] == [c.values for c in before.schedule.columns]


@pytest.mark.parametrize("dom", ["1-7", "8-14", "15-21", "22-28"])
@pytest.mark.parametrize("dow", ["mon", "7", "sat"])
def test_the_nth_weekday_is_where_both_day_columns_match(dom: str, dow: str) -> None:
    line = f"0 9 {dom} * {dow} root true"
    (problem,) = lint(line + "\n")
    entry = followed(line, problem)
    (written,) = read(line + "\n").entries
    assert entry is not None
    days, weekdays = written.schedule.columns[2], written.schedule.columns[4]
    fires = written.schedule.between(START, START + timedelta(days=800))
    both = [
        fire
        for fire in fires
        if fire.nominal.day in days.values and fire.nominal.isoweekday() % 7 in weekdays.values
    ]
    assert entry.schedule.between(START, START + timedelta(days=800)) == both


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("TZ=Asia/Tokyo\n0 5 * * * root true\n", "@defaults tz=Asia/Tokyo\n0 5 * * * root true\n"),
        ("0 5 * * * make all\n", "0 5 * * * root make all\n"),
        ("MAILTO=a@b c@d\n", "MAILTO=a@b,c@d\n"),
        ("X=1 # one\n", "# one\nX=1\n"),
        ("0 5 * * * root MAKEFLAGS=-j4 make\n", "0 5 * * * slots=4 root MAKEFLAGS=-j4 make\n"),
        ("0 5 * * * root make -j4\n", "0 5 * * * slots=auto root make\n"),
        ("@hourly retry=1,2h root true\n", "@hourly retry=1,30m root true\n"),
    ],
)
def test_other_advice_is_good_as_well(text: str, better: str) -> None:
    assert len(lint(text)) == 1
    assert lint(better) == []
