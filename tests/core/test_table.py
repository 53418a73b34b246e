"""The text of a table -> entries, settings, and every problem with its place."""

from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.entry import Entry, Problem, Style, Table, label_entries
from cronjob.core.fields import Tell
from cronjob.core.schedule import Schedule
from cronjob.core.table import LONGEST_LINE, parse_table
from cronjob.errors import ScheduleError

JOB = "0 0 * * * root x\n"


def read(
    text: str | bytes, style: Style = "system", *, classic: bool = False, host: str = ""
) -> Table:
    return parse_table(text, source="t", style=style, classic=classic, host=host)


def problems(text: str | bytes, style: Style = "system", *, classic: bool = False) -> list[str]:
    return [str(problem) for problem in read(text, style, classic=classic).problems]


def commands(text: str | bytes, style: Style = "system", *, classic: bool = False) -> list[str]:
    return [entry.command for entry in read(text, style, classic=classic).entries]


def names(text: str) -> list[str]:
    return [entry.name for entry in read(text).entries]


# --- entries and settings -----------------------------------------------------------------------


def test_an_entry_carries_all_that_its_line_says() -> None:
    (entry,) = read("A=b\n\n# c\n 30\t2 * * 1-5   root \t cmd  a %in%put \n").entries
    assert entry == Entry(
        name=entry.name,
        schedule=Schedule.parse("30 2 * * 1-5", zone="UTC"),
        user="root",
        command="cmd  a ",
        stdin="in\nput \n",
        fields=entry.fields,
        environment=MappingProxyType({"A": "b"}),
        source="t",
        line=4,
    )
    assert entry.place == "t:4"


def test_settings_hold_for_the_entries_below_them() -> None:
    table = read("A=1\n" + JOB + "A=2\nB=3\n" + JOB + 'A=""\n' + JOB)
    assert [dict(entry.environment) for entry in table.entries] == [
        {"A": "1"},
        {"A": "2", "B": "3"},
        {"A": "", "B": "3"},
    ]
    assert [(each.name, each.value, each.line) for each in table.settings] == [
        ("A", "1", 1),
        ("A", "2", 3),
        ("B", "3", 4),
        ("A", "", 6),
    ]


def test_an_environment_is_a_mapping_of_what_stood_above() -> None:
    one, other = read("A=1\nB=2\n" + JOB + "A=3\n" + JOB).entries
    assert one.environment == {"A": "1", "B": "2"}
    assert (list(other.environment), len(other.environment)) == (["A", "B"], 2)
    assert (other.environment["A"], other.environment.get("C")) == ("3", None)
    assert one.environment != other.environment
    assert one.environment != object()


def test_half_of_a_surrogate_pair_is_an_error_of_its_line() -> None:
    assert problems("0 0 * * * root x\ud800\n" + JOB) == [
        "t:1:17: half of a surrogate pair; a line is text"
    ]


def test_the_environment_of_an_entry_cannot_be_changed() -> None:
    (entry,) = read("A=1\n" + JOB).entries
    with pytest.raises(TypeError):
        entry.environment["A"] = "2"  # type: ignore[index] # that is the claim


def test_slots_default_to_one_and_to_none_at_boot() -> None:
    table = read(JOB + "@reboot root x\n@reboot slots=2 root y\n0 0 * * * slots=0 root x\n")
    assert [entry.slots for entry in table.entries] == [1, 0, 2, 0]


def test_the_zone_of_the_table_is_that_of_its_entries() -> None:
    table = parse_table(JOB, source="t", zone="Asia/Tokyo")
    assert table.entries[0].schedule == Schedule.parse("0 0 * * *", zone="Asia/Tokyo")
    with pytest.raises(ScheduleError, match=r"^unknown time zone "):
        parse_table(JOB, source="t", zone="Mars")


# --- problems -----------------------------------------------------------------------------------

