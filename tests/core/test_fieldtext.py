"""Fields in the lines of a table: where they are found, and which defaults reach an entry."""

from datetime import timedelta

import pytest

from cronjob.core.entry import Entry, Style, Table
from cronjob.core.fields import FIELDS, CatchUp, ExitCodes, Overlap, Retry, Tell
from cronjob.core.gates import MainsPower
from cronjob.core.table import parse_table
from cronjob.core.zone import zone_name

ALL_FIELDS = ", ".join(FIELDS)


def read(text: str, style: Style = "system", *, classic: bool = False) -> Table:
    return parse_table(text, source="t", style=style, classic=classic)


def entry(text: str, style: Style = "system") -> Entry:
    """The one entry of a table without any problem."""
    table = read(text, style)
    assert (len(table.entries), table.problems) == (1, ())
    return table.entries[0]


def problems(text: str, style: Style = "system", *, classic: bool = False) -> list[str]:
    return [str(problem) for problem in read(text, style, classic=classic).problems]


def zones(text: str, style: Style = "system") -> list[str]:
    """The zone of each entry."""
    return [zone_name(each.schedule.zone) for each in read(text, style).entries]


@pytest.mark.parametrize(
    "fields",
    [
        "name=sync timeout=4m retry=2",
        "retry=2 timeout=4m name=sync",
        "timeout=4m\tname=sync   retry=2",
        'name="sync" timeout="4m" retry=2',
    ],
)
def test_fields_stand_between_the_columns_and_the_user_in_any_order(fields: str) -> None:
    found = entry(f"*/5 * * * * {fields} root rsync -a x=1 y\n")
    assert (found.user, found.command) == ("root", "rsync -a x=1 y")
    assert (found.name, found.fields.timeout) == ("sync", timedelta(minutes=4))
    assert found.fields.retry == Retry(2)
    assert dict(found.fields.written) == {"name": "sync", "timeout": "4m", "retry": "2"}


def test_fields_follow_an_at_name_too() -> None:
    found = entry("@daily retry=5,1m root x\n")
    assert found.fields.retry == Retry(5, timedelta(minutes=1))


def test_a_quoted_value_may_have_blanks() -> None:
    found = read('0 0 * * * cwd="/srv/a b" root x\n')
    assert found.entries[0].fields.written == (("cwd", "/srv/a b"),)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0 * * * timout=4m root x", 't:1:11: unknown field "timout"; did you mean timeout?'),
        ("0 0 * * * name=a zzz=1 root x", f't:1:18: unknown field "zzz"; allowed are {ALL_FIELDS}'),
        ("0 0 * * * TIMEOUT=4m root x", 't:1:11: unknown field "TIMEOUT"; did you mean timeout?'),
        ("0 0 * * * retry=1 retry=2 root x", "t:1:19: the field retry is given twice"),
        ("0 0 * * * tz=UTC TZ=UTC root x", "t:1:18: the field tz is given twice"),
        ("0 0 * * * retry=none retry=2 root x", "t:1:22: the field retry is given twice"),
        ("0 0 * * * grace=x root x", 't:1:11: grace "x" is not understood; '
         "allowed is a duration like 90s, 5m, 1h30m, 2d or PT5M"),
        ("0 0 * * * grace= root x", 't:1:11: grace "" is not understood; '
         "allowed is a duration like 90s, 5m, 1h30m, 2d or PT5M"),
        ("0 0 * * * TZ=Mars root x", 't:1:11: tz "Mars" is not understood; '
         "allowed is an IANA time zone like Europe/Paris"),
    ],
)  # fmt: skip
def test_a_bad_field_costs_its_line_and_is_named(line: str, expected: str) -> None:
    assert problems(line + "\n") == [expected]
    assert read(line + "\n").entries == ()


def test_a_line_has_at_most_64_fields_and_the_command_is_found_behind_them() -> None:
    fields = " ".join(f"k{number}=1" for number in range(100))
    table = read(f"0 0 * * * {fields} root x\n")
    assert len(table.problems) == 65
    assert str(table.problems[-1]) == "t:1:385: more than 64 fields; the rest is not read"


def test_the_value_none_is_good_for_every_field() -> None:
    for name in FIELDS:
        found = entry(f"0 0 * * * {name}=none root x\n")
        if FIELDS[name].none is None:
            assert found.fields == entry("0 0 * * * root x\n").fields
        else:  # it undoes what holds for all entries, too
            assert getattr(found.fields, name.replace("-", "_")) == FIELDS[name].none


