"""The way of a run as a diagram: the states and moves of `run.MOVES`, as text for Mermaid."""

from cronjob.core.run import MOVES, Move, RunState

#: What each state means for people.
STATES = {
    RunState.DELAYED: "its fire time has come, its jitter is not over",
    RunState.HELD: "it waits for an earlier run of its entry",
    RunState.GATED: "it waits for its gates",
    RunState.READY: "it waits for slots",
    RunState.RUNNING: "an attempt of it holds its slots",
    RunState.BACKING_OFF: "it waits for the time of its next attempt",
    RunState.FINISHED: "it has its outcome",
}

#: What each move means for people.
WORDS = {
    Move.HELD_BACK: "an earlier run is going",
    Move.SENT_TO_GATES: "it comes to its gates",
    Move.LINED_UP: "nothing else holds it",
    Move.SLOTS_GRANTED: "slots are granted",
    Move.RETRY_PLANNED: "a retry is planned",
    Move.ENDED: "no other attempt follows",
    Move.DROPPED: "it is not to go on",
}


def diagram() -> str:
    """A `stateDiagram-v2` with every state and every legal move, in the order of the code."""
    names = {state: str(state).replace("-", "_") for state in RunState}
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state}: {STATES[state]}" as {names[state]}' for state in RunState]
    lines.append(f"    [*] --> {names[RunState.DELAYED]}")
    lines += [
        f"    {names[state]} --> {names[after]}: {WORDS[move]}"
        for (state, move), after in MOVES.items()
    ]
    lines.append(f"    {names[RunState.FINISHED]} --> [*]")
    return "\n".join(lines) + "\n"