EXPECTED = "expected five time columns (or an @name) and then a user and a command"


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("61 * * * * root x", 't:2:1: minute "61" is out of range 0-59'),
        ("  0\t0 1,2,32 * * root x", 't:2:11: day of month "32" is out of range 1-31'),
        ("* * * *", f"t:2:1: {EXPECTED}; found only 4 words"),
        ("x", f"t:2:1: {EXPECTED}; found only 1 words"),
        ("* * * * *", f"t:2:10: {EXPECTED}; there is no user"),
        ("* * * * * root", f"t:2:15: {EXPECTED}; there is no command"),
        ("* * * * * root %x", f"t:2:16: {EXPECTED}; there is no command"),
        ("@daily", f"t:2:7: {EXPECTED}; there is no user"),
        ("@Daily root x", 't:2:1: "@Daily" is not a known name; allowed are @yearly, @annually, '
         "@monthly, @weekly, @daily, @midnight, @hourly, @reboot"),
        ("* * * * * * root x", 't:2:11: "*" cannot be the name of an account; '
         "is there one time column too many?"),
        ("* * * * * root -q x", 't:2:16: the command "-q x" begins with -, '
         "cronie's mark of an option; -n before a command is the only one"),
        ("* * * * * /bin/x y", 't:2:11: "/bin/x" cannot be the name of an account; '
         "this table has a user column before the command"),
        ("* * * * * a:b y", 't:2:11: "a:b" cannot be the name of an account'),
        ("* * * * * /bin/x -y", 't:2:11: "/bin/x" cannot be the name of an account; '
         "this table has a user column before the command"),
        ("* * * * * #a y", 't:2:11: "#a" cannot be the name of an account'),
        ("* * * * * -a y", 't:2:11: "-a" cannot be the name of an account'),
        ("=x", "t:2:1: an environment line without a name; allowed is NAME=value"),
        ("* * * * * root a\0b", "t:2:17: a NUL byte; a line is text"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_its_place_and_the_others_live(
    line: str, expected: str, classic: bool
) -> None:
    text = f"* * * * * root before\n{line}\n* * * * * root after\n"
    assert problems(text, classic=classic) == [expected]
    assert commands(text, classic=classic) == ["before", "after"]


def test_every_bad_column_of_a_line_is_named() -> None:
    assert [problem.column for problem in read("60 24 0 13 8 root x\n").problems] == [
        *(1, 4, 7, 9, 12)
    ]


@pytest.mark.parametrize("length", [256, 257])
def test_a_user_has_at_most_256_bytes(length: int) -> None:
    line = f"0 0 * * * {'ä' * (length // 2)}{'a' * (length % 2)} x\n"
    assert len(read(line).entries) == (1 if length == 256 else 0)


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("LOGNAME=me", "t:1:1: warning: LOGNAME cannot be set: commands always see their "
         "account's name"),
        ("USER=me", "t:1:1: warning: USER cannot be set: commands always see their account's name"),
        ("@daily=x", 't:1:1: warning: sets a variable that is called "@daily"'),
        ('"A B"=c', 't:1:1: warning: the variable\'s name "A B" has blanks in it'),
        ("*/60 * * * * root x", 't:1:1: warning: minute "*/60": the step is larger than the range, '
         "so only 0 matches"),
        ("* * * * * root # x", "t:1:16: warning: the command is only a comment to the shell"),
        ("* * * * * root *x", "t:1:16: warning: the command begins with *, which the shell "
         "replaces with the names of files"),
    ],
)  # fmt: skip
def test_what_is_allowed_but_odd_is_a_warning(line: str, warning: str) -> None:
    table = read(line + "\n")
    assert [str(problem) for problem in table.problems] == [warning]
    assert len(table.entries) + len(table.settings) == 1
    assert table.errors == ()


def test_a_problem_shows_no_control_character() -> None:
    problem = Problem("error", 1, 1, "m", "a\x1b[31m\nb")
    assert str(problem) == r"a\x1b[31m\nb:1:1: m"
    assert problems("\x1b[2J * * * * root x\n")[0].isprintable()


# --- bytes --------------------------------------------------------------------------------------


