"""Which groups of signals a source holds nothing of, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_GROUPS: dict[str, tuple[tuple[str, ...], str]] = {
    "episodes": (("episodes/",), "no returns of training episodes"),
    "rewards": (("rewards/",), "no rewards of single steps or workers"),
    "observations": (("observations/",), "no observations"),
    "actions": (("actions/",), "no actions"),
    "policy": (("policy/", "train/approx_kl"), "nothing about the policy"),
    "value": (("value/", "advantages/", "returns/"), "no values or advantages"),
    "q_values": (("q/",), "no Q-values"),
    "replay": (("replay/",), "nothing about the replay buffer"),
    "gradients": (("gradients/",), "no gradients"),
    "weights": (("weights/",), "no weights"),
    "canary": (("canary/",), "no evaluations of the policy"),
    "timing": (("time/",), "no speed"),
    "hyperparameters": (("hyper/",), "no hyperparameters over time"),
}
_FOREIGN = {"on-policy": ("q_values", "replay"), "off-policy": ("value",)}


def not_observed(
    names: Collection[str], sources: Sequence[str], family: str | None
) -> dict[str, str]:
    """
    :param names: of all series that were read
    :param sources: what they were read from
    :param family: ``on-policy``, ``off-policy`` or ``None`` where it is not known
    :return: group of signals -> why nothing of it can be judged
    """
    holder = " and ".join([", ".join(sources[:-1]), sources[-1]] if sources[1:] else sources)
    verb = "hold" if len(sources) > 1 else "holds"
    missing: dict[str, str] = {}
    for group, (prefixes, lack) in _GROUPS.items():
        if any(name.startswith(prefixes) for name in names):
            continue
        if family is not None and group in _FOREIGN.get(family, ()):
            missing[group] = f"{family} algorithms have none"
        else:
            missing[group] = f"{holder} {verb} {lack}"
    return missing
