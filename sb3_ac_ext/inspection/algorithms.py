"""Which algorithm wrote a model: SB3 does not say, but its settings do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# the settings that only this algorithm has, most special first
_MARKS = {
    "TRPO": {"cg_max_steps"},
    "TQC": {"top_quantiles_to_drop_per_net"},
    "ARS": {"n_delta", "delta_std_schedule"},
    "REINFORCE": {"baseline", "normalize_advantage"},
    "PPO": {"clip_range", "n_epochs"},
    "DQN": {"exploration_schedule"},
    "TD3": {"target_policy_noise", "policy_delay"},
    "SAC": {"target_entropy"},
    "A2C": {"gae_lambda", "vf_coef"},
}
# what else the policy's module tells
_BY_POLICY = {
    ("PPO", ".recurrent."): "RecurrentPPO",
    ("PPO", ".maskable."): "MaskablePPO",
    ("DQN", ".qrdqn."): "QR-DQN",
    ("SAC", ".crossq."): "CrossQ",
}


def algorithm_name(values: Mapping[str, Any]) -> str:
    """
    :param values: settings of a model by name
    :return: the algorithm's name as far as the settings tell, or ``unknown algorithm``
    """
    name = next((name for name, marks in _MARKS.items() if marks <= values.keys()), None)
    if name is None:
        return "unknown algorithm"
    if name == "TD3" and values.get("policy_delay") == 1 and not values.get("target_noise_clip"):
        return "DDPG"
    policy = str(values.get("policy_class"))
    for (family, part), special in _BY_POLICY.items():
        if name == family and part in policy:
            return special
    return name
