import re

import gymnasium as gym
import pytest
import torch as th
from stable_baselines3 import PPO, SAC, HerReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from sb3_ac_ext import registry
from sb3_ac_ext.config import load_config, read_table
from sb3_ac_ext.config.constructor import constructor_parameters


def own_wrapper(env: gym.Env, scale: float = 1.0) -> gym.Env:
    return gym.wrappers.TransformReward(env, lambda reward: scale * reward)


def own_schedule(progress_remaining: float) -> float:
    return 0.1 * progress_remaining


class OwnCallback(BaseCallback):
    def __init__(self, scale: float, limit: int | None = None):
        super().__init__()
        self.limit = abs(scale) + (limit or 0)

    def _on_step(self) -> bool:
        return True


@pytest.fixture
def load(tmp_path):
    """Load one entry, written as YAML."""

    def load(text, algo="ppo", env_id="Some-v0", head="policy: MlpPolicy, n_timesteps: 100", **kw):
        path = tmp_path / "conf.yml"
        path.write_text(f"Some-v0: {{{head}, {text}}}" if head else text)
        return load_config(algo, env_id, str(path), **kw)

    return load


def test_settings_are_split_by_who_needs_them(load):
    config = load(
        "n_envs: 4, gamma: 0.9, normalize: true, frame_stack: 2, n_steps: 1e2, "
        "env_kwargs: {a: 1}, monitor_kwargs: \"dict(info_keywords=('x',))\""
    )
    assert config.hyperparameters == {"policy": "MlpPolicy", "gamma": 0.9, "n_steps": 100}
    assert type(config.hyperparameters["n_steps"]) is int
    assert (config.n_timesteps, config.entry) == (100, "Some-v0")
    env = config.environment
    assert (env.n_envs, env.frame_stack, env.normalize) == (4, 2, {"gamma": 0.9})
    assert env.env_kwargs == env.eval_env_kwargs == {"a": 1}
    assert env.monitor_kwargs == {"info_keywords": ("x",)}


def test_evaluation_may_have_its_own_arguments(load):
    env = load("env_kwargs: {a: 1}, eval_env_kwargs: {a: 2}").environment
    assert (env.env_kwargs, env.eval_env_kwargs) == ({"a": 1}, {"a": 2})


def test_overrides_win_and_are_kept(load):
    config = load("gamma: 0.9, normalize: true", overrides={"gamma": 0.5}, n_timesteps=7)
    assert config.hyperparameters["gamma"] == config.environment.normalize["gamma"] == 0.5
    assert config.n_timesteps == 7
    assert config.raw["gamma"] == 0.5
    assert config.raw["n_timesteps"] == 100


def test_n_timesteps_may_come_from_the_command_line_alone(load):
    assert load("gamma: 0.9", head="policy: MlpPolicy", n_timesteps=7).raw["n_timesteps"] == 7


@pytest.mark.parametrize(
    ("text", "kwargs"),
    [
        ("normalize: false", None),
        ("normalize: true", {"gamma": 0.99}),
        ("normalize: {norm_reward: false}", {"gamma": 0.99, "norm_reward": False}),
        (
            "normalize: 'dict(norm_obs=True, clip_obs=5)'",
            {"gamma": 0.99, "norm_obs": True, "clip_obs": 5},
        ),
        ("normalize: {gamma: 0.5}", {"gamma": 0.5}),
    ],
)
def test_normalize(load, text, kwargs):
    assert load(text).environment.normalize == kwargs


def test_schedules(load):
    values = load("learning_rate: cos_2, clip_range: lin_0.4, clip_range_vf: -1").hyperparameters
    assert values["learning_rate"](0.5) == pytest.approx(1.0)
    assert values["clip_range"](0.5) == pytest.approx(0.2)
    assert values["clip_range_vf"] is None
    values = load("learning_rate: 1e-3, clip_range_vf: 0.3").hyperparameters
    assert values["learning_rate"](0.5) == 1e-3
    assert values["clip_range_vf"](0.5) == 0.3
    assert (
        load("learning_rate: tests.test_config.own_schedule").hyperparameters["learning_rate"](0.5)
        == 0.05
    )