def test_bytes_that_are_not_utf_8_reach_the_command_unchanged() -> None:
    (command,) = commands(b"0 0 * * * root echo \xe4\xff\n")
    assert command.encode("utf-8", "surrogateescape") == b"echo \xe4\xff"


def test_columns_count_characters() -> None:
    assert problems("0 0 * * * root ä\0\n") == ["t:1:17: a NUL byte; a line is text"]


def test_a_byte_order_mark_is_dropped_with_a_warning_but_not_in_classic_tables() -> None:
    text = b"\xef\xbb\xbf" + JOB.encode()
    assert problems(text) == ["t:1:1: warning: a byte order mark begins the file; it is ignored"]
    assert commands(text) == ["x"]
    assert commands(text, classic=True) == []


def test_carriage_returns_are_dropped_with_one_warning_per_file() -> None:
    text = "A=b\r\n\r\n# c\r\n0 0 * * * root x\r\n"
    table = read(text)
    assert [str(problem) for problem in table.problems] == [
        "t:1:4: warning: a carriage return ends the line; it is ignored, in this file"
    ]
    assert (table.settings[0].value, table.entries[0].command) == ("b", "x")


def test_classic_tables_keep_carriage_returns_as_cron_does_and_warn() -> None:
    text = '# c\r\nA="b"\r\n0 0 * * * root x\r\n'
    table = read(text, classic=True)
    kept = "warning: a carriage return ends the line; cron keeps it in the text"
    assert [str(problem) for problem in table.problems] == [f"t:2:6: {kept}", f"t:3:17: {kept}"]
    assert (table.settings[0].value, table.entries[0].command) == ("b", "x\r")


@pytest.mark.parametrize("classic", [False, True])
def test_a_line_of_only_a_carriage_return_is_an_error(classic: bool) -> None:
    table = read(JOB + "\r\n" + JOB, classic=classic)
    assert [(problem.severity, problem.line) for problem in table.problems] == [("error", 2)]
    assert len(table.entries) == 2


@pytest.mark.parametrize("classic", [False, True])
def test_a_missing_last_newline_is_a_warning_and_the_line_counts(classic: bool) -> None:
    text = "0 0 * * * root x"
    assert problems(text, classic=classic) == [
        "t:1:17: warning: no newline at the end of the file; cron ignores such a line"
    ]
    assert commands(text, classic=classic) == ["x"]


@pytest.mark.parametrize(
    "text", ["", "\n", "   ", "\t\n  \n", "# only\n  # comments\n", "#\0\n", "\n #"]
)
def test_a_table_of_nothing_is_a_good_table(text: str) -> None:
    assert read(text) == Table("t")


# --- caps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("too_long", [False, True])
def test_a_line_has_at_most_128_kib(too_long: bool) -> None:
    line = "0 0 * * * root ".ljust(LONGEST_LINE + too_long, "x")
    expected = ["t:1:1: the line has 131073 bytes; 131072 are allowed"] if too_long else []
    assert LONGEST_LINE == 128 * 1024
    assert problems(line + "\n") == expected
    assert len(commands(line + "\n" + JOB)) == 2 - too_long


def test_the_length_of_a_line_is_counted_in_bytes() -> None:
    line = "0 0 * * * root " + "ä" * 65_529
    assert len(line.encode()) == LONGEST_LINE + 1
    assert problems(line) == problems(line.encode())
    assert problems(line)[-1] == "t:1:1: the line has 131073 bytes; 131072 are allowed"
    raw = b"0 0 * * * root " + b"\xe4" * 131_057
    assert problems(raw + b"\n") == []


