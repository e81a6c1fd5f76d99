"""With and without evaluation, training is the same to the last bit."""

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecNormalize

import sb3_ac_ext
from sb3_ac_ext import UnitEvalCallback

SMALL = {"net_arch": [8]}
ON_POLICY = {"n_steps": 32}
OFF_POLICY = {"learning_starts": 60, "batch_size": 16, "buffer_size": 1000, "train_freq": 4}
NOISE = NormalActionNoise(np.zeros(1), np.full(1, 0.2))
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "ppo": (PPO, {**ON_POLICY, "batch_size": 32}),
    "ppo-gsde": (PPO, {**ON_POLICY, "batch_size": 32, "use_sde": True, "sde_sample_freq": 8}),
    "a2c": (A2C, {}),
    "a2c-gsde": (A2C, {"use_sde": True}),
    "sac": (SAC, OFF_POLICY),
    "sac-gsde": (SAC, {**OFF_POLICY, "use_sde": True}),
    "td3": (TD3, {**OFF_POLICY, "action_noise": NOISE}),
    "drop-in ppo": (sb3_ac_ext.PPO, {**ON_POLICY, "batch_size": 32}),
    "drop-in sac": (sb3_ac_ext.SAC, OFF_POLICY),
}


def trained(case: str, evaluate: Any = None) -> Any:
    cls, kwargs = CASES[case]
    env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=1))
    model = cls("MlpPolicy", env, seed=3, device="cpu", policy_kwargs=dict(SMALL), **kwargs)
    return model.learn(256, callback=evaluate)


def everything(model: Any) -> bytes:
    """All that decides how training would go on."""
    env = model.get_vec_normalize_env()
    inner = [one.unwrapped for one in env.unwrapped.envs]
    buffer = getattr(model, "replay_buffer", None) or model.rollout_buffer
    optimizers = [
        part.optimizer.state_dict()
        for part in (model.policy, getattr(model, "actor", None), getattr(model, "critic", None))
        if hasattr(part, "optimizer")
    ]
    dist = getattr(getattr(model.policy, "actor", model.policy), "action_dist", None)
    return pickle.dumps(
        [
            {name: weights.numpy() for name, weights in model.policy.state_dict().items()},
            [np.asarray(x) for o in optimizers for s in o["state"].values() for x in s.values()],
            random.getstate(),
            np.random.get_state(),  # noqa: NPY002
            th.get_rng_state().numpy(),
            model.action_space.np_random.bit_generator.state,
            [e.np_random.bit_generator.state for e in inner],
            [(e.state, e.last_u) for e in inner],
            (env.obs_rms.mean, env.obs_rms.var, env.obs_rms.count, env.returns),
            (env.ret_rms.mean, env.ret_rms.var, env.ret_rms.count, env.training, env.norm_reward),
            (buffer.observations, buffer.actions, buffer.rewards, model._last_obs),
            [
                getattr(dist, name).detach().numpy()
                for name in ("exploration_mat", "exploration_matrices")
                if hasattr(dist, name)
            ],
            [module.training for module in model.policy.modules()],
            (model.num_timesteps, model._n_updates, model._episode_num),
        ]
    )


def evaluation(cls: Any = UnitEvalCallback, **kwargs: Any) -> Any:
    # as users make it: a normaliser that would learn, and rewards that it would change
    env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=7))
    return cls(env, n_eval_episodes=2, eval_freq=48, verbose=0, **kwargs)


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_training_is_bit_identical(case: str, deterministic: bool, tmp_path: Any) -> None:
    callback = evaluation(
        deterministic=deterministic, best_model_save_path=tmp_path, log_path=tmp_path
    )
    evaluated = everything(trained(case, callback))
    assert len(callback.evaluations_timesteps) == 2
    assert (tmp_path / "best_model.json").is_file()
    assert evaluated == everything(trained(case))


def test_the_comparison_would_see_a_difference() -> None:
    """SB3's own callback draws actions from the generator that training draws from."""
    stock = evaluation(EvalCallback, deterministic=False)
    assert everything(trained("ppo", stock)) != everything(trained("ppo"))


def test_the_evaluation_takes_the_training_statistics_and_never_learns() -> None:
    class Spy(BaseCallback):
        def _on_step(self) -> bool:
            ours, theirs = self.parent.eval_env, self.training_env
            seen.append((ours.training, ours.norm_reward, ours.obs_rms.count, theirs.obs_rms.count))
            np.testing.assert_array_equal(ours.obs_rms.mean, theirs.obs_rms.mean)
            return True

    seen: list[Any] = []
    callback = evaluation(callback_after_eval=Spy())
    trained("ppo", callback)
    assert len(seen) == 2
    for training, norm_reward, ours, theirs in seen:
        assert not training and not norm_reward
        assert ours == theirs
    assert seen[0][2] < seen[1][2], "the statistics of each evaluation are those of its moment"
    assert callback.evaluations_results[0][0] < -100, "rewards as the environment pays them"


def test_statistics_go_to_the_normaliser_that_the_policy_sees_through() -> None:
    """Whatever normalises rewards alone stands elsewhere in the two stacks."""

    def below(env: Any, **kwargs: Any) -> VecNormalize:
        return VecNormalize(VecNormalize(env, norm_obs=False), **kwargs)

    callback = UnitEvalCallback(
        VecNormalize(make_vec_env("Pendulum-v1")), n_eval_episodes=1, eval_freq=100, verbose=0
    )
    env = VecNormalize(below(make_vec_env("Pendulum-v1"), norm_obs=True), norm_obs=False)
    A2C("MlpPolicy", env, device="cpu", seed=0).learn(100, callback=callback)
    assert callback.eval_env.obs_rms.count == env.venv.obs_rms.count
    assert callback.eval_env.obs_rms is not env.venv.obs_rms