@pytest.mark.parametrize(
    ("algo", "text", "value", "scheduled"),
    [
        ("ppo", "ent_coef: 0.01", 0.01, None),
        ("ppo", "ent_coef: lin_0.01", 0.01, 0.005),
        ("a2c", "ent_coef: cos_0.01", 0.01, 0.005),
        ("ppo", "ent_coef: tests.test_config.own_schedule", 0.1, 0.05),
        ("sac", "ent_coef: auto", "auto", None),
        ("tqc", "ent_coef: auto_0.1", "auto_0.1", None),
        ("sac", "ent_coef: '0.2'", 0.2, None),
        ("crossq", "ent_coef: lin_0.2", 0.2, 0.1),
    ],
)
def test_ent_coef(load, algo, text, value, scheduled):
    config = load(text, algo)
    assert config.hyperparameters["ent_coef"] == value
    assert (config.ent_coef_schedule is None) == (scheduled is None)
    if scheduled is not None:
        assert config.ent_coef_schedule(0.5) == pytest.approx(scheduled)


@pytest.mark.parametrize(
    "form",
    ["{net_arch: [8], activation_fn: nn.ReLU}", "'dict(net_arch=[8], activation_fn=nn.ReLU)'"],
)
def test_policy_kwargs_as_mapping_or_string(load, form):
    kwargs = load(f"policy_kwargs: {form}").hyperparameters["policy_kwargs"]
    assert kwargs == {"net_arch": [8], "activation_fn": nn.ReLU}


def test_names_of_classes_are_found_at_any_depth(load):
    text = (
        "replay_buffer_class: HerReplayBuffer, replay_buffer_kwargs: dict(n_sampled_goal=4), "
        "train_freq: [1, episode], policy_kwargs: {optimizer_class: th.optim.SGD, "
        "optimizer_kwargs: {momentum: 0.9}}"
    )
    values = load(text, "sac").hyperparameters
    assert values["replay_buffer_class"] is HerReplayBuffer
    assert values["replay_buffer_kwargs"] == {"n_sampled_goal": 4}
    assert values["train_freq"] == (1, "episode")
    assert values["policy_kwargs"]["optimizer_class"] is th.optim.SGD


def test_policy_by_path(load):
    path = "stable_baselines3.common.policies.ActorCriticPolicy"
    config = load("gamma: 0.9", head=f"policy: {path}, n_timesteps: 1")
    assert config.hyperparameters["policy"] is ActorCriticPolicy


def test_components(load):
    path = "stable_baselines3.common.callbacks.CheckpointCallback"
    config = load(
        f"callback: [{path}: {{save_freq: 10, save_path: x}}], "
        "env_wrapper: gymnasium.wrappers.FlattenObservation, "
        "vec_env_wrapper: {stable_baselines3.common.vec_env.VecCheckNan: {raise_exception: true}}"
    )
    assert isinstance(config.callbacks[0].build(), CheckpointCallback)
    assert config.environment.env_wrapper[0].target is gym.wrappers.FlattenObservation
    assert config.environment.vec_env_wrapper[0].kwargs == {"raise_exception": True}


def test_a_component_is_checked_before_it_is_called(load, tmp_path):
    for key in ("callback", "env_wrapper", "vec_env_wrapper"):
        with pytest.raises(ValueError, match=f"^{key}: 'os.mkdir' is no subclass"):
            load(f"{key}: [os.mkdir: {{path: {tmp_path / 'made'}}}]")
    assert not (tmp_path / "made").exists()


def test_a_function_may_wrap_an_environment(load):
    config = load("env_wrapper: {tests.test_config.own_wrapper: {scale: 2}}")
    (wrapper,) = config.environment.env_wrapper
    env = wrapper.build(gym.make("CartPole-v1"))
    env.reset(seed=0)
    assert env.step(0)[1] == 2.0


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ("{scale: 2, limit: x}", "limit='x': it is not of type int or null"),
        ("{scale: [1]}", r"scale=\[1\]: it is not of type float"),
        ("{scal: 2}", "{'scal': 2}: .*unexpected keyword argument 'scal'"),
    ],
)
def test_a_refused_keyword_is_named(load, keywords, message):
    (component,) = load(f"callback: {{tests.test_config.OwnCallback: {keywords}}}").callbacks
    with pytest.raises(ValueError, match=f"OwnCallback refuses {message}"):
        component.build()


