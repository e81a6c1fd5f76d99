"""How SB3's logger, and our own TensorBoard scalars, name what our vocabulary holds."""

from __future__ import annotations

from collections.abc import Iterable

OURS = "diag/"
"""Prefix under which our callback writes its series to SB3's logger."""

SERIES: dict[str, tuple[str, float]] = {
    "rollout/ep_rew_mean": ("episodes/return_mean", 1.0),
    "rollout/ep_len_mean": ("episodes/length_mean", 1.0),
    "rollout/success_rate": ("episodes/success_rate", 1.0),
    "eval/mean_reward": ("canary/return_mean", 1.0),
    "eval/mean_ep_length": ("canary/length_mean", 1.0),
    "time/fps": ("time/steps_per_second", 1.0),
    "train/learning_rate": ("hyper/learning_rate", 1.0),
    "train/clip_range": ("hyper/clip_range", 1.0),
    "train/ent_coef": ("hyper/ent_coef", 1.0),
    "train/explained_variance": ("value/explained_variance", 1.0),
    "train/clip_fraction": ("policy/clip_fraction", 1.0),
    # only on-policy algorithms log it, as minus the mean entropy
    "train/entropy_loss": ("policy/entropy", -1.0),
}
"""SB3's key -> (our name, factor). ``train/approx_kl`` stays apart from ``policy/kl``: it averages
the minibatches of the last epoch, ours compares the policies before and after the whole update."""

NOT_SERIES = frozenset({"time/iterations", "time/total_timesteps", "time/time_elapsed"})
"""Keys that count or clock the rows."""


def canonical(keys: Iterable[str]) -> dict[str, tuple[str, float]]:
    """
    :param keys: as SB3's logger wrote them
    :return: key -> (our name, factor); where two keys mean the same series, our own wins
    """
    wanted = [key for key in keys if key not in NOT_SERIES]
    named = {key: (key.removeprefix(OURS), 1.0) for key in wanted if key.startswith(OURS)}
    taken = {name for name, _ in named.values()}
    for key in wanted:
        name, factor = SERIES.get(key, (key, 1.0))
        if not key.startswith(OURS) and name not in taken:
            named[key] = (name, factor)
            taken.add(name)
    return named
