"""The stage of the gates: runs come, are measured, and pass or wait.

Nothing is measured while nobody waits; as long as somebody does, every few seconds.
"""

from collections.abc import Sequence

from cronjob.core import overlap, pool, report
from cronjob.core.draft import Draft
from cronjob.core.events import Measure
from cronjob.core.gates import GAUGES, Gate, Gatekeeper, Readings, gauges, written
from cronjob.core.run import Move, Run, RunState
from cronjob.core.waits import Reason
from cronjob.core.words import listed

EVERY = 5.0  #: seconds between two measurements while a run waits


def approach(draft: Draft, run: Run) -> None:
    """The run waits for nothing but its gates, if it has any."""
    if run.entry.fields.when and not run.forced:
        _stop_at_gates(draft, run, run.entry.fields.when)
        draft.to_measure = True
    else:
        pass_on(draft, run)


def pass_on(draft: Draft, run: Run) -> None:
    """Its gates hold: what it replaces is ended, and it gets ready."""
    if overlap.judged(draft, run) is overlap.Verdict.HOLD:
        overlap.replace_earlier(draft, run)
        run = draft.runs[run.key]
        if overlap.judged(draft, run) is overlap.Verdict.HOLD:
            hold_back(draft, run)
            return
    pool.line_up(draft, run)


def hold_back(draft: Draft, run: Run) -> None:
    """The run waits for an earlier one; of many that are made up for, that goes without saying."""
    draft.gated.pop(run.key, None)
    reason, what = Reason.EARLIER_RUN, "an earlier run"
    if behind := overlap.is_behind(draft, run):
        reason, what = Reason.CATCH_UP, "an earlier fire time to be made up for"
    draft.runs[run.key] = run = run.waiting(Move.HELD_BACK, reason, what, draft.monotonic)
    if not behind:
        draft.announce(report.waits(run))


def look_again(draft: Draft) -> None:
    """Measure when it is time, whatever became of the measurement before."""
    if draft.gates_due is not None and draft.gates_due <= draft.monotonic:
        draft.gates_due, draft.measuring = None, None
        draft.to_measure = True


def ask(draft: Draft) -> None:
    """Have the gauges read that somebody waits for, unless that is going on."""
    if not draft.gated and draft.rechecked is None:
        if draft.measuring is None:
            draft.gates_due = None
        return
    if draft.stopping or not draft.to_measure or draft.measuring is not None:
        return
    if draft.burst:
        draft.gates_due = draft.monotonic  # once for all that come to the gates with it
        return
    keys = [*draft.gated, *([draft.rechecked] if draft.rechecked else [])]
    fields = {id(fields): fields for key in keys if (fields := draft.runs[key].entry.fields)}
    draft.measuring = frozenset().union(*(gauges(one.when) for one in fields.values()))
    draft.gates_due = draft.monotonic + EVERY
    draft.effects.append(Measure(draft.measuring))


def measured(draft: Draft, readings: Readings) -> None:
    """Let pass whom these readings allow to."""
    asked, draft.measuring = draft.measuring, None
    if asked is None:
        asked = GAUGES
    keeper = Gatekeeper(readings)
    _recheck(draft, keeper, asked)
    for place in sorted(draft.gated.values()):
        run = draft.runs.get(place[3])
        if run is not None and run.state is RunState.GATED:
            _judge(draft, run, keeper, asked)
    draft.gates_due = draft.monotonic + EVERY if draft.gated else None


def _recheck(draft: Draft, keeper: Gatekeeper, asked: frozenset[str]) -> None:
    """The first in line, whose gates held too long ago."""
    key, draft.rechecked = draft.rechecked, None
    run = draft.runs.get(key) if key is not None else None
    if run is None or run.state is not RunState.READY:
        return
    gates = run.entry.fields.when
    if not gauges(gates) <= asked:
        draft.rechecked, draft.to_measure = run.key, True
    elif shut := keeper.shut(gates):
        draft.left.add(run.turn)
        _tell_once(draft, _stop_at_gates(draft, run, shut))
    else:
        _let_pass(draft, run, keeper)


def _judge(draft: Draft, run: Run, keeper: Gatekeeper, asked: frozenset[str]) -> None:
    gates = run.entry.fields.when
    if pool.close_if_over(draft, run):
        return
    if not gauges(gates) <= asked:
        draft.to_measure = True
    elif shut := keeper.shut(gates):
        run = run.waiting(None, Reason.GATE, _words(shut), draft.monotonic)
        _tell_once(draft, run)
    else:
        run = _let_pass(draft, run, keeper)
        del draft.gated[run.key]
        pass_on(draft, run)


def _let_pass(draft: Draft, run: Run, keeper: Gatekeeper) -> Run:
    gates = run.entry.fields.when
    keeper.let_pass(gates)
    if unknown := keeper.unknown(gates) - draft.unknown:
        draft.unknown |= unknown
        draft.announce(report.gate_unknown(run, unknown))
    draft.runs[run.key] = run = run._replace(gates_held_at=draft.monotonic)
    return run


def _stop_at_gates(draft: Draft, run: Run, gates: Sequence[Gate]) -> Run:
    run = run.waiting(Move.SENT_TO_GATES, Reason.GATE, _words(gates), draft.monotonic)
    draft.runs[run.key] = run
    since = draft.monotonic if run.ready_at is None else run.ready_at
    place = -run.entry.fields.priority, since, draft.next_turn(), run.key
    draft.gated[run.key] = place
    return run


def _tell_once(draft: Draft, run: Run) -> None:
    assert run.wait is not None, "who is at the gates waits for them"
    if not run.wait.told:
        draft.announce(report.waits(run))
        run = run._replace(wait=run.wait._replace(told=True))
    draft.runs[run.key] = run


def _words(gates: Sequence[Gate]) -> str:
    return listed([written(gate) for gate in gates])