def test_every_field_reaches_the_record_of_its_entry() -> None:
    text = (
        "overlap=queue catchup=all catchup-within=1d deadline=5m when=ac ok=0,3 mail=never "
        "log=failure on-failure=a on-success=b on-give-up=c nice=5 umask=027 "
        "cwd=/srv memory=1G cpu=150% open-files=64"
    )
    (found,) = read(f"0 0 * * * {text} root x\n").entries
    fields = found.fields
    assert (fields.overlap, fields.catchup) == (Overlap.QUEUE, CatchUp.ALL)
    assert (fields.catchup_within, fields.deadline) == (timedelta(days=1), timedelta(minutes=5))
    assert (fields.when, fields.ok) == ((MainsPower(),), ExitCodes(((0, 0), (3, 3))))
    assert (fields.mail, fields.log) == (Tell.NEVER, Tell.FAILURE)
    assert (fields.on_failure, fields.on_success, fields.on_give_up) == ("a", "b", "c")
    assert (fields.nice, fields.umask, fields.cwd) == (5, 0o27, "/srv")
    assert (fields.memory, fields.cpu, fields.open_files) == (1024**3, 150, 64)
    assert dict(fields.written) == dict(word.split("=") for word in text.split())


def test_equal_fields_share_a_record_and_a_name_is_ones_own() -> None:
    text = "0 0 * * * retry=1 timeout=1m root x\n0 1 * * * name=y retry=1 timeout=1m root y\n"
    one, named, other = read(text + "1 1 * * * retry=1 timeout=1m root z\n").entries
    assert one.fields is other.fields
    assert (one.fields.name, named.fields.name) == (None, "y")
    assert named.fields.retry is one.fields.retry
    assert dict(named.fields.written) == {"name": "y", "retry": "1", "timeout": "1m"}


def test_all_bad_fields_of_a_line_are_named() -> None:
    found = problems("61 0 * * * timout=4m retry=x name=a name=b root x\n")
    assert [problem.split(":")[2] for problem in found] == ["1", "12", "22", "37"]


def test_what_is_allowed_is_told_with_what_was_found() -> None:
    assert problems("0 0 * * * overlap=x root x\n") == [
        't:1:11: overlap "x" is not understood; allowed is one of allow, skip, queue, replace'
    ]


# --- @defaults ----------------------------------------------------------------------------------


def test_defaults_hold_for_the_entries_below_them() -> None:
    table = read(
        "0 0 * * * root a\n"
        "@defaults retry=3 timeout=4m\n"
        "0 0 * * * root b\n"
        "@defaults retry=1\n"
        "0 0 * * * root c\n"
        "0 0 * * * retry=7 root d\n"
    )
    assert [(each.fields.retry.limit, each.fields.timeout) for each in table.entries] == [
        (0, None),
        (3, timedelta(minutes=4)),
        (1, timedelta(minutes=4)),
        (7, timedelta(minutes=4)),
    ]
    assert table.problems == ()


def test_none_undoes_a_default() -> None:
    table = read(
        "@defaults retry=3 timeout=4m tz=Europe/Paris\n"
        "0 0 * * * retry=none tz=none root a\n"
        "@defaults timeout=none\n"
        "0 0 * * * root b\n"
    )
    one, other = table.entries
    assert (one.fields.retry.limit, one.fields.timeout) == (0, timedelta(minutes=4))
    assert zone_name(one.schedule.zone) == "UTC"
    assert (other.fields.retry.limit, other.fields.timeout) == (3, None)
    assert dict(one.fields.written) == {"timeout": "4m"}


@pytest.mark.parametrize("style", ["system", "user"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@defaults retry=1 root", 't:1:19: @defaults takes field=value only; found "root"'),
        ("@defaults name=x", "t:1:11: @defaults cannot give a name: names are one entry's own"),
        ("@defaults timout=1m", 't:1:11: unknown field "timout"; did you mean timeout?'),
        ("@defaults retry=1 retry=2", "t:1:19: the field retry is given twice"),
    ],
)
def test_a_bad_default_is_an_error(line: str, expected: str, style: Style) -> None:
    assert problems(line + "\n", style) == [expected]


def test_a_name_in_the_defaults_reaches_no_entry() -> None:
    names = [each.name for each in read("@defaults name=x\n0 0 * * * root a\n").entries]
    assert names != ["x"]
    assert len(names) == 1


