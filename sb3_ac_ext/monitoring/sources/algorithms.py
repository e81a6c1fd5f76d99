"""Algorithm names as the Zoo's keys and as class names, with the family they belong to."""

from __future__ import annotations

_CLASSES = {
    "on-policy": ("A2C", "PPO", "TRPO", "RecurrentPPO", "MaskablePPO"),
    "off-policy": ("DDPG", "DQN", "SAC", "TD3", "TQC", "QRDQN", "CrossQ"),
}
_ZOO_KEYS = {"ppo_lstm": "RecurrentPPO", "ppo_mask": "MaskablePPO"}


def known_algorithm(name: str) -> dict[str, str] | None:
    """
    :param name: a key of the Zoo (``ppo_lstm``) or a class name (``RecurrentPPO``), in any case
    :return: fields ``algo`` and ``family`` of the run's facts, ``None`` for an unknown name
    """
    wanted = _ZOO_KEYS.get(name.lower(), name).lower()
    for family, classes in _CLASSES.items():
        for algo in classes:
            if algo.lower() == wanted:
                return {"algo": algo, "family": family}
    return None
