"""The evaluation environment beside the training environment: another one, but seen alike."""

from __future__ import annotations

from copy import deepcopy

from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from sb3_ac_ext.monitoring.canary_env import normalisers


def check_twin(training: VecEnv, evaluation: VecEnv) -> None:
    """
    :param training: environment of the model
    :param evaluation: environment to evaluate in
    :raises ValueError: if they are the same, or normalise observations differently
    """
    if _bare(training) & _bare(evaluation):
        raise ValueError("eval_env is the training environment: give one of its own")
    ours, theirs = (
        [f"clip_obs={n.clip_obs}, epsilon={n.epsilon}, keys={n.norm_obs_keys}" for n in _seen(env)]
        for env in (evaluation, training)
    )
    if ours != theirs:
        raise ValueError(
            "eval_env is not wrapped like the training environment, the policy would see other "
            f"observations: its VecNormalize has {ours}, that of training {theirs}"
        )


def freeze_like(training: VecEnv, evaluation: VecEnv) -> None:
    """Give the evaluation the statistics of this moment; it neither learns nor scales rewards.

    :param training: only read
    :param evaluation: for which :func:`check_twin` holds
    """
    for normaliser in normalisers(evaluation):
        normaliser.training = normaliser.norm_reward = False
    for source, target in zip(_seen(training), _seen(evaluation), strict=True):
        target.obs_rms = deepcopy(source.obs_rms)


def _seen(env: VecEnv) -> list[VecNormalize]:
    """Those that change what the policy sees."""
    return [normaliser for normaliser in normalisers(env) if normaliser.norm_obs]


def _bare(env: VecEnv) -> set[int]:
    """Identities of the environments below all wrappers; worker processes keep theirs."""
    base = env.unwrapped
    inner = base.envs if isinstance(base, DummyVecEnv) else []
    return {id(base), *(id(one.unwrapped) for one in inner)}
