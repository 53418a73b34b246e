"""Every field: the values it takes, what they mean, and what is said of the others."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronjob.core.fields import (
    FIELDS,
    CatchUp,
    ExitCodes,
    FieldError,
    Fields,
    Overlap,
    Retry,
    RetryOn,
    Slots,
    Tell,
    nearest,
    parse_duration,
    parse_field,
)
from cronjob.core.gates import LoadBelow, MainsPower, PressureBelow

SECOND = timedelta(seconds=1)
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", 90 * SECOND),
        ("5m", 5 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("2d", 2 * DAY),
        ("1d2h3m4s", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND),
        ("0s", timedelta()),
        ("007m", 7 * MINUTE),
        ("36500d", 36500 * DAY),
        ("PT5M", 5 * MINUTE),
        ("PT90S", 90 * SECOND),
        ("PT1.5S", seconds(1.5)),
        ("P1D", DAY),
        ("P2W", 14 * DAY),
        ("P1DT2H30M", DAY + 150 * MINUTE),
        ("P2WT1H", 14 * DAY + HOUR),
    ],
)
def test_a_duration_is_units_or_iso_8601(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "m", "1.5h", "-5m", "+5m", " 5m", "5m ", "5 m", "5M", "5w", "٣s", "5ms"),
        *("P1M", "P1Y", "P1Y2D", "P", "PT", "P1DT", "PT1S5M", "P1D1W", "pt5m", "PT1,5S"),
        *("PT1.5.5S", "PT.S", "P-1D", "36501d", "P36501D", "P99999999999999D"),
        *("999999999d999999999d", "1234567890s", "PT" + "9" * 5000 + "S"),
    ],
)
def test_months_years_and_everything_else_are_no_duration(text: str) -> None:
    with pytest.raises(FieldError, match=r"^a duration like 90s, 5m, 1h30m, 2d or PT5M$"):
        parse_duration(text)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 999_999_999), st.sampled_from("smhd")), min_size=1))
def test_any_sum_of_units_is_a_duration_or_too_long(parts: list[tuple[int, str]]) -> None:
    size = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    total = sum(number * size[unit] for number, unit in parts)
    text = "".join(f"{number}{unit}" for number, unit in parts)
    if total <= 36500 * 86400:
        assert parse_duration(text).total_seconds() == total
    else:
        with pytest.raises(FieldError):
            parse_duration(text)


HALF_MINUTE = 30 * SECOND


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "sync", "sync"),
        ("name", "_a.B-9", "_a.B-9"),
        ("name", "x" * 64, "x" * 64),
        ("tz", "Europe/Paris", "Europe/Paris"),
        ("retry", "0", Retry(0, HALF_MINUTE, HOUR)),
        ("retry", "3", Retry(3, HALF_MINUTE, HOUR)),
        ("retry", "3,1m", Retry(3, MINUTE, HOUR)),
        ("retry", "3,2h", Retry(3, 2 * HOUR, 2 * HOUR)),
        ("retry", "3,30s..10m", Retry(3, HALF_MINUTE, 10 * MINUTE)),
        ("retry", "3,PT5S..PT5S", Retry(3, 5 * SECOND, 5 * SECOND)),
        ("retry", "1000,0s", Retry(1000, timedelta(), HOUR)),
        ("retry-on", "failure", RetryOn()),
        ("retry-on", "75", RetryOn(frozenset(), ExitCodes(((75, 75),)))),
        ("retry-on", "75,64-78", RetryOn(frozenset(), ExitCodes(((75, 75), (64, 78))))),
        ("retry-on", "75,timeout", RetryOn(frozenset({"timeout"}), ExitCodes(((75, 75),)))),
        ("retry-on", "signal,not-started,lost,cancelled",
         RetryOn(frozenset({"signal", "not-started", "lost", "cancelled"}))),
        ("retry-on", "!2", RetryOn(frozenset({"failure"}), ExitCodes(), ExitCodes(((2, 2),)))),
        ("retry-on", "timeout,!2-3",
         RetryOn(frozenset({"timeout"}), ExitCodes(), ExitCodes(((2, 3),)))),
        ("retry-until", "next", None),
        ("retry-until", "2h", 2 * HOUR),
        ("timeout", "4m", 4 * MINUTE),
        ("grace", "0s", timedelta()),
        ("slots", "0", Slots(0)),
        ("slots", "4", Slots(4)),
        ("slots", "65536", Slots(65536)),
        ("slots", "auto", Slots(1, auto=True)),
        ("slots", "auto:8", Slots(1, auto=True, limit=8)),
        ("priority", "-5", -5),
        ("priority", "+1000000", 1_000_000),
        ("jitter", "60s", MINUTE),
        ("overlap", "replace", Overlap.REPLACE),
        ("catchup", "latest", CatchUp.LATEST),
        ("catchup-within", "2d", 2 * DAY),
        ("deadline", "10m", 10 * MINUTE),
        ("when", "load<4", (LoadBelow(4),)),
        ("when", "psi.io<1.5,ac", (PressureBelow("io", 1.5), MainsPower())),
        ("ok", "0,2-4", ExitCodes(((0, 0), (2, 4)))),
        ("mail", "failure", Tell.FAILURE),
        ("log", "never", Tell.NEVER),
        ("on-failure", "alert --now $CRONJOB_RUN", "alert --now $CRONJOB_RUN"),
        ("on-success", "x" * 4096, "x" * 4096),
        ("on-give-up", "é|%", "é|%"),
        ("nice", "-20", -20),
        ("umask", "027", 0o027),
        ("umask", "0077", 0o077),
        ("cwd", "/srv/a b", "/srv/a b"),
        ("memory", "512M", 512 * 1024**2),
        ("cpu", "50%", 50),
        ("open-files", "1024", 1024),
    ],
)  # fmt: skip
def test_a_good_value_is_read(name: str, text: str, value: object) -> None:
    assert parse_field(name, text) == value


NAME = "letters, digits, . _ -, at most 64, beginning with none of . -"
DURATION = "a duration like 90s, 5m, 1h30m, 2d or PT5M"
RETRY = "N, N,delay or N,delay..max, with N from 0 to 1000, like 3,30s..10m"
RETRY_ON = (
    "a list of exit codes and ranges (75, 64-78), !codes and "
    "failure, timeout, signal, not-started, lost, cancelled"
)
SLOTS = "0, a number up to 65536, auto or auto:N"
HOOK = "none or a command for sh, of 4096 characters at most"
CODES = "exit codes 0-255 and ranges of them"
LONGER = "a longest delay that is not shorter than the first, like 3,30s..10m"


@pytest.mark.parametrize(
    ("name", "texts", "allowed"),
    [
        ("name", ["", "-a", ".a", "a b", "a/b", "a~2", "ä", "x" * 65], NAME),
        ("tz", ["", "Mars/Olympus", "../../etc/passwd", "UTC+3", "right/UTC"],
         "an IANA time zone like Europe/Paris"),
        ("retry", ["", "-1", "1001", "x", "3,", "3,x", "3,1m..", "3,1m..x", "3;1m", "3,1M", "٣"],
         RETRY),
        ("retry", ["3,10m..30s", "1,61s..1m"], LONGER),
        ("retry-on", ["", "256", "5-2", "Timeout", "75,", "!", "!!75", "!timeout", "a", "1-2-3"],
         RETRY_ON),
        ("retry-until", ["", "0s", "Next", "2x"], "next, or a duration like 2h"),
        ("timeout", ["", "5", "x", "P1M"], DURATION),
        ("timeout", ["0s", "PT0S"], "a duration longer than zero"),
        ("grace", ["", "x"], DURATION),
        ("slots", ["", "-1", "65537", "auto:", "auto:0", "auto:x", "Auto", "auto:65537"], SLOTS),
        ("priority", ["", "x", "1.5", "1000001", "-1000001", "1e3"],
         "a whole number from -1000000 to 1000000"),
        ("jitter", ["", "60"], DURATION),
        ("overlap", ["", "Skip", "never"], "one of allow, skip, queue, replace"),
        ("catchup", ["", "yes"], "one of none, latest, all"),
        ("catchup-within", ["0s"], "a duration longer than zero"),
        ("deadline", ["0s"], "a duration longer than zero"),
        ("retry-on", ["75,!75", "1-3,!0-255"], "a list that leaves something to retry on"),
        ("when", ["", "load>4", "load<4,", "battery", "psi.net<5", "psi.<5", "mem<2G", "ac<1"],
         "gates like load<4, mem>2G, psi.cpu<20 (or memory, io) and ac"),
        ("when", ["load<", "load<0", "load<-1", "load<.5", "load<1000000", "load<1e3"],
         "load<N with N above 0"),
        ("when", ["psi.cpu<0", "psi.cpu<100.1", "psi.cpu<20%"],
         "psi.cpu<N with N above 0, up to 100"),
        ("when", ["mem>", "mem>2X", "mem>2GB", "mem>9999999T"],
         "a size like 512M, with K, M, G or T, or none of them for bytes"),
        ("when", ["load<4,load<2"], "each gate once, and load is there twice"),
        ("ok", ["", "256", "5-2", "x", "0,"], CODES),
        ("mail", ["", "sometimes"], "one of always, failure, never"),
        ("log", ["", "sometimes"], "one of always, failure, never"),
        ("on-failure", ["", " "], HOOK),
        ("on-success", ["x" * 4097], HOOK),
        ("on-give-up", ["  "], HOOK),
        ("nice", ["-21", "20", "x"], "a whole number from -20 to 19"),
        ("umask", ["", "27", "0888", "00027"], "an octal mask like 027"),
        ("cwd", ["", "srv", "~/x"], "an absolute path"),
        ("memory", ["", "512MB", "-1", "0", "0G", "9999999T"],
         "a size above zero like 512M, with K, M, G or T, or none of them for bytes"),
        ("cpu", ["", "50", "-1%", "0%", "1000000%"], "a share of one CPU like 50%, above zero"),
        ("open-files", ["2", "1000001", "x"], "a whole number from 3 to 1000000"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_what_is_allowed(
    name: str, texts: list[str], allowed: str
) -> None:
    for text in texts:
        with pytest.raises(FieldError) as caught:
            parse_field(name, text)
        shown = text if len(text) <= 40 else text[:39] + "…"
        assert str(caught.value) == f'{name} "{shown}" is not understood; allowed is {allowed}'


def test_every_field_has_good_and_bad_values_above() -> None:
    marks = [test_a_good_value_is_read, test_a_bad_value_is_named_with_what_is_allowed]
    for test in marks:
        rows = vars(test)["pytestmark"][0].args[1]
        assert {row[0] for row in rows} == set(FIELDS)


def test_the_defaults_are_those_of_the_manual() -> None:
    fields = Fields()
    assert (fields.retry, fields.retry_on) == (Retry(0, HALF_MINUTE, HOUR), RetryOn())
    assert (fields.retry_until, fields.timeout, fields.grace) == (None, None, 10 * SECOND)
    assert (fields.slots, fields.priority, fields.jitter) == (None, 0, timedelta())
    assert (fields.overlap, fields.catchup, fields.catchup_within) == ("allow", "none", None)
    assert (fields.deadline, fields.when, fields.ok) == (None, (), ExitCodes(((0, 0),)))
    assert (fields.mail, fields.log) == (None, "always")
    limits = (fields.nice, fields.umask, fields.cwd, fields.memory, fields.cpu, fields.open_files)
    assert set(limits) == {None}


def test_exit_codes_contain_their_ranges_with_both_ends() -> None:
    codes = parse_field("ok", "0,64-78")
    assert [code for code in range(256) if code in codes] == [0, *range(64, 79)]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("timout", "timeout"),
        ("retyr", "retry"),
        ("retry_on", "retry-on"),
        ("Jitter", "jitter"),
        ("prioriti", "priority"),
        ("htmldir", None),
        ("x", None),
        ("PATH", None),
    ],
)
def test_a_typo_is_near_the_field_that_was_meant(typo: str, meant: str | None) -> None:
    assert nearest(typo) == meant


@settings(deadline=None)
@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=20))
def test_any_text_is_a_value_or_a_field_error_that_names_the_field(name: str, text: str) -> None:
    message = name
    try:
        parse_field(name, text)
    except FieldError as error:
        message = str(error)
    assert message.startswith(name)
