"""Slots that a command shares out itself, as make does with `slots=auto`."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cronjob.core.events import (
    AttemptStarted,
    Effect,
    Event,
    OfferToken,
    TokensReturned,
    TokenTaken,
    TokenWithdrawn,
    WithdrawToken,
)
from cronjob.testing import Act, Simulation, entries_of, exited, killed

at = datetime.fromisoformat
NINE = at("2026-03-02T09:00Z")
MINUTE = timedelta(minutes=1)
MAKE = "make@2026-03-02T09:00Z"


class Make(Simulation):
    """A daemon at nine o'clock whose tokens the test moves; attempts last until it ends them."""

    def __init__(self, text: str, *, slots: int, personal: bool = False) -> None:
        entries = entries_of(text)
        super().__init__(
            {label: replace(entry, personal=personal) for label, entry in entries.items()},
            start=NINE - MINUTE,
            slots=slots,
            script=lambda _run, _attempt: Act(lasts=None),
        )
        self.run_until(NINE)

    def take(self, run: str = MAKE, count: int = 1) -> None:
        for _ in range(count):
            self.handle(TokenTaken(self.clock.moment(), run, self.state.runs[run].attempt.number))

    def give_back(self, count: int, run: str = MAKE) -> None:
        number = self.state.runs[run].attempt.number
        self.handle(TokensReturned(self.clock.moment(), run, number, count))

    def offers(self) -> list[str]:
        return [effect.run for _, effect in self.timeline if isinstance(effect, OfferToken)]

    def taken(self, run: str = MAKE) -> int:
        return self.state.runs[run].holding.taken


def test_a_token_is_offered_when_the_process_is_there_and_the_next_when_it_is_taken() -> None:
    simulation = Make("0 9 * * * name=make slots=auto root x\n", slots=8)
    assert simulation.offers() == [MAKE]
    assert simulation.state.slots_used == 2
    simulation.take()
    assert simulation.offers() == [MAKE] * 2
    assert simulation.state.slots_used == 3


def test_no_token_is_offered_before_the_process_is_there() -> None:
    simulation = Simulation(
        entries_of("0 9 * * * name=make slots=auto root x\n"),
        start=NINE - MINUTE,
        script=lambda _run, _attempt: Act(lasts=None),
        with_processes=False,
    )
    simulation.run_until(NINE)
    assert not [e for _, e in simulation.timeline if isinstance(e, OfferToken)]
    (effect, *_) = simulation.handle(AttemptStarted(simulation.clock.moment(), MAKE, 7))[2:]
    assert effect == OfferToken(MAKE, 1)


@pytest.mark.parametrize(
    ("slots", "most"), [("auto", 4), ("auto:3", 3), ("auto:1", 1), ("auto:99", 4)]
)
def test_a_run_gets_up_to_its_limit_and_its_share(slots: str, most: int) -> None:
    simulation = Make(f"0 9 * * * name=make slots={slots} root x\n", slots=8)
    simulation.take(count=10)
    holding = simulation.state.runs[MAKE].holding
    assert holding.slots + holding.taken == most


def test_tokens_count_for_the_share_of_an_account() -> None:
    text = "0 9 * * * name=make slots=auto ann x\n0 9 * * * name=other ann x\n"
    simulation = Make(text, slots=8, personal=True)
    simulation.take(count=9)
    assert simulation.taken() == 2
    assert simulation.state.group_slots["@ann"] == 4


def test_what_is_returned_is_free_for_whoever_waits() -> None:
    text = "0 9 * * * name=make slots=auto root x\n1 9 * * * name=wide slots=3 root x\n"
    simulation = Make(text, slots=4)
    simulation.take()
    simulation.run_until(NINE + MINUTE)
    assert len(simulation.starts("wide")) == 0
    simulation.give_back(1)
    assert len(simulation.starts("wide")) == 1
    assert simulation.state.slots_used == 4


def test_an_offer_is_asked_back_when_a_run_does_not_fit() -> None:
    text = "0 9 * * * name=make slots=auto root x\n1 9 * * * name=wide slots=3 root x\n"
    simulation = Make(text, slots=4)
    simulation.run_until(NINE + MINUTE)
    assert [e for _, e in simulation.timeline if isinstance(e, WithdrawToken)] == [
        WithdrawToken(MAKE, 1)
    ]
    assert len(simulation.starts("wide")) == 1
    assert simulation.offers() == [MAKE]
    simulation.finish("wide@2026-03-02T09:01Z", exited())
    assert simulation.offers() == [MAKE] * 2


def test_no_token_is_offered_while_a_run_stands_in_line() -> None:
    text = "0 9 * * * name=make slots=auto root x\n0 9 * * * name=wide slots=4 root x\n"
    assert Make(text, slots=4).offers() == []


class Slow(Make):
    """The same, with a broker that answers a `WithdrawToken` only when the test does."""

    def _step(self, event: Event) -> tuple[Effect, ...]:
        if isinstance(event, TokenWithdrawn) and not self.answers:
            return ()
        return super()._step(event)

    answers = False


def test_a_token_that_is_taken_before_it_can_be_asked_back_is_the_commands() -> None:
    text = "0 9 * * * name=make slots=auto root x\n1 9 * * * name=wide slots=3 root x\n"
    simulation = Slow(text, slots=4)
    simulation.run_until(NINE + MINUTE)
    assert simulation.state.runs[MAKE].holding.wanted_back
    simulation.wake()
    assert len([e for _, e in simulation.timeline if isinstance(e, WithdrawToken)]) == 1
    simulation.take()
    assert simulation.taken() == 1
    assert simulation.state.slots_used == 2
    assert len(simulation.starts("wide")) == 0