# --- zones --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "field", "zone"),
    [
        ("", "", "UTC"),
        ("", "tz=Europe/Paris", "Europe/Paris"),
        ("", "TZ=Europe/Paris", "Europe/Paris"),
        ("@defaults tz=Asia/Tokyo\n", "", "Asia/Tokyo"),
        ("@defaults TZ=Asia/Tokyo\n", "", "Asia/Tokyo"),
        ("@defaults tz=Asia/Tokyo\n", "tz=Europe/Paris", "Europe/Paris"),
        ("@defaults tz=Asia/Tokyo\n@defaults tz=none\n", "", "UTC"),
        ("CRON_TZ=Asia/Tokyo\n", "", "Asia/Tokyo"),
        ('CRON_TZ="Asia/Tokyo"\n', "", "Asia/Tokyo"),
        ("CRON_TZ=Asia/Tokyo\n", "tz=Europe/Paris", "Europe/Paris"),
        ("CRON_TZ=Asia/Tokyo\nCRON_TZ=\n", "", "UTC"),
        ("@defaults tz=Asia/Tokyo\nCRON_TZ=Europe/Oslo\n", "", "Europe/Oslo"),
        ("CRON_TZ=Europe/Oslo\n@defaults tz=Asia/Tokyo\n", "", "Asia/Tokyo"),
        ("CRON_TZ=Europe/Oslo\n@defaults retry=1\n", "", "Europe/Oslo"),
        ("CRON_TZ=Europe/Oslo\n@defaults tz=none\n", "", "UTC"),
        ("CRON_TZ=Europe/Oslo\n@defaults tz=Asia/Tokyo\n", "tz=none", "UTC"),
        ("TZ=Asia/Tokyo\n", "", "UTC"),
        ("@defaults tz=Asia/Tokyo\nTZ=Europe/Oslo\n", "", "Asia/Tokyo"),
    ],
)
def test_the_nearest_zone_above_is_that_of_the_entry(above: str, field: str, zone: str) -> None:
    assert zones(f"{above}0 0 * * * {field} root x\n") == [zone]


def test_a_zone_line_holds_for_the_entries_below_it_only() -> None:
    text = "0 0 * * * root a\nCRON_TZ=Asia/Tokyo\n0 0 * * * root b\n"
    assert zones(text) == ["UTC", "Asia/Tokyo"]


def test_a_tz_line_is_only_a_variable_of_the_command() -> None:
    found = entry("TZ=Asia/Tokyo\n0 0 * * * root x\n")
    assert (found.environment["TZ"], found.fields.tz) == ("Asia/Tokyo", None)


def test_a_tz_field_is_no_variable() -> None:
    assert "TZ" not in entry("0 0 * * * tz=Asia/Tokyo root x\n").environment


def test_an_unknown_cron_tz_stops_the_entries_that_depend_on_it() -> None:
    text = (
        "0 0 * * * root above\n"
        "CRON_TZ=Mars/Olympus\n"
        "0 0 * * * root below\n"
        "  @daily root below\n"
        "0 0 * * * tz=UTC root own\n"
        "CRON_TZ=UTC\n"
        "0 0 * * * root later\n"
    )
    assert problems(text) == [
        't:2:9: CRON_TZ: unknown time zone "Mars/Olympus"; allowed are names like Europe/Paris',
        "t:3:1: not run: CRON_TZ on line 2 names an unknown time zone",
        "t:4:3: not run: CRON_TZ on line 2 names an unknown time zone",
    ]
    assert [each.command for each in read(text).entries] == ["above", "own", "later"]


def test_a_default_zone_below_an_unknown_cron_tz_lifts_it() -> None:
    assert zones("CRON_TZ=Mars\n@defaults tz=Asia/Tokyo\n0 0 * * * root x\n") == ["Asia/Tokyo"]


