"""What a schedule means, in words: one line a case."""

from datetime import UTC, datetime

import pytest

from cronjob import Schedule
from cronjob.core.explain.schedule import explain, nickname_words

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
FIXED = (
    "Fixed, since neither minute nor hour begins with *: when a clock change skips its time, it "
    "runs at the end of the gap; when its time comes twice, it runs once."
)
WILDCARD = (
    "begins with *: it follows the clock, with no run at a time that a clock change skips and two "
    "at a time that comes twice."
)


def _explained(text: str, zone: str = "UTC", seed: str = "here") -> list[str]:
    return explain(Schedule.parse(text, zone=zone, seed=seed), NOW)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("* * * * *", "Every minute."),
        ("*/1 * * * *", "Every minute."),
        ("0-59 0-23 * * *", "Every minute."),
        ("*/15 * * * *", "Every 15 minutes."),
        ("0,15,30,45 * * * *", "Every 15 minutes."),
        ("*/7 * * * *", "Every 7 minutes from :00 to :56 of every hour."),
        ("1-59/2 * * * *", "Every 2 minutes from :01 to :59 of every hour."),
        ("0-29 * * * *", "Every minute from :00 to :29 of every hour."),
        ("5,20,35,50 * * * *", "At minutes 5, 20, 35 and 50 of every hour."),
        ("5,10-20,31 * * * *", "At minutes 5, 10 to 20 and 31 of every hour."),
        ("0 * * * *", "Every hour at :00."),
        ("@hourly", "Every hour at :00."),
        ("9-9 * * * *", "Every hour at :09."),
        ("*/60 * * * *", "Every hour at :00."),
        ("30 2 * * *", "At 02:30 every day."),
        ("@daily", "At 00:00 every day."),
        ("@midnight", "At 00:00 every day."),
        ("0 */24 * * *", "At 00:00 every day."),
        ("*/30 1 * * *", "At 01:00 and 01:30 every day."),
        ("0,30 1 * * *", "At 01:00 and 01:30 every day."),
        ("0 */6 * * *", "At 00:00, 06:00, 12:00 and 18:00 every day."),
        ("0 */5 * * *", "Every 5 hours from 00:00 to 20:00 every day."),
        ("5 */2 * * *", "Every 2 hours from 00:05 to 22:05 every day."),
        ("0 9-17 * * *", "Every hour from 09:00 to 17:00 every day."),
        ("0 22-23,0-2 * * *", "At 00:00, 01:00, 02:00, 22:00 and 23:00 every day."),
        (
            "17 3,4,9,15,16,18-21 * * *",
            "At minute 17 of hours 3, 4, 9, 15, 16 and 18 to 21 every day.",
        ),
        ("* 2 * * *", "Every minute from 02:00 to 02:59 every day."),
        ("*/5 2 * * *", "Every 5 minutes from 02:00 to 02:55 every day."),
        ("*/7 2 * * *", "Every 7 minutes from 02:00 to 02:56 every day."),
        ("*/15 9-17 * * *", "Every 15 minutes from 09:00 to 17:45 every day."),
        (
            "*/15 9-12,14-17 * * *",
            "Every 15 minutes from 09:00 to 12:45 and from 14:00 to 17:45 every day.",
        ),
        (
            "*/15 9,11 * * *",
            "Every 15 minutes from 09:00 to 09:45 and from 11:00 to 11:45 every day.",
        ),
        (
            "*/10 */2 * * *",
            "Every 10 minutes from :00 to :50 of every 2nd hour from 0 to 22 every day.",
        ),
        ("1,2,9 4,6 * * *", "At 04:01, 04:02, 04:09, 06:01, 06:02 and 06:09 every day."),
        ("1,2,9 4-7 * * *", "At minutes 1, 2 and 9 of hours 4 to 7 every day."),
        ("1,3,9-19 4 * * *", "At minutes 1, 3 and 9 to 19 of hour 4 every day."),
        ("30 9 * * 1-5", "At 09:30 on Mondays to Fridays."),
        ("30 9 * * mon-fri", "At 09:30 on Mondays to Fridays."),
        ("30 9 * * 0", "At 09:30 on Sundays."),
        ("30 9 * * 7", "At 09:30 on Sundays."),
        ("@weekly", "At 00:00 on Sundays."),
        ("0 0 * * 6,0", "At 00:00 on Saturdays and Sundays."),
        ("0 0 * * fri-sun", "At 00:00 on Fridays to Sundays."),
        ("0 0 * * 0-2", "At 00:00 on Mondays, Tuesdays and Sundays."),
        ("0 0 * * 1,3,5", "At 00:00 on Mondays, Wednesdays and Fridays."),
        ("0 0 * * */2", "At 00:00 on Tuesdays, Thursdays, Saturdays and Sundays."),
        ("0 0 * * 0-6", "At 00:00 every day."),
        ("0 0 1 * *", "At 00:00 on day 1 of the month."),
        ("@monthly", "At 00:00 on day 1 of the month."),
        ("0 0 1,15 * *", "At 00:00 on days 1 and 15 of the month."),
        ("0 0 1-7,15 * *", "At 00:00 on days 1 to 7 and 15 of the month."),
        ("0 0 */2 * *", "At 00:00 on odd days of the month."),
        ("0 0 2-30/2 * *", "At 00:00 on even days of the month."),
        ("0 0 */3 * *", "At 00:00 on every 3rd day from 1 to 31 of the month."),
        ("0 0 3-21/2 6 *", "At 00:00 on every 2nd day from 3 to 21 of June."),
        ("@yearly", "At 00:00 on 1 January."),
        ("@annually", "At 00:00 on 1 January."),
        ("0 18 24-26 12 *", "At 18:00 on 24 to 26 December."),
        ("0 0 29 2 *", "At 00:00 on 29 February."),
        ("0 0 1 1,4,7,10 *", "At 00:00 on day 1 of January, April, July and October."),
        ("0 0 1 6-8 *", "At 00:00 on day 1 of June to August."),
        ("0 0 * 6 *", "At 00:00 every day in June."),
        ("* * * 6 *", "Every minute in June."),
        ("5,7 * * 6 *", "At minutes 5 and 7 of every hour in June."),
        ("0 0 * jun-aug mon", "At 00:00 on Mondays in June to August."),
        ("0 0 L * *", "At 00:00 on the last day of the month."),
        ("0 0 1,L 2 *", "At 00:00 on day 1 and the last day of February."),
        ("0 0 9W * *", "At 00:00 on the day from Monday to Friday nearest to day 9 of the month."),
        ("0 0 * * 5#3", "At 00:00 on the third Friday of the month."),
        ("0 0 * 6 L5,1#2", "At 00:00 on the last Friday and the second Monday of June."),
        ("0 0 13 * 5", "At 00:00 on day 13 of the month, and also on Fridays."),
        ("0 0 13 6 5", "At 00:00 on 13 June, and also on Fridays in June."),
        ("0 0 L * 1", "At 00:00 on the last day of the month, and also on Mondays."),
        ("0 0 */2 * 1", "At 00:00 on odd days of the month, but only on Mondays."),
        ("0 0 1-7 * */7", "At 00:00 on days 1 to 7 of the month, but only on Sundays."),
        (
            "0 0 */2 * 5#3",
            "At 00:00 on odd days of the month, but only on the third Friday of the month.",
        ),
        ("0 0 1-31 * 1", "At 00:00 every day."),
        ("0 0 1 * 0-7", "At 00:00 every day."),
        ("0 0 *,5 * 1", "At 00:00 on Mondays."),
        ("@reboot", "Once per boot, when the daemon starts."),
    ],
)
def test_the_first_sentence_says_when(text: str, sentence: str) -> None:
    assert _explained(text)[0] == sentence