@pytest.mark.parametrize(
    ("text", "style", "line", "message"),
    [
        ("#" * 1024**2 + "\n", "user", 1, "the table has 1048577 bytes; 1048576 are allowed"),
        ("ä" * 524_289, "user", 1, "the table has 1048578 bytes; 1048576 are allowed"),
        (b"\xe4" * 1_048_577, "user", 1, "the table has 1048577 bytes; 1048576 are allowed"),
        ("0 0 * * * x\n" * 10_001, "user", 10_001, "the table has more than 10000 entries"),
        (b"\0" * (64 * 1024**2 + 1), "system", 1,
         "the table has 67108865 bytes; 67108864 are allowed"),
        ("\n" * 1_000_001, "system", 1, "the table has 1000001 lines; 1000000 are allowed"),
        ("\n" * 1_000_000 + JOB, "system", 1, "the table has 1000001 lines; 1000000 are allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)  # fmt: skip
def test_a_table_past_a_cap_is_rejected_with_one_error(
    text: str | bytes, style: Style, line: int, message: str
) -> None:
    problem = Problem("error", line, 1, message, "t")
    table = read(text, style)
    assert (table.entries, table.settings, table.problems) == ((), (), (problem,))
    assert table.rejected


@pytest.mark.parametrize(
    ("text", "style", "entries"),
    [
        ("0 0 * * * x\n" * 10_000, "user", 10_000),
        (JOB * 10_001, "system", 10_001),
        (JOB + ("#" * 1023 + "\n") * 1023 + "\n" * (1024 - len(JOB)), "user", 1),
        (JOB + "\n" * 999_999, "system", 1),
    ],
    ids=["entries", "no cap of entries", "size", "lines"],
)
def test_a_table_at_its_caps_is_read(text: str, style: Style, entries: int) -> None:
    table = read(text, style)
    assert (len(table.entries), table.rejected, table.errors) == (entries, False, ())


def test_problems_beyond_10_000_are_counted_out_and_the_good_lines_live() -> None:
    table = read("x\n" * 10_001 + JOB)
    assert len(table.problems) == 10_001
    assert str(table.problems[-1]) == (
        "t:10001:1: more than 10000 problems; this one and later ones are not listed"
    )
    assert len(table.entries) == 1


# --- owners -------------------------------------------------------------------------------------


def test_the_entries_of_a_user_table_run_as_its_owner() -> None:
    text = "0 0 * * * root x\n"
    for owner in ("alice", None):
        (found,) = parse_table(text, source="t", style="user", owner=owner).entries
        assert (found.user, found.command) == (owner, "root x")
    (found,) = parse_table(text, source="t", owner="alice").entries
    assert (found.user, found.command) == ("root", "x")


def test_two_owners_of_one_line_have_names_and_draws_of_their_own() -> None:
    text = "H H H * * x\n"
    one, other = (
        parse_table(text, source="t", style="user", owner=owner).entries[0]
        for owner in ("alice", "bob")
    )
    assert one.name != other.name
    assert one.schedule.canonical != other.schedule.canonical


# --- what is cronie's ---------------------------------------------------------------------------

UNLOGGED = 't:1:{}: warning: "-" asks cron not to log the starts; here they are logged'


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("-*/15 * * * * root x", "*/15 * * * * root x"),
        ("  -0 0 * * * root x", "0 0 * * * root x"),
        ("-1 0 * * * root x", "1 0 * * * root x"),
        ("-@daily root x", "@daily root x"),
    ],
)
def test_cronies_mark_of_an_unlogged_entry_is_a_warning(
    line: str, same: str, classic: bool
) -> None:
    (found,) = read(line + "\n", classic=classic).entries
    (expected,) = read(same + "\n", classic=classic).entries
    assert found == expected
    place = line.index("-") + 1
    assert problems(line + "\n", classic=classic) == [UNLOGGED.format(place)]


@pytest.mark.parametrize("classic", [False, True])
def test_the_mark_is_for_system_tables_and_those_of_root(classic: bool) -> None:
    text = "-0 0 * * * x\n"
    assert commands(text, "user", classic=classic) == []
    for owner, count in (("root", 1), ("alice", 0)):
        table = parse_table(text, source="t", style="user", owner=owner, classic=classic)
        assert len(table.entries) == count


@pytest.mark.parametrize("line", ["- 0 0 * * * root x", "-", "--0 0 * * * root x", "-\t@daily r x"])
def test_the_mark_stands_right_before_the_entry(line: str) -> None:
    assert read(line + "\n").entries == ()


@pytest.mark.parametrize(
    ("line", "style", "classic", "mail"),
    [
        ("0 0 * * * root -n x", "system", False, Tell.FAILURE),
        ("0 0 * * * root -n x", "system", True, Tell.FAILURE),
        ("0 0 * * * root -n \t x", "system", True, Tell.FAILURE),
        ("0 0 * * * -n x", "user", False, Tell.FAILURE),
        ("0 0 * * * -n x", "user", True, Tell.FAILURE),
        ("0 0 * * * timeout=1h -n x", "user", False, Tell.FAILURE),
        ("0 0 * * * -- -n x", "user", False, Tell.FAILURE),
        ("@daily mail=always root -n x", "system", False, Tell.ALWAYS),
        ("@daily mail=none root -n x", "system", False, None),
        ("@daily root x", "system", False, None),
    ],
)
def test_cronies_option_n_is_mail_on_failure_unless_the_line_says_otherwise(
    line: str, style: Style, classic: bool, mail: Tell | None
) -> None:
    table = read(line + "\n", style, classic=classic)
    assert [(each.command, each.fields.mail) for each in table.entries] == [("x", mail)]
    assert table.errors == ()


def test_option_n_wins_over_a_default() -> None:
    (found,) = read("@defaults mail=never\n0 0 * * * root -n x\n").entries
    assert found.fields.mail is Tell.FAILURE


@pytest.mark.parametrize(
    "rest", ["-n", "-n ", "-nx x", "-N x", "-n -q x", "-n -n x", "-n %x", "-q x"]
)
def test_other_options_and_an_option_without_a_command_are_errors(rest: str) -> None:
    for line, style in ((f"0 0 * * * root {rest}\n", "system"), (f"0 0 * * * {rest}\n", "user")):
        for classic in (False, True):
            assert commands(line, "system" if style == "system" else "user", classic=classic) == []


def test_variables_of_the_loader_are_accepted_as_by_cron() -> None:
    (found,) = read("LD_PRELOAD=/x.so\n" + JOB).entries
    assert found.environment == {"LD_PRELOAD": "/x.so"}
    assert problems("LD_PRELOAD=/x.so\n") == []


# --- names --------------------------------------------------------------------------------------


def test_a_given_name_is_used() -> None:
    assert names("0 0 * * * name=a root x\n0 0 * * * name=b root x\n") == ["a", "b"]


def test_a_name_given_twice_is_an_error_at_its_second_place() -> None:
    text = "0 0 * * * name=a root x\n0 0 * * * root y\n 1 1 * * * name=a root z\n"
    assert problems(text) == ['t:3:12: the name "a" is already used on line 1']
    assert commands(text) == ["x", "y"]


def test_a_generated_name_says_the_command_and_is_known() -> None:
    # A change here would lose the history of entries that people already run.
    assert names("0 0 * * * root /usr/bin/backup --all\n") == ["backup-b05bf95a6f"]


def test_generated_names_do_not_change_with_the_lines_around_them() -> None:
    before = names("0 0 * * * root x\n")
    assert names("A=b\n# c\n1 1 * * * root y\n 0\t0 * * *  root   x\n")[1:] == before
    assert names("@defaults retry=3 timeout=1h\n0 0 * * * root x\n") == before
    assert names("0 0 * * * jitter=5m root x\n") == before
    assert names("@daily root x\n") == before


@pytest.mark.parametrize(
    "line",
    [
        "1 0 * * * root x",
        "*/60 0 * * * root x",
        "0 0 * * * other x",
        "0 0 * * * root x y",
        "0 0 * * * tz=Asia/Tokyo root x",
    ],
)
def test_generated_names_depend_on_schedule_zone_user_and_command(line: str) -> None:
    assert names(line + "\n") != names(JOB)


def test_drawn_columns_do_not_change_the_name_between_hosts() -> None:
    text = "H ~ * * * root x\n"
    one, other = (read(text, host=host).entries[0] for host in ("alpha", "beta"))
    assert one.name == other.name
    assert one.schedule.canonical != other.schedule.canonical


def test_identical_lines_are_numbered() -> None:
    (first, second, third) = names(JOB * 3)
    assert (second, third) == (f"{first}~2", f"{first}~3")


def test_labels_are_unique_among_tables() -> None:
    tables = [
        parse_table("0 0 * * * name=a root x\n" + JOB, source=source) for source in ("t", "u", "v")
    ]
    labels = label_entries(tables)
    assert [label for label in labels if label.startswith("a")] == ["a", "a~2", "a~3"]
    assert list(labels.values()) == [entry for table in tables for entry in table.entries]


# --- jitter -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "jitter", "shortest"),
    [
        ("*/5 * * * *", "299s", None),
        ("*/5 * * * *", "300s", "5 minutes"),
        ("*/7 * * * *", "4m", "4 minutes"),
        ("@daily", "1h", None),
        ("@daily", "24h", "1 day"),
        ("@reboot", "90d", None),
    ],
)
def test_jitter_is_shorter_than_the_shortest_interval(
    columns: str, jitter: str, shortest: str | None
) -> None:
    place = f"t:1:{len(columns) + 2}"
    message = "jitter must be shorter than the shortest interval of the schedule"
    expected = [] if shortest is None else [f"{place}: {message}, {shortest}"]
    assert problems(f"{columns} jitter={jitter} root x\n") == expected


