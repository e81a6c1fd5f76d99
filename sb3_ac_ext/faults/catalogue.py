"""The registry of faults."""

from __future__ import annotations

from sb3_ac_ext.faults import (
    advantages,
    benign,
    dynamics,
    episodes,
    evaluation,
    network_state,
    observations,
    replay_data,
    rewards,
    rollout_data,
    settings,
    targets,
    update,
    workers,
)
from sb3_ac_ext.faults.base import EVERY, Fault
from sb3_ac_ext.lookup import nearest, unknown
from sb3_ac_ext.monitoring.causes import CAUSES

_FAULTS: dict[str, Fault] = {}

_PARTS = (
    workers,
    rewards,
    observations,
    episodes,
    dynamics,
    rollout_data,
    advantages,
    replay_data,
    update,
    network_state,
    targets,
    settings,
    evaluation,
    benign,
)


def register(fault: Fault) -> None:
    """Make a fault known by its name.

    :raises ValueError: if the name is taken, or the cause is not in the table of causes
    """
    if fault.name in _FAULTS:
        raise ValueError(f"fault {fault.name!r} is already registered: give it another name")
    if fault.cause and fault.cause not in CAUSES:
        raise unknown("cause", fault.cause, CAUSES)
    _FAULTS[fault.name] = fault


def names(algo: str | None = None) -> tuple[str, ...]:
    """The names of all faults, in the order of the table.

    :param algo: only those that apply to this algorithm
    :raises ValueError: for an algorithm that no fault knows
    """
    if algo is not None and algo not in EVERY:
        raise unknown("algorithm", algo, EVERY)
    return tuple(n for n, fault in _FAULTS.items() if algo is None or algo in fault.algos)


def get(name: str) -> Fault:
    """The fault behind a name.

    :raises ValueError: if there is none; the message names the nearest
    """
    if name not in _FAULTS:
        near = nearest(str(name), _FAULTS)
        hint = f", did you mean {near!r}?" if near else ";"
        raise ValueError(
            f"unknown fault {name!r}{hint} there are {len(_FAULTS)}, see sb3_ac_ext.faults.names()"
        )
    return _FAULTS[name]


def table() -> str:
    """All faults as a Markdown table."""
    lines = [
        "| fault | component | cause | kind | what it does | severity |",
        "|---|---|---|---|---|---|",
    ]
    for fault in _FAULTS.values():
        knob = f"{fault.severity:g} {fault.unit}" if fault.unit else ""
        cells = (fault.name, fault.component, fault.cause, fault.kind.value, fault.summary, knob)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


for _part in _PARTS:
    for _fault in _part.FAULTS:
        register(_fault)
