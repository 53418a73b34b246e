"""The time zone that an option names."""

from collections.abc import Iterable
from datetime import tzinfo
from difflib import get_close_matches

from cronjob.core.zone import named_zone
from cronjob.errors import ScheduleError


def zone_option(name: str) -> tzinfo:
    """The zone that `--tz` names.  Raises `ScheduleError`, with a suggestion where there is one."""
    try:
        return named_zone(name)
    except ScheduleError as error:
        raise ScheduleError(f"--tz: {error}{_suggestion(name)}") from None


def _suggestion(name: str) -> str:
    import pendulum  # slow to import

    near = nearest_zone(name, pendulum.timezones())
    return f"; did you mean {near}?" if near else ""


def nearest_zone(name: str, zones: Iterable[str]) -> str | None:
    """The zone that was probably meant: a place alone, another case or a blank, a slip."""
    written = {zone.casefold(): zone for zone in sorted(zones)}
    wanted = name.strip().casefold().replace(" ", "_")
    if wanted in written:
        return written[wanted]
    places = (zone for folded, zone in written.items() if folded.endswith(f"/{wanted}"))
    if wanted and (place := next(places, None)) is not None:
        return place
    if "/" not in wanted:
        return None  # abbreviations are near to those of other zones
    close = get_close_matches(wanted, written, n=1, cutoff=0.8)
    return written[close[0]] if close else None
