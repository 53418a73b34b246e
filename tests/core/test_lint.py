"""Lints: what each finds, what it says, and on what it keeps silent."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronjob.core.entry import Problem, Style, Table
from cronjob.core.lint.codes import ENTRY_LINTS, SETTING_LINTS, lint_table
from cronjob.core.lint.commands import left_open
from cronjob.core.lint.subject import Surroundings
from cronjob.core.table import parse_table

STYLES: tuple[Style, ...] = ("system", "user")
ACCOUNTS = {"root", "www-data", "mail"}
PROGRAMS = {"/bin/sh", "/bin/true", "rsync", "find", "mail", "sudo", "node", "true", "make"}
SURROUNDINGS = Surroundings(
    now=datetime(2026, 11, 21, 12, tzinfo=UTC),
    account=ACCOUNTS.__contains__,
    program=PROGRAMS.__contains__,
    directory={"/srv", "/"}.__contains__,
)
CRONTAB = """\
25 6 * * * root test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )
@daily root  apt-get   update
"""


def lint(
    text: str,
    *,
    style: Style = "system",
    classic: bool = False,
    zone: str = "Europe/Berlin",
    cron: tuple[Table, ...] = (),
) -> tuple[Problem, ...]:
    table = parse_table(text, source="t", style=style, classic=classic, zone=zone)
    assert not table.errors, table.errors
    around = replace(SURROUNDINGS, cron=cron)
    return lint_table(table, text, around)


def codes(text: str, *, style: Style = "system", classic: bool = False) -> list[str]:
    return [problem.code for problem in lint(text, style=style, classic=classic)]


def said(text: str, *, style: Style = "system", classic: bool = False) -> str:
    """What the one finding says."""
    (problem,) = lint(text, style=style, classic=classic)
    return problem.message


SCHEDULES = [
    ("0 0 30 2 *", "never-fires", "February has no day 30; write L for the last day"),
    ("0 0 31 4 *", "never-fires", "April has no day 31"),
    ("0 0 31 4,6,9 *", "never-fires", "April, June and September have no day 31"),
    ("0 0 30,31 feb *", "never-fires", "February has no day 30"),
    ("0 0 29 2 *", "leap-years-only", "in leap years only, next on 2028-02-29; write L for"),
    ("0 0 31 * *", "short-months", "in February, April, June, September and November, which have"),
    ("0 0 30 * *", "short-months", "in February, which has no day 30; write L"),
    ("0 0 31 1,2 *", "short-months", "in February, which has no day 31"),
    ("0 9 1-7 * mon", "either-day", "write * for the day of month and mon#1 for the day of week"),
    ("0 9 15-21 * 3", "either-day", "for the third Wednesday of a month write * for"),
    ("0 9 13 * fri", "either-day", 'matches "13" or "fri", not only where both do'),
    ("0 9 13 * fri", "either-day", "for these test the day in the command"),
    ("0 9 1-31 * fri", "either-day", 'fires every day: "1-31" matches each'),
    ("0 9 13 * 0-6", "either-day", 'fires every day: "0-6" matches each'),
    ("0 9 */2 * 1", "both-days", 'match "*/2" and "1" both, because the first begins with *'),
    ("0 9 */2 * 1", "both-days", "for days that match either write 1-31/2"),
    (
        "* 3 * * *",
        "every-minute",
        "starts 60 times a day, at every minute from 03:00 to 03:59; write 0",
    ),
    ("* */6 * * *", "every-minute", "from 00:00 to 00:59"),
    ("* 0,12 1 * *", "every-minute", "starts 120 times a day, at every minute from 00:00 to 00:59"),
    ("* 0,12 1 * *", "every-minute", "00:59, and so in 2 hours; write 0 for the minute to start"),
    ("*/45 * * * *", "uneven-step", "is 0 and 45, and then 0 again, not every 45 minutes"),
    ("0 */18 * * *", "uneven-step", "not every 18 hours"),
    ("0 4 */15 * *", "uneven-step", "is 1, 16 and 31, and then 1 again, not every 15 days"),
    ("*/20 2 * * *", "clock-change", "no run on 2027-03-28, when 02:00-03:00 does not exist"),
    ("*/20 2 * * *", "clock-change", "twice as many runs on 2027-10-31, when 02:00-03:00 comes"),
    ("*/20 2 * * *", "clock-change", "; write 0-59/20 for the minute, and it runs on each day"),
    ("*/20 2 * * sun", "clock-change", "no run on 2027-03-28"),
]


@pytest.mark.parametrize(("schedule", "code", "message"), SCHEDULES)
def test_a_schedule_that_does_not_mean_what_it_seems_to(
    schedule: str, code: str, message: str
) -> None:
    found = [problem for problem in lint(f"{schedule} root true\n") if problem.code == code]
    assert [message in problem.message for problem in found] == [True]


@pytest.mark.parametrize(
    "schedule",
    [
        *("@reboot", "@daily", "@hourly", "* * * * *", "*/5 * * * *", "30 2 * * *", "0,30 2 * * *"),
        *("0 0 29 * *", "0 0 28-31 * *", "0 0 1,31 * *", "0 0 L * *", "0 0 L 2 *", "0 0 31 1,3 *"),
        *("0 0 1 * *", "0 0 * * 1", "0 0 1-7 * */7", "0 0 * * mon#1", "0 0 */2 * *", "0 0 15W * *"),
        *("* 9-17 * * *", "* 7,8,17,18 * * *", "* 23,0 * * *", "*/7 * * * *", "*/30 * * * *"),
        *("0 */5 * * *", "0 */12 * * *", "0 0 */2 * *", "0-59/20 2 * * *", "*/20 1-5 * * *"),
        *("*/20 4 * * *", "*/20 2 1 1 *", "0 */2 * * *", "*/20 2 * * mon"),
    ],
)
def test_a_schedule_that_means_what_it_says_is_left_alone(schedule: str) -> None:
    assert codes(f"{schedule} root true\n") == []


@pytest.mark.parametrize(
    ("zone", "schedule", "message"),
    [
        ("UTC", "*/20 2 * * *", ""),
        ("America/New_York", "*/20 1 * * *", "twice as many runs on 2027-11-07"),
        ("America/New_York", "*/20 2 * * *", "no run on 2027-03-14"),
        ("Africa/Cairo", "*/30 0 * * *", "no run on 2027-04-30, when 00:00-01:00 does not exist"),
        ("Africa/Cairo", "0 */24 * * *", "; write 0 for the hour, and it runs"),
        ("Australia/Lord_Howe", "*/10 2 * * *", ""),  # half an hour is skipped, half is not
    ],
)
def test_a_wildcard_schedule_is_looked_at_in_its_own_zone(
    zone: str, schedule: str, message: str
) -> None:
    found = [p.message for p in lint(f"{schedule} root true\n", zone=zone)]
    assert [message in text for text in found] == ([True] if message else [])


def test_at_the_end_of_the_calendar_nothing_fires_any_more() -> None:
    late = replace(SURROUNDINGS, now=datetime(9999, 12, 31, tzinfo=UTC))
    text = "@yearly root true\n"
    (found,) = lint_table(parse_table(text, source="t"), text, late)
    assert found.message == "never fires: no day matches day of month, month and day of week"


def test_classic_tables_are_not_told_to_use_what_cron_does_not_know() -> None:
    text = "0 0 31 * * root true\n0 0 30 2 * root true\n0 9 1-7 * 1 root true\n"
    for problem in lint(text, classic=True):
        assert not re.search(r"\bL\b|#", problem.message)


RUNS = [
    ("*/5 * * * * timeout=10m", "overlapping", "take 10 minutes and the next one begins 5 minutes"),
    ("*/5 * * * * timeout=5m", "", ""),
    ("*/5 * * * * timeout=10m overlap=skip", "", ""),
    ("@reboot timeout=1d", "", ""),
    ("* * * * * retry=3,5m", "no-retry", "the first comes 5 minutes after a failure"),
    ("*/5 * * * * retry=3", "", ""),
    ("*/5 * * * * retry=3,5m", "", ""),  # a tenth is drawn: the delay may be 4m30s
    ("* * * * * retry=3,5m retry-until=1h", "", ""),
    ("0 9,10 * * * retry=3,2h", "", ""),  # it can after 10:00
    ("@reboot retry=3,5m", "", ""),
    ("@hourly catchup=all overlap=skip", "catch-up-overlap", "may be skipped by overlap=skip"),
    ("@hourly catchup=all overlap=queue", "catch-up-overlap", "may be skipped by overlap=queue"),
    ("@hourly catchup=all overlap=replace", "catch-up-overlap", "ends the one that is made up for"),
    ("@hourly catchup=all", "", ""),
    ("@hourly catchup=latest overlap=skip", "", ""),
]


@pytest.mark.parametrize(("line", "code", "message"), RUNS)
def test_a_field_that_does_not_fit_the_schedule_or_another(
    line: str, code: str, message: str
) -> None:
    found = lint(f"{line} root true\n")
    assert [problem.code for problem in found] == ([code] if code else [])
    assert all(message in problem.message for problem in found)


PERCENTS = [
    "date +%F",
    "tar cf /b/$(date +%F).tar /srv",
    "tar cf /b/`date +%F`.tar /srv",
    'date "+%Y-%m-%d"',
    "date -d yesterday +%F",
    "printf %s x",
    "printf '%s' x",
    "stat -c %a /srv",
    "find /srv -printf %p",
    "git log --format=%H",
    "curl -s -w %{http_code} http://localhost/",
    "curl http://localhost/a%20b",
    "sleep $((RANDOM % 60)) && true",
    "mysql -e \"select 1 where a like '%x'\"",
    "echo ${x%.gz}",
]


@pytest.mark.parametrize("command", PERCENTS)
def test_a_percent_that_was_meant_as_one_is_found_at_its_place(command: str) -> None:
    line = f"@daily root {command}"
    (found,) = [p for p in lint(line + "\n") if p.code == "percent"]
    assert found.column == line.index("%") + 1
    assert r"write \% for a percent sign" in found.message


@pytest.mark.parametrize(
    "command",
    [
        "mail -s x user%text%text",
        "mail -s 'daily news' user@example.com%Hello,%%deadline is 50% done",
        "cat%hello",
        "cat >/dev/null%",
        "wall % Happy New Year!",
        r"date +\%F",
        r"echo \%d % text",
        "case x in a) true;; esac%in",
        r'echo "a \" b" % text',
    ],
)
def test_a_percent_that_begins_the_input_is_left_alone(command: str) -> None:
    assert "percent" not in codes(f"@daily root {command}\n")


def test_an_unescaped_percent_says_where_the_command_is_cut() -> None:
    assert said("@daily root rsync /a/$(date +%F)\n").startswith(
        'the % ends the command after "rsync /a/$(date +", and what follows'
    )


@pytest.mark.parametrize(
    ("command", "open_at_end"),
    [
        *[("", ""), ("echo a", ""), ("echo 'a", "'"), ('echo "a', '"'), ("echo `a", "`")],
        *[("echo $(a", "("), ("echo (a)", ""), ('echo "$(a "b"', "("), ('echo "(a"', "")],
        *[("echo ${a", "{"), ("echo \\'", ""), ("echo '\\'", ""), ("{ a; ", ""), ("echo '\"", "'")],
        *[('echo "it\'s"', ""), ("a) b", "")],
    ],
)
def test_a_command_is_cut_within_what_is_left_open(command: str, open_at_end: str) -> None:
    assert left_open(command) == open_at_end


BUILDS = [
    ("make -j8", "8 commands at once and the run holds 1 slot; write slots=auto and make"),
    ("make -j8", "make without -j8, or slots=8"),
    ("make -j", "starts any number of commands at once"),
    ("cd /src && make -j $(nproc) all", "any number"),
    ("make -j$(nproc)", "any number"),
    ("make --jobs=4", "without --jobs=4"),
    ("make --jobs 4", "without --jobs 4"),
    ("make -C /src -kj4", "4 commands at once"),
    ("nice -n 19 make -j4", "4 commands at once"),
    ("if true; then /usr/bin/gmake -j4; fi", "gmake -j4 starts 4"),
    ("MAKEFLAGS=-j8 make", "make with MAKEFLAGS=-j8 starts 8"),
    ('MAKEFLAGS="-k -j8" make', "starts 8"),
    ('MAKEFLAGS="-j 8" make', "make with MAKEFLAGS=-j 8 starts 8"),
    ("MAKEFLAGS=-j8 make", "write slots=auto and make without MAKEFLAGS=-j8, or slots=8"),
    ("make -j1 -j8", "make -j8 starts 8"),
    ("make -j8 -j1", ""),
    ("MAKEFLAGS=-j8 make -j1", ""),
    ("ninja -j 6", "6 commands at once"),
    ("cargo build -j 4", "cargo -j 4 starts 4"),
    ("make", ""),
    ("make -j1", ""),
    ("make jobs -C /srv", ""),
    ("MAKEFLAGS=-k make", ""),
    ("xargs -P4 make-thing -j4", ""),
    ("echo make -j8", ""),
    ("parallel -j 4 true", ""),
]


@pytest.mark.parametrize(("command", "message"), BUILDS)
def test_a_build_that_starts_more_than_its_slots(command: str, message: str) -> None:
    found = lint(f"@daily root {command}\n")
    assert [problem.code for problem in found] == (["parallel-build"] if message else [])
    assert all(message in problem.message for problem in found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("@daily slots=8 root make -j8", ""),
        ("@daily slots=4 root make -j8", "the run holds 4 slots"),
        ("@daily slots=4 root make -j$(nproc)", ""),
        ("@daily slots=auto root make", ""),
        ("@daily slots=auto root make -j8", "leaves the jobserver of slots=auto; write make"),
        ("@daily slots=auto root cargo build -j8", ""),
        ("@reboot root make -j8", "holds no slots"),
        ("MAKEFLAGS=-j8\n@daily root make", "with MAKEFLAGS=-j8 starts 8"),
    ],
)
def test_the_slots_of_the_run_decide_whether_a_build_is_too_wide(line: str, message: str) -> None:
    found = lint(f"{line}\n")
    assert [message in problem.message for problem in found] == ([True] if message else [])


USERS = [
    ("0 0 12 * * ? root true", "sixth-column", 'the user "?" looks like a sixth time column'),
    ("0 0 12 * * 1-5 root true", "sixth-column", 'the user "1-5"'),
    ("0 0 9 1 * MON-FRI /bin/true", "sixth-column", "there are no seconds and no year"),
    ("0 0 12 * * 2026 root true", "sixth-column", 'the user "2026"'),
    ("0 4 * * * find /srv -delete", "no-user-column", "write the account before the command"),
    ("0 4 * * * cd /srv && true", "no-user-column", 'as in "root cd"'),
    ("0 4 * * * [ ! -d /srv ] && x", "no-user-column", '"[" is taken for the user'),
    ("0 4 * * * rsync rsync://a b", "no-user-column", '"rsync" is taken'),
    ("0 4 * * * node cd /srv", "unknown-account", "an account of that name"),
    ("0 4 * * * backup true", "unknown-account", 'there is no account "backup" on this machine'),
]


@pytest.mark.parametrize(("line", "code", "message"), USERS)
def test_a_word_in_the_place_of_the_user(line: str, code: str, message: str) -> None:
    (found,) = lint(f"{line}\n")
    assert found.code == code
    assert message in found.message or code == "unknown-account"
    words = list(re.finditer(r"\S+", line))
    assert found.column == words[5].start() + 1


@pytest.mark.parametrize(
    ("line", "style", "found"),
    [
        ("@daily retry=3 root true", "system", ["classic-field"]),
        ("@daily retry=3 true", "user", ["classic-field"]),
        ("@daily umask=x true", "user", []),  # a variable
        ("@daily CC=gcc true", "user", []),
    ],
)
def test_a_field_in_a_table_of_cron_has_no_effect(
    line: str, style: Style, found: list[str]
) -> None:
    assert codes(f"{line}\n", style=style, classic=True) == found


def test_in_a_classic_table_an_assignment_may_stand_in_the_place_of_the_user() -> None:
    (found,) = lint("@daily A=b; export A; true\n", classic=True)
    assert found.message.startswith('"A=b;" is taken for the user')


def test_an_account_that_exists_is_left_alone_whatever_its_name() -> None:
    assert codes("0 4 * * * mail true\n0 4 * * * root true\n") == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("0 4 * * * root /bin/true", "user-in-command"),
        ("0 4 * * * www-data true", "user-in-command"),
        ("0 4 * * * mail -s x y", ""),  # a program too
        ("0 4 * * * www-data -s x y", ""),  # an option: it is a program that is not there
        ("0 4 * * * root", ""),
        ("0 4 * * * somebody true", ""),
        ("0 0 12 * * ? /bin/true", "sixth-column"),
        ("0 0 12 * * 1 /bin/true", "sixth-column"),
        ("0 0 12 * * 7z x", ""),
    ],
)
def test_a_user_table_with_a_column_too_many(line: str, code: str) -> None:
    assert codes(f"{line}\n", style="user") == ([code] if code else [])


SETTINGS = [
    ("PATH=$HOME/bin:$PATH", "not-expanded", '"$HOME" is not expanded'),
    ("PATH=~/bin:/bin", "not-expanded", '"~" is not expanded'),
    ("PYTHONPATH=/a:${HOME}/b", "not-expanded", '"${HOME}" is not expanded'),
    ("NOW=$(date)", "not-expanded", "is not run: a setting's value is literal; set NOW in"),
    ("NOW=`date`", "not-expanded", "is not run"),
    ("RUN=$NICE rsync", "", ""),  # a command may evaluate it
    ("PATH=/bin:/usr/bin", "", ""),
    ("MAILTO=root # the boss", "comment-in-value", 'MAILTO is "root # the boss", with the comment'),
    ("COLOR=#fff", "", ""),
    ('TITLE="a # b"', "", ""),
    ("MAILTO=a@example.com;b@example.com", "mail-addresses", "separate them by commas"),
    ("MAILTO=a@example.com b@example.com", "mail-addresses", "no list of addresses"),
    ("MAILTO=a@example.com, b@example.com", "", ""),
    ('MAILFROM="Cron Daemon <cron@example.com>"', "", ""),
    ('MAILTO=""', "", ""),
    ("MAILTO=$LOGNAME", "mail-addresses", '"$LOGNAME" is no address that mail is sent to'),
    ("MAILTO=ann,|/bin/cat", "mail-addresses", '"|/bin/cat" is no address'),
    ("SHELL=/bin/zsh", "missing-shell", 'there is no program "/bin/zsh"'),
    ("SHELL=/bin/sh", "", ""),
    ("HOME=/nowhere", "missing-home", "commands start in / instead"),
    ("HOME=/srv", "", ""),
    ("HOME=$X", "not-expanded", ""),
    ("SHELL=$X", "not-expanded", ""),
]


@pytest.mark.parametrize(("line", "code", "message"), SETTINGS)
def test_a_setting_whose_value_is_not_what_it_seems(line: str, code: str, message: str) -> None:
    found = lint(f"{line}\n@hourly root true\n")
    assert [problem.code for problem in found] == ([code] if code else [])
    assert all(message in problem.message for problem in found)
    assert all((problem.line, problem.column) == (1, 1) for problem in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TZ=UTC\n30 2 * * * root true\n", "write @defaults tz=UTC"),
        ("TZ=UTC\n30 2 * * * root true\n", "their schedules are in Europe/Berlin (line 2)"),
        ("TZ=UTC\n@hourly root true\n", ""),
        ("TZ=UTC\n@reboot root true\n", ""),
        ("TZ=Europe/Berlin\n30 2 * * * root true\n", ""),
        ("CRON_TZ=Asia/Tokyo\nTZ=UTC\n30 2 * * * root true\n", ""),
        ("TZ=UTC\n30 2 * * * tz=Asia/Tokyo root true\n", ""),
        ("30 2 * * * root true\nTZ=UTC\n", ""),
        ("TZ=UTC\nTZ=Europe/Berlin\n30 2 * * * root true\n", ""),
    ],
)
def test_a_zone_for_the_commands_is_not_the_schedules_zone(text: str, message: str) -> None:
    found = lint(text)
    assert [problem.code for problem in found] == (["zone-of-commands"] if message else [])
    assert all(message in problem.message for problem in found)


def test_in_a_classic_table_the_zone_of_schedules_is_cron_tz() -> None:
    assert "write CRON_TZ=UTC" in said("TZ=UTC\n30 2 * * * root true\n", classic=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("@daily root cd / && run-parts /etc/cron.daily", "/etc/crontab:1 runs run-parts /etc/cr"),
        ("@daily root apt-get update", "/etc/crontab:2 runs the same command"),
        ("@daily root apt-get upgrade", ""),
        ("@daily mail apt-get update", ""),
        ("@daily root run-parts /etc/cron.weekly", ""),
    ],
)
def test_what_cron_runs_too_is_found(line: str, message: str) -> None:
    cron = (parse_table(CRONTAB, source="/etc/crontab", classic=True),)
    found = lint(f"{line}\n", cron=cron)
    assert [problem.code for problem in found] == (["runs-elsewhere"] if message else [])
    assert all(message in problem.message for problem in found)


def test_a_table_of_cron_is_not_compared_with_itself() -> None:
    table = parse_table(CRONTAB, source="/etc/crontab", classic=True)
    around = replace(SURROUNDINGS, cron=(table,))
    assert lint_table(table, CRONTAB, around) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@daily root true\n0 0 * * * root true\n", ["repeated"]),
        ("@daily root true\n@daily root true x\n", []),
        ("A=1\n@daily root true\n@daily root true\n", ["repeated"]),
        ("A=1\n@daily root true\nA=2\n@daily root true\n", []),
        ("@daily root true\n@daily tz=UTC root true\n", []),
        ("@daily root true\n@daily mail true\n", []),
        ("@daily root cat%a\n@daily root cat%b\n", []),
        ("@reboot root true\n@reboot root true\n", ["repeated"]),
    ],
)
def test_the_same_entry_twice_in_a_table(text: str, found: list[str]) -> None:
    assert codes(text) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("/usr/bin/gone -x", ["missing-program"]),
        ("A=1 /usr/bin/gone", ["missing-program"]),
        ("/bin/true -x", []),
        ("gone -x", []),
        ("[ -x /usr/bin/gone ] && /usr/bin/gone", []),
        ("/usr/bin/$X/gone", []),
        ('"/usr/bin/gone"', []),
    ],
)
def test_a_program_that_is_not_there(command: str, found: list[str]) -> None:
    assert codes(f"@daily root {command}\n") == found


def test_a_finding_has_its_place_its_code_and_its_severity() -> None:
    text = "\n  0 0 30 2 * name=a retry=1 root true\n0 0 29 2 * root true\n"
    never, leap = lint(text)
    assert (never.severity, never.line, never.column) == ("warning", 2, 7)
    assert (leap.severity, leap.line, leap.column) == ("note", 3, 5)
    assert str(never) == (
        "t:2:7: warning: never fires: February has no day 30; "
        "write L for the last day [never-fires]"
    )


def test_the_command_is_found_behind_fields_options_and_a_byte_order_mark() -> None:
    for before in ("@daily root ", "\ufeff@daily name=date retry=1 root\t", "  @daily root "):
        (found,) = lint(f"{before}date +%F\n")
        assert found.column == len(before.removeprefix("\ufeff")) + len("date +%")


def test_a_carriage_return_does_not_hide_the_command() -> None:
    assert codes("@daily root date +%F\r\n") == ["percent"]
    assert codes("@daily root date +%F\r\n", classic=True) == ["percent"]


def test_codes_are_words_with_hyphens_and_each_is_used_once() -> None:
    both = [*ENTRY_LINTS, *SETTING_LINTS]
    assert len(both) == len(set(both))
    assert all(re.fullmatch(r"[a-z]+(?:-[a-z]+)*", code) for code in both)


@pytest.mark.parametrize(
    "line",
    [
        *("*/" + "0" * 9000 + "45 * * * * root true", "@daily root make -j" + "9" * 9000),
        *("@daily root MAKEFLAGS=-j" + "9" * 9000 + " make", "@daily root " + "make " * 9000),
        *("@daily root " + "'\"`(" * 9000 + "%", "@daily root " + "date " * 9000 + "x%y"),
        *("MAILTO=" + "a" * 90000, "PATH=" + "${a" * 30000, "A=" + "$(" * 40000),
        *("@daily root " + "run-parts " * 9000, "@daily root run-parts" + " -a" * 30000),
        "@daily " + "1" * 90000 + "x y",
    ],
    ids=range(12),
)
def test_long_text_is_read_once(line: str) -> None:
    """A quadratic search would take minutes here."""
    for style in STYLES:
        lint_table(parse_table(f"{line}\n", source="t", style=style), f"{line}\n", SURROUNDINGS)


TEXT = st.text(
    st.sampled_from("make -j8%\\'\"`$({})=+/a#\t\r;|&\x1b\udc80"), min_size=1, max_size=30
)
ENTRIES = st.tuples(
    st.sampled_from(["@daily", "* 3 * * *", "*/9 */9 */9 * 1-5", "0 0 30 2 *", "@reboot"]),
    st.sampled_from(["root", "1", "find", "?", "\xe9", "[", "retry=3", "MAKEFLAGS=-j\x07"]),
    TEXT,
)
NAMES = st.sampled_from(["TZ", "PATH", "\x1b", "MAKEFLAGS", "MAILTO", "SHELL", "HOME", "CRON_TZ"])
SETTINGS_OF_ANY_KIND = st.tuples(NAMES, st.just("="), TEXT)
LINES = st.lists((ENTRIES | SETTINGS_OF_ANY_KIND).map("\t".join), max_size=6).map("\n".join)


@given(LINES)
def test_no_line_makes_a_lint_fail_or_say_what_a_terminal_would_obey(text: str) -> None:
    for classic in (True, False):
        for style in STYLES:
            table = parse_table(text, source="t", style=style, classic=classic)
            for problem in lint_table(table, text, SURROUNDINGS):
                line = text.split("\n")[problem.line - 1]
                assert 1 <= problem.column <= len(line) + 1
                assert problem.message.isprintable()


@pytest.mark.parametrize(
    ("field", "code", "message"),
    [
        ("slots=17", "too-many-slots", "it wants 17 slots, and a daemon here has 16"),
        ("slots=17", "too-many-slots", "write slots=16 or less"),
        ("memory=64", "too-little-memory", "within 64 bytes; write memory=64M"),
        ("memory=1", "too-little-memory", "within 1 byte; write memory=1M"),
        ("memory=512K", "too-little-memory", "write memory=512M"),
        ("slots=16", "", ""),
        ("slots=auto:17", "", ""),
        ("memory=1M", "", ""),
        ("memory=1024K", "", ""),
    ],
)
def test_a_limit_that_leaves_nothing_to_run_with(field: str, code: str, message: str) -> None:
    around = replace(SURROUNDINGS, slots=16)
    for text, column in (
        (f"@daily ok=0 {field} root true\n", 13),
        (f"@defaults {field}\n@daily root true\n", 1),
    ):
        found = lint_table(parse_table(text, source="t"), text, around)
        assert [problem.code for problem in found] == ([code] if code else [])
        assert all(message in problem.message and problem.column == column for problem in found)


def test_slots_are_not_judged_where_the_pool_is_not_known() -> None:
    assert codes("@daily slots=65536 root true\n") == []