BOTH = "croniter and some other programs let one be enough."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("*/7 * * * *", "Only 4 minutes from :56 to the next :00."),
        ("*/7 2 * * *", None),  # no next hour follows
        ("*/59 * * * *", "Only 1 minute from :59 to the next :00."),
        ("*/15 * * * *", None),
        ("0 */5 * * *", "Only 4 hours from hour 20 to hour 0 of the next day."),
        ("0 */5 * * 1", None),
        ("0 */6 * * *", None),
        ("0 0 1 */5 *", "Only 2 months from November to January."),
        ("0 0 1 */3 *", None),
        (
            "0 0 */2 * *",
            "Each month counts from day 1 again, so days around the end of a month may be less "
            "than 2 days apart.",
        ),
        ("0 0 */2 6 *", None),
        ("*/60 * * * *", "A step of 60 or more leaves only minute 0."),
        ("0 */99 * * *", "A step of 24 or more leaves only hour 0."),
        ("0 0 */31 * *", "A step of 31 or more leaves only day of month 1."),
        ("0 0 * * */7", None),
        ("0 0 */2 * 1", f"Both must match, since day of month begins with *; {BOTH}"),
        ("0 0 1-7 * */7", f"Both must match, since day of week begins with *; {BOTH}"),
        (
            "0 0 */2 * */2",
            f"Both must match, since day of month and day of week begin with *; {BOTH}",
        ),
        ("0 0 * * 1", None),
        (
            "0 0 13 * 5",
            "A match of one is enough, since neither day of month nor day of week begins with *.",
        ),
        (
            "0 0 1-31 * 1",
            "Day of month allows every day without beginning with *, so day of week restricts "
            "nothing.",
        ),
        (
            "0 0 1 * 0-6",
            "Day of week allows every day without beginning with *, so day of month restricts "
            "nothing.",
        ),
        ("0 0 31 * *", "February, April, June, September and November have no day 31."),
        ("0 0 31 4,5 *", "April has no day 31."),
        ("0 0 1,31 4,5 *", "April has no day 31."),
        ("0 0 29,30 * *", "February has no day 30."),
        ("0 0 30,31 4,5 *", "April has no day 31."),
        ("0 0 28-31 * *", None),
        ("0 0 30 * *", "February has no day 30."),
        ("0 0 29 * *", "29 February exists in leap years only."),
        ("0 0 29 2 *", "29 February exists in leap years only."),
        ("0 0 31W * *", "In a shorter month it is the one nearest to the last day."),
        ("0 0 28W * *", None),
        ("0 0 30 2 1", "February has no day 30."),  # but February has Mondays
    ],
)
def test_a_further_sentence_says_what_surprises(text: str, sentence: str | None) -> None:
    lines = _explained(text)
    assert sentence in lines if sentence else lines[1].startswith(("Fixed", "Wildcard"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 0 30 2 *", "It never fires: February has no day 30."),
        ("0 0 31 4,6,9 *", "It never fires: April, June and September have no day 31."),
        ("0 0 31 4 */8", "It never fires: April has no day 31."),
        ("0 0 */31 * 1#3", "It does not fire in the next 50 years."),  # no 1st is a third one
    ],
)
def test_what_never_fires_says_so_at_its_end(text: str, sentence: str) -> None:
    assert _explained(text)[-1] == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0,30 1 * * *", FIXED),
        ("@daily", FIXED),
        ("0-59 1 * * *", FIXED),
        ("*/30 1 * * *", f"Wildcard, since minute {WILDCARD}"),
        ("@hourly", f"Wildcard, since hour {WILDCARD}"),
        ("* * * * *", "Wildcard, since minute and hour " + WILDCARD.replace("begins", "begin", 1)),
    ],
)
def test_fixed_or_wildcard_and_why(text: str, sentence: str) -> None:
    assert sentence in _explained(text)