def test_the_start_delay_is_stable_and_shorter_than_the_jitter() -> None:
    text = "".join(f"@daily name=n{number} jitter=10m root x\n" for number in range(50)) + JOB
    delays = [entry.start_delay for entry in read(text, host="alpha").entries]
    assert delays == [entry.start_delay for entry in read(text, host="alpha").entries]
    assert delays.pop() == timedelta()
    assert all(timedelta() <= delay < timedelta(minutes=10) for delay in delays)
    assert len(set(delays)) == 50
    assert max(delays) - min(delays) > timedelta(minutes=7)
    assert delays != [entry.start_delay for entry in read(text, host="beta").entries[:50]]


def test_the_start_delay_does_not_depend_on_the_place_in_the_table() -> None:
    line = "@daily jitter=1h root y\n"
    assert read(line).entries[0].start_delay == read("A=b\n" + JOB + line).entries[1].start_delay


# --- anything -----------------------------------------------------------------------------------

words = st.sampled_from(
    [
        *("*", "*/5", "0", "61", "1-5", "H", "~", "L", "5#3", "mon", "root", "x", "%", "\\%", "--"),
        *("@daily", "@reboot", "@defaults", "@x", "CRON_TZ=UTC", "CRON_TZ=Mars", "tz=Asia/Tokyo"),
        *("retry=3,1m", "name=a", "jitter=5m", "timout=1", "A=b", '"', "'", "=", "#", "\ufeff"),
        *(" ", "\t", "\r", "\n", "\n", "\n", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\udcff", "ä"),
        *("* * * * * root x\n", "0 0 * * * y\n", 'cwd="/a b"', "999999999d", "timeout="),
    ]
)
texts = st.one_of(st.text(), st.lists(words).map(" ".join), st.lists(words).map("".join))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(), texts), st.sampled_from(["system", "user"]), st.booleans()
)  # fmt: skip
def test_anything_is_a_table_and_every_problem_has_a_place(
    text: str | bytes, style: Style, classic: bool
) -> None:
    table = read(text, style, classic=classic)
    newline: str | bytes = b"\n" if isinstance(text, bytes) else "\n"
    lines = text.count(newline) + 1  # type: ignore[arg-type] # both are of one type
    for problem in table.problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert str(problem).isprintable()
    given_names = [entry.name for entry in table.entries]
    assert len(set(given_names)) == len(given_names)
    bad = {problem.line for problem in table.errors}
    assert bad.isdisjoint(entry.line for entry in table.entries)