def test_runs_get_tokens_in_turns() -> None:
    text = "".join(f"0 9 * * * name={n} slots=auto root x\n" for n in ("make", "b", "c"))
    simulation = Make(text, slots=64)
    b, c = "b@2026-03-02T09:00Z", "c@2026-03-02T09:00Z"
    assert simulation.offers() == [MAKE, b, c]
    for run in (c, MAKE, b):
        simulation.take(run)
    assert simulation.offers()[3:] == [c, MAKE, b]


@pytest.mark.parametrize("ending", [exited(), killed(9)])
def test_when_its_attempt_ends_all_of_it_is_free_at_once(ending: object) -> None:
    simulation = Make("0 9 * * * name=make slots=auto retry=1,1s root x\n", slots=16)
    simulation.take(count=3)
    simulation.finish(MAKE, ending)  # type: ignore[arg-type] # an Ending
    assert simulation.state.slots_used == 0
    assert dict(simulation.state.group_slots) == {}


def test_word_of_an_earlier_attempt_moves_no_token() -> None:
    simulation = Make("0 9 * * * name=make slots=auto retry=1,1s root x\n", slots=16)
    simulation.finish(MAKE, exited(1))
    simulation.run_until(NINE + timedelta(seconds=2))
    used, moment = simulation.state.slots_used, simulation.clock.moment()
    for event in (
        TokenTaken(moment, MAKE, 1),
        TokensReturned(moment, MAKE, 1, 3),
        TokenWithdrawn(moment, MAKE, 1),
        TokenTaken(moment, "gone@x", 1),
    ):
        simulation.handle(event)
    assert simulation.state.slots_used == used == 2
    assert simulation.taken() == 0


def test_more_than_was_taken_cannot_be_returned() -> None:
    simulation = Make("0 9 * * * name=make slots=auto root x\n", slots=16)
    simulation.take(count=2)
    simulation.give_back(7)
    assert simulation.state.slots_used == 2


def test_tokens_are_lent_too_and_called_in_when_they_are_returned() -> None:
    text = "0 9 * * * name=make slots=auto root x\n0 3 * * * name=b slots=2 root x\n"
    simulation = Make(text, slots=4)
    simulation.take()
    borrower = simulation.ask_for("b", lender=MAKE)
    assert simulation.state.runs[borrower].holding.borrowed == 2
    assert simulation.state.slots_used == 2
    simulation.give_back(1)
    assert simulation.state.runs[borrower].holding.borrowed == 1
    assert simulation.state.runs[borrower].holding.counted == 1


# -- a token that nobody takes -------------------------------------------------------------------

B = "b@2026-03-02T09:00Z"
TWO = "0 9 * * * name=make slots=auto root x\n0 9 * * * name=b slots=auto root x\n"
FULL = TWO + "0 9 * * * name=fill slots=2 root x\n"  # of five slots, it leaves one


@pytest.mark.parametrize(
    ("text", "slots", "personal"),
    [
        (FULL, 5, False),
        (TWO, 6, True),  # there is room, but not in the half of their account
    ],
)
def test_a_token_that_is_not_taken_goes_to_another_run_after_a_second(
    text: str, slots: int, personal: bool
) -> None:
    simulation = Make(text, slots=slots, personal=personal)
    assert simulation.offers() == [MAKE]
    simulation.run_until(NINE + timedelta(seconds=0.9))
    assert simulation.offers() == [MAKE]
    simulation.run_until(NINE + timedelta(seconds=1.1))
    assert simulation.offers() == [MAKE, B]
    simulation.take(B)
    assert simulation.taken(B) == 1


def test_a_token_goes_round_ever_more_seldom_while_nobody_takes_it() -> None:
    simulation = Make(FULL, slots=5)
    simulation.run_until(NINE + timedelta(seconds=62))
    assert simulation.offers() == [MAKE, B] * 3
    simulation.run_until(NINE + timedelta(seconds=64))
    assert len(simulation.offers()) == 7
    simulation.run_until(NINE + timedelta(hours=1))
    assert 60 <= len(simulation.offers()) <= 63
    simulation.take(simulation.offers()[-1])
    simulation.give_back(1, simulation.offers()[-1])
    told = len(simulation.offers())
    simulation.run_until(NINE + timedelta(hours=1, seconds=1.1))
    assert len(simulation.offers()) == told + 1


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("0 9 * * * name=make slots=auto root x\n", 3),  # there is nobody else
        (TWO, 16),  # everybody has one
        (FULL.replace("name=b slots=auto", "name=b slots=auto:1"), 5),  # it may have none
    ],
)
def test_nobody_is_woken_for_a_token_that_no_other_run_could_take(text: str, slots: int) -> None:
    simulation = Make(text, slots=slots)
    assert simulation.state.awake.monotonic is None
    told = simulation.offers()
    simulation.run_until(NINE + timedelta(hours=1))
    assert simulation.offers() == told


def test_a_token_is_asked_back_once_however_long_the_answer_takes() -> None:
    simulation = Slow(FULL, slots=5)
    simulation.run_until(NINE + timedelta(seconds=5))
    asked = [e for _, e in simulation.timeline if isinstance(e, WithdrawToken)]
    assert asked == [WithdrawToken(MAKE, 1)]
    assert simulation.state.awake.monotonic is None