@pytest.mark.parametrize(
    ("text", "zone", "sentence"),
    [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "The clocks of Europe/Berlin change next on Sun 2027-03-28 (02:30 does not exist that "
            "day: runs at 03:00) and on Sun 2027-10-31 (02:30 comes twice that day: runs the "
            "first time only).",
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "The clocks of Europe/Berlin change next on Sun 2027-03-28 (02:00 and 02:30 do not "
            "exist that day: no run) and on Sun 2027-10-31 (02:00 and 02:30 come twice that day: "
            "run both times).",
        ),
        (
            "0 2 * 10 *",
            "Europe/Berlin",
            "The clocks of Europe/Berlin change next on Sun 2027-03-28 (no effect) and on "
            "Sun 2027-10-31 (02:00 comes twice that day: runs the first time only).",
        ),
        (
            "30 4 * * *",
            "Europe/Berlin",
            "The next clock changes of Europe/Berlin, on Sun 2027-03-28 and on Sun 2027-10-31, do "
            "not touch it.",
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "The clocks of Australia/Lord_Howe change next on Sun 2027-04-04 (01:45 comes twice "
            "that day: runs the first time only) and on Sun 2027-10-03 (no effect).",
        ),
        ("30 2 * * *", "UTC", "The clocks of UTC do not change in the next year."),
        ("30 2 * * *", "Asia/Tokyo", "The clocks of Asia/Tokyo do not change in the next year."),
    ],
)
def test_the_last_sentence_is_about_the_next_clock_changes(
    text: str, zone: str, sentence: str
) -> None:
    assert _explained(text, zone)[-1] == sentence


def test_what_is_drawn_is_said_and_belongs_to_the_seed() -> None:
    drawn = Schedule.parse("H 0~5 * * *", zone="UTC", seed="here")
    minute, hour = (column.values[0] for column in drawn.columns[:2])
    assert _explained("H 0~5 * * *")[:3] == [
        f"At {hour:02}:{minute:02} every day.",
        f"Minute H is drawn, and stays the same on this host: {minute}.",
        f"Hour 0~5 is drawn, and stays the same on this host: {hour}.",
    ]
    assert _explained("H 0~5 * * *") != _explained("H 0~5 * * *", seed="there")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@daily", "@daily stands for 0 0 * * *."),
        ("@weekly", "@weekly stands for 0 0 * * 0."),
        ("0 0 * * *", None),
        ("@reboot", None),
    ],
)
def test_a_name_stands_for_five_columns(text: str, words: str | None) -> None:
    assert nickname_words(Schedule.parse(text, zone="UTC")) == words
