from datetime import datetime
from itertools import product

import pytest

from cronjob.core.attempt import Attempt, Ending, attempt_key, attempt_parts, ended
from cronjob.core.outcome import Outcome
from cronjob.core.run import MOVES, Move, Run, RunState, run_key
from cronjob.core.schedule import FireTime
from cronjob.testing import entries_of, exited, killed, lost, not_started

at = datetime.fromisoformat
NINE = at("2026-11-21T09:00Z")
ATTEMPT = Attempt(number=1, launched=NINE, launched_monotonic=100.0, waited=0.0)


def a_run(state: RunState) -> Run:
    entry = entries_of("0 9 * * * name=open root true\n")["open"]
    fire = FireTime(NINE, NINE.replace(tzinfo=None))
    return Run(key="open@x", label="open", entry=entry, fire=fire, state=state)


@pytest.mark.parametrize(("state", "move"), list(product(RunState, Move)))
def test_a_move_is_in_the_table_or_raises(state: RunState, move: Move) -> None:
    run = a_run(state)
    if (state, move) in MOVES:
        assert run.move(move) == run._replace(state=MOVES[state, move])
    else:
        with pytest.raises(KeyError):
            run.move(move)


def test_the_moves_are_these() -> None:
    assert {(str(a), str(m), str(b)) for (a, m), b in MOVES.items()} == {
        ("delayed", "held-back", "held"),
        ("delayed", "sent-to-gates", "gated"),
        ("delayed", "lined-up", "ready"),
        ("delayed", "dropped", "finished"),
        ("held", "sent-to-gates", "gated"),
        ("held", "lined-up", "ready"),
        ("held", "dropped", "finished"),
        ("gated", "held-back", "held"),
        ("gated", "lined-up", "ready"),
        ("gated", "dropped", "finished"),
        ("ready", "sent-to-gates", "gated"),
        ("ready", "slots-granted", "running"),
        ("ready", "dropped", "finished"),
        ("running", "retry-planned", "backing-off"),
        ("running", "ended", "finished"),
        ("backing-off", "sent-to-gates", "gated"),
        ("backing-off", "lined-up", "ready"),
        ("backing-off", "dropped", "finished"),
    }


def test_every_state_leads_to_the_end_and_nothing_leads_out_of_it() -> None:
    ends = {RunState.FINISHED}
    for _ in RunState:
        ends |= {state for (state, _), following in MOVES.items() if following in ends}
    assert ends == set(RunState)
    assert not [state for state, _ in MOVES if state is RunState.FINISHED]


@pytest.mark.parametrize(
    ("ending", "stop_reason", "outcome", "code", "signal"),
    [
        (exited(0), None, Outcome.SUCCEEDED, 0, None),
        (exited(1), None, Outcome.FAILED, 1, None),
        (exited(127), None, Outcome.FAILED, 127, None),
        (exited(128), None, Outcome.FAILED, 128, None),  # no signal has the number 0
        (exited(129), None, Outcome.SIGNALED, 129, 1),  # as a shell says it
        (exited(137), None, Outcome.SIGNALED, 137, 9),
        (exited(192), None, Outcome.SIGNALED, 192, 64),
        (exited(193), None, Outcome.FAILED, 193, None),
        (exited(255), None, Outcome.FAILED, 255, None),
        (killed(15), None, Outcome.SIGNALED, None, 15),
        (killed(9), None, Outcome.SIGNALED, None, 9),
        (Ending(status=11 | 0x80), None, Outcome.SIGNALED, None, 11),  # dumped core
        (killed(15), Outcome.TIMED_OUT, Outcome.TIMED_OUT, None, 15),
        (exited(0), Outcome.TIMED_OUT, Outcome.TIMED_OUT, 0, None),  # it tidied up and left
        (exited(143), Outcome.CANCELLED, Outcome.CANCELLED, 143, 15),
        (killed(9), Outcome.CANCELLED, Outcome.CANCELLED, None, 9),
        (not_started(), None, Outcome.NOT_STARTED, None, None),
        (not_started(), Outcome.CANCELLED, Outcome.CANCELLED, None, None),  # it was not to start
        (lost(), None, Outcome.LOST, None, None),
        (lost(), Outcome.TIMED_OUT, Outcome.LOST, None, None),
    ],
)
def test_the_outcome_follows_from_the_status_and_from_what_was_wanted(
    ending: Ending,
    stop_reason: Outcome | None,
    outcome: Outcome,
    code: int | None,
    signal: int | None,
) -> None:
    attempt = ended(ATTEMPT, ending, stop_reason, 103.5)
    assert (attempt.outcome, attempt.code, attempt.signal) == (outcome, code, signal)


def test_an_ended_attempt_knows_how_long_it_took_and_keeps_its_ending() -> None:
    ending = Ending(status=0, user_seconds=1.5, max_rss=4096, left_behind=2)
    assert ended(ATTEMPT, ending, None, 103.5) == ATTEMPT._replace(
        outcome=Outcome.SUCCEEDED, code=0, seconds=3.5, ending=ending
    )


@pytest.mark.parametrize(
    ("instant", "pass_number", "key"),
    [
        ("2026-11-21T01:30Z", 1, "backup@2026-11-21T01:30Z"),
        ("2026-11-21T01:30Z", 2, "backup@2026-11-21T01:30Z#2"),
        ("2026-11-21T01:30:07Z", 1, "backup@2026-11-21T01:30:07Z"),
        ("1919-03-31T04:30:20Z", 13, "backup@1919-03-31T04:30:20Z#13"),
    ],
)
def test_a_run_key_names_entry_instant_and_pass(instant: str, pass_number: int, key: str) -> None:
    assert run_key("backup", at(instant), pass_number) == key


def test_an_attempt_is_named_after_its_run() -> None:
    key = attempt_key("backup@2026-11-21T01:30Z#2", 3)
    assert key == "backup@2026-11-21T01:30Z#2/3"
    assert attempt_parts(key) == ("backup@2026-11-21T01:30Z#2", 3)