# --- tables without a user column ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "command", "written"),
    [
        ("timeout=4m backup", "backup", {"timeout": "4m"}),
        ("timeout=4m retry=2 backup", "backup", {"timeout": "4m", "retry": "2"}),
        ("htmldir=$(pwd) make", "htmldir=$(pwd) make", {}),
        ("PATH=/bin backup", "PATH=/bin backup", {}),
        ("TZ=Asia/Tokyo backup", "TZ=Asia/Tokyo backup", {}),
        ("timeout=4m PATH=/bin backup", "PATH=/bin backup", {"timeout": "4m"}),
        ("PATH=/bin timeout=4m backup", "PATH=/bin timeout=4m backup", {}),
        ("timeout=4m -- retry=2 backup", "retry=2 backup", {"timeout": "4m"}),
        ("-- timeout=4m backup", "timeout=4m backup", {}),
        ("retry=none backup", "backup", {}),
        ("backup timeout=4m", "backup timeout=4m", {}),
    ],
)
def test_only_a_known_field_with_a_good_value_is_one_without_a_user_column(
    rest: str, command: str, written: dict[str, str]
) -> None:
    found = entry(f"0 0 * * * {rest}\n", "user")
    assert (found.command, dict(found.fields.written), found.user) == (command, written, None)


@pytest.mark.parametrize(
    ("rest", "warning"),
    [
        ("timout=4m backup", '"timout=" begins the command; is the field timeout= meant?'),
        ("timeout=soon backup", 'timeout "soon" is not understood; allowed is a duration like 90s, '
         "5m, 1h30m, 2d or PT5M; so it begins the command"),
        ("name=$(hostname) backup", 'name "$(hostname)" is not understood; allowed is letters, '
         "digits, . _ -, at most 64, beginning with none of . -; so it begins the command"),
    ],
)  # fmt: skip
def test_what_is_nearly_a_field_begins_the_command_with_a_warning(rest: str, warning: str) -> None:
    table = read(f"0 0 * * * {rest}\n", "user")
    assert [str(problem) for problem in table.problems] == [f"t:1:11: warning: {warning}"]
    assert [each.command for each in table.entries] == [rest]


def test_the_defaults_of_a_user_table_are_read_as_strictly_as_those_of_the_system() -> None:
    assert zones("@defaults TZ=Asia/Tokyo\n0 0 * * * x\n", "user") == ["Asia/Tokyo"]
    assert problems("@defaults htmldir=$(pwd)\n", "user") == [
        f't:1:11: unknown field "htmldir"; allowed are {ALL_FIELDS}'
    ]


@pytest.mark.parametrize("rest", ["--verbose", "-- -x", "--"])
def test_two_dashes_end_the_fields_only_as_a_word_before_a_command(rest: str) -> None:
    assert read(f"0 0 * * * {rest}\n", "user").entries == ()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("priority=1", "t:1:11: priority above 0 is not allowed in a user table"),
        ("slots=0", "t:1:11: slots=0 is not allowed in a user table"),
    ],
)
def test_a_user_table_may_not_push_itself_forward(field: str, expected: str) -> None:
    assert problems(f"0 0 * * * {field} x\n", "user") == [expected]
    # As a default it is an error once, and the entries below do without it.
    assert problems(f"@defaults {field}\n0 0 * * * x\n", "user") == [expected]
    (found,) = read(f"@defaults {field}\n0 0 * * * x\n", "user").entries
    assert (found.fields.priority, found.slots) == (0, 1)
    assert problems(f"0 0 * * * {field} root x\n") == []


def test_a_user_table_may_step_back() -> None:
    found = entry("0 0 * * * priority=-1 slots=1 x\n", "user")
    assert (found.fields.priority, found.slots) == (-1, 1)


# --- classic tables -----------------------------------------------------------------------------


def test_a_classic_user_table_has_no_fields() -> None:
    (found,) = read("0 0 * * * timeout=4m backup\n", "user", classic=True).entries
    assert (found.command, found.fields.written) == ("timeout=4m backup", ())


def test_in_a_classic_system_table_a_field_is_the_user() -> None:
    (found,) = read("0 0 * * * timeout=4m root backup\n", classic=True).entries
    assert (found.user, found.command, found.fields.written) == ("timeout=4m", "root backup", ())


def test_a_classic_table_has_no_defaults() -> None:
    table = read("@defaults retry=3\n0 0 * * * root x\n", classic=True)
    assert [str(problem) for problem in table.problems] == [
        't:1:1: "@defaults" is not a known name; allowed are @yearly, @annually, @monthly, '
        "@weekly, @daily, @midnight, @hourly, @reboot",
        "t:1:18: expected five time columns (or an @name) and then a user and a command; "
        "there is no command",
    ]
    assert [each.fields.retry.limit for each in table.entries] == [0]


def test_a_classic_table_understands_cron_tz() -> None:
    table = read("CRON_TZ=Asia/Tokyo\n0 0 * * * root x\n", classic=True)
    assert [zone_name(each.schedule.zone) for each in table.entries] == ["Asia/Tokyo"]