def test_merged_yaml_keys_may_be_overridden(load):
    text = (
        "Base-v0: &base {policy: MlpPolicy, n_timesteps: 1, gamma: 0.9}\n"
        "Mid-v0: &mid {<<: *base, gamma: 0.8}\n"
        "Some-v0: {<<: *mid, gamma: 0.7}\n"
    )
    assert load(text, head="").hyperparameters["gamma"] == 0.7


@pytest.mark.parametrize(
    ("text", "noise"),
    [
        ("noise_type: normal, noise_std: 0.1", "NormalActionNoise"),
        ("noise_type: ornstein-uhlenbeck, noise_std: 0.5", "OrnsteinUhlenbeckActionNoise"),
        ("noise_type: null, noise_std: 0.1", None),
    ],
)
def test_noise(load, text, noise):
    config = load(text, "td3")
    built = None if config.action_noise is None else config.action_noise.build(3)
    assert (None if built is None else type(built).__name__) == noise
    if built is not None:
        assert built().shape == (3,)
    assert "noise_std" not in config.hyperparameters


@pytest.mark.parametrize(
    ("algo", "text", "message"),
    [
        ("ppo", "lerning_rate: 1", "'lerning_rate', did you mean 'learning_rate'"),
        ("ppo", "normalise: true", "'normalise', did you mean 'normalize'"),
        ("ppo", "seed: 1", "unknown hyperparameter of PPO 'seed'"),
        ("ppo", "noise_type: normal, noise_std: 1", "unknown hyperparameter of PPO 'noise_type'"),
        ("dqn", "ent_coef: 1", "unknown hyperparameter of DQN 'ent_coef'"),
        ("ppo", "n_steps: many", "n_steps: 'many' is not of type int"),
        ("ppo", "n_steps: 1.5", "n_steps: 1.5 is not a whole number"),
        ("ppo", "n_steps: null", "n_steps: None is not of type int"),
        ("ppo", "batch_size: 0", "batch_size: 0 is not between"),
        ("ppo", "gamma: 1.5", "gamma: 1.5 is not between 0 and 1"),
        ("ppo", "gamma: .nan", "gamma: nan is not between"),
        ("ppo", "use_sde: 1", "use_sde: 1 is not of type bool"),
        ("ppo", "n_envs: 0", "n_envs: 0"),
        ("ppo", "n_envs: true", "n_envs: True"),
        ("ppo", "frame_stack: x", "frame_stack: 'x'"),
        ("ppo", "learning_rate: foo_3e-4", "learning_rate: 'foo_3e-4' is not a schedule"),
        ("ppo", "learning_rate: -1", "learning_rate: -1"),
        ("ppo", "ent_coef: auto", "ent_coef: 'auto' is not a schedule"),
        ("sac", "ent_coef: automatic", "ent_coef other than auto: 'automatic'"),
        ("ppo", "normalize: {norm_ob: true}", "'norm_ob', did you mean 'norm_obs'"),
        ("ppo", "normalize: 3", "normalize: 3 is not a mapping"),
        ("ppo", "env_kwargs: [1]", r"env_kwargs: \[1\] is not a mapping"),
        ("ppo", "policy_kwargs: 'dict('", "policy_kwargs: 'dict\\('"),
        ("ppo", "policy_kwargs: {activation_fn: nn.Relu}", "activation_fn: .*did you mean"),
        ("ppo", "env_wrapper: no_such.Wrapper", "env_wrapper: there is no module"),
        ("ppo", "env_wrapper: {a.B: 1, c.D: 2}", "env_wrapper: .*check the indentation"),
        ("ppo", "env_wrapper: 3", "env_wrapper: 3 is neither"),
        ("ppo", "callback: gymnasium.Wrapper", "callback: '.*' is no subclass of BaseCallback"),
        ("ppo", "env_wrapper: os.mkdir", "'os.mkdir' is no subclass of Wrapper, nor a Python fun"),
        ("ppo", "env_wrapper: builtins.dict", "'builtins.dict' is no subclass of Wrapper"),
        ("ppo", "vec_env_wrapper: os.walk", "'os.walk' is no subclass of VecEnvWrapper"),
        ("ppo", "policy_kwargs: {net_arc: [8]}", "'net_arc', did you mean 'net_arch'"),
        ("dqn", "policy_kwargs: {log_std_init: 1}", "unknown policy_kwargs key of MlpPolicy"),
        ("ppo", "gamma: 0.9, gamma: 0.8", "line 1: the key 'gamma' is given twice"),
        ("ppo", "callback: {gymnasium.wrappers.ClipAction: 3}", "must be a mapping, not 3"),
        ("sac", "replay_buffer_class: Nope", "replay_buffer_class: 'Nope'"),
        ("td3", "noise_type: gaussian, noise_std: 1", "unknown noise_type 'gaussian'"),
        ("td3", "noise_type: normal", "noise_type 'normal' needs a noise_std"),
        ("td3", "noise_type: normal, noise_std: -1", "noise_std of at least 0, not -1"),
        ("td3", "noise_std: 0.1", "without noise_type"),
    ],
)
def test_bad_settings_are_named(load, algo, text, message):
    with pytest.raises(ValueError, match=message):
        load(text, algo)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("n_timesteps: 1", "'policy' is missing"),
        ("policy: MlpPolicy", "'n_timesteps' is missing"),
        ("policy: MlpPolicy, n_timesteps: 0", "n_timesteps: 0"),
        ("policy: MlpPolicyy, n_timesteps: 1", "'MlpPolicyy', did you mean 'MlpPolicy'"),
        ("policy: a.B, n_timesteps: 1", "policy: there is no module 'a'"),
        ("policy: 3, n_timesteps: 1", "policy: 3"),
        ("policy: os.mkdir, n_timesteps: 1", "policy: 'os.mkdir' is neither a name nor a subcl"),
    ],
)
def test_what_every_entry_needs(load, head, message):
    with pytest.raises(ValueError, match=message):
        load("gamma: 0.9", head=head)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must map environments to settings, not empty"),
        ("[1]", "must map environments to settings, not list"),
        ("Some-v0: 3", "entry 'Some-v0' must be a mapping, not int"),
        ("Other-v0: {a: 1}", "no entry for 'Some-v0' and no 'default': it has Other-v0"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_bad_files(load, text, message):
    with pytest.raises(ValueError, match=message):
        load(text, head="")


@pytest.mark.parametrize(
    "source", ["absent.yml", "absent.py", "no_such_module", "json", ".", "/dev/null/x.yaml"]
)
def test_bad_sources(source):
    with pytest.raises(ValueError, match=re.escape(source)):
        read_table(source)


def test_default_entry_and_atari(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "default: {policy: MlpPolicy, n_timesteps: 1}\natari: {policy: CnnPolicy, n_timesteps: 2}"
    )
    assert load_config("ppo", "X-v0", str(path)).entry == "default"
    assert load_config("ppo", "X-v0", str(path), is_atari=True).entry == "atari"


def test_python_file_and_module(tmp_path, monkeypatch):
    text = (
        "from stable_baselines3.common.policies import ActorCriticPolicy\n"
        "hyperparams = {'X-v0': dict(policy=ActorCriticPolicy, n_timesteps=5, "
        "learning_rate=lambda p: 2 * p)}\n"
    )
    (tmp_path / "settings_for_test.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for source in (str(tmp_path / "settings_for_test.py"), "settings_for_test"):
        config = load_config("ppo", "X-v0", source)
        assert config.hyperparameters["policy"] is ActorCriticPolicy
        assert config.hyperparameters["learning_rate"](0.5) == 1.0
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        read_table(str(tmp_path / "broken.py"))


def test_subclass_with_keywords_accepts_those_of_its_base(monkeypatch):
    class OwnSAC(SAC):
        def __init__(self, *args, own_weight: float = 1.0, **kwargs):
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(registry, "_ALGORITHMS", dict(registry._ALGORITHMS))
    registry.register("own", OwnSAC)
    assert {"own_weight", "learning_rate"} <= set(constructor_parameters(OwnSAC))
    config = load_config("own", "Pendulum-v1", overrides={"own_weight": 2})
    assert config.hyperparameters["own_weight"] == 2
    assert config.source.endswith("sac.yml")


def test_reserved_arguments_are_not_settings():
    assert not {"env", "seed", "device", "verbose", "tensorboard_log"} & set(
        constructor_parameters(PPO)
    )
