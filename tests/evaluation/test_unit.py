"""A unit is old or new, and complete, whatever interrupts its saving; a mixture is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext import read_unit
from sb3_ac_ext.evaluation import saving
from sb3_ac_ext.evaluation.episodes import Episode
from sb3_ac_ext.evaluation.saving import complete, describe, save_unit
from sb3_ac_ext.evaluation.unit import Unit, sha256
from sb3_ac_ext.models import check_trained_agent


@pytest.fixture
def model():
    env = VecNormalize(make_vec_env("CartPole-v1", 2, seed=0))
    kwargs = {"n_steps": 8, "batch_size": 8, "policy_kwargs": {"net_arch": [4]}, "device": "cpu"}
    return PPO("MlpPolicy", env, seed=0, **kwargs)


def save(model, folder, step):
    """The unit of a moment: weights and statistics say which."""
    model.num_timesteps = step
    model.get_vec_normalize_env().obs_rms.count = float(step)
    episodes = [Episode(5, float(step), 3, True), Episode(6, 2.0, 4)]
    return save_unit(model, describe(model, episodes, True, 2, 1), folder)


def step_of(folder):
    """Of the unit that is found, with all parts from the same moment."""
    found = read_unit(folder)
    normaliser = VecNormalize.load(str(found.vecnormalize), make_vec_env("CartPole-v1"))
    steps = {
        found.unit.num_timesteps,
        PPO.load(found.model).num_timesteps,
        int(normaliser.obs_rms.count),
        int(found.unit.episodes[0]["return"]),
    }
    assert len(steps) == 1
    return steps.pop()


def test_what_is_kept(model, tmp_path):
    unit = save(model, tmp_path, 7)
    assert {path.name for path in tmp_path.iterdir()} == {
        "best_model.json",
        "best_model.zip",
        "best_model_vecnormalize.pkl",
    }
    told = json.loads((tmp_path / "best_model.json").read_text())
    assert told["files"] == {
        name: sha256(tmp_path / name) for name in ("best_model.zip", "best_model_vecnormalize.pkl")
    }
    assert (told["mode"], told["seeds"], told["n_envs"]) == ("deterministic", [5, 6], 2)
    assert told["episodes"][0] == {"seed": 5, "return": 7.0, "length": 3, "is_success": True}
    assert (told["mean"], told["interval_method"]) == (4.5, "t")
    assert told["interval_95"] == pytest.approx([4.5 - 31.765512, 4.5 + 31.765512])
    assert (told["env"], told["algorithm"]) == ("CartPole-v1", "stable_baselines3.ppo.ppo.PPO")
    assert "torch" in told["versions"] and told["saved"]
    assert read_unit(tmp_path).unit == unit == Unit.from_json(unit.to_json())


def test_hashes_are_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


class Crash(BaseException):
    """Like a killed process: nothing in the package handles it."""


def crash_after(monkeypatch, n):
    """End the saving before its write or rename number ``n``; returns how many there were."""
    count = 0

    def counted(function):
        def wrapper(*args, **kwargs):
            nonlocal count
            if count == n:
                raise Crash
            count += 1
            return function(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(Path, "write_text", counted(Path.write_text))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(PPO, "save", counted(PPO.save))
    monkeypatch.setattr(VecNormalize, "save", counted(VecNormalize.save))
    monkeypatch.setattr(saving, "_flush", counted(saving._flush))
    return lambda: count


def test_a_crash_at_any_moment_leaves_one_complete_unit(model, tmp_path, monkeypatch):
    seen, n = [], 0
    while True:
        folder = tmp_path / str(n)
        folder.mkdir()
        save(model, folder, 100)
        with monkeypatch.context() as patched:
            steps = crash_after(patched, n)
            try:
                save(model, folder, 200)
                break
            except Crash:
                assert steps() == n
        seen.append(step_of(folder))
        # what comes after the crash finds it, too, and replaces it
        complete(folder)
        assert step_of(folder) == seen[-1]
        found = read_unit(folder)
        assert (found.model.name, found.vecnormalize.name) == (
            "best_model.zip",
            "best_model_vecnormalize.pkl",
        )
        n += 1
    assert seen == sorted(seen) and set(seen) == {100, 200}
    assert len(seen) == 10, "three writes, three flushes, three renames and the folder's flush"
    assert step_of(folder) == 200


def test_two_crashes_in_a_row(model, tmp_path, monkeypatch):
    """The second must not overwrite files that the first left under their temporary names."""
    for second in range(10):
        folder = tmp_path / str(second)
        folder.mkdir()
        save(model, folder, 100)
        for n, step in ((7, 200), (second, 300)):
            with monkeypatch.context() as patched:
                crash_after(patched, n)
                with pytest.raises(Crash):
                    save(model, folder, step)
        assert step_of(folder) in (200, 300)


def test_a_first_unit_that_was_never_finished_is_none(model, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        crash_after(patched, 4)
        with pytest.raises(Crash):
            save(model, tmp_path, 100)
    assert read_unit(tmp_path) is None
    save(model, tmp_path, 200)
    assert step_of(tmp_path) == 200


@pytest.mark.parametrize("name", ["best_model.zip", "best_model_vecnormalize.pkl"])
def test_a_mixture_is_refused(model, tmp_path, name):
    for step in (1, 2):
        (tmp_path / str(step)).mkdir()
        save(model, tmp_path / str(step), step)
    shutil.copy(tmp_path / "1" / name, tmp_path / "2" / name)
    message = f"{name}' is not the file that best_model.json .* files of two models are mixed"
    with pytest.raises(ValueError, match=message):
        read_unit(tmp_path / "2")
    with pytest.raises(ValueError, match=message):
        check_trained_agent(str(tmp_path / "2" / "best_model.zip"))
    (tmp_path / "2" / name).unlink()
    with pytest.raises(ValueError, match=f"{name}' is missing, which best_model.json beside it"):
        read_unit(tmp_path / "2")
    save(model, tmp_path / "2", 3)
    assert step_of(tmp_path / "2") == 3


def test_a_normaliser_of_another_model_does_not_stay_behind(model, tmp_path):
    save(model, tmp_path, 1)
    plain = PPO("MlpPolicy", make_vec_env("CartPole-v1"), n_steps=8, batch_size=8, device="cpu")
    save_unit(plain, describe(plain, [Episode(0, 1.0, 1)], False, 1, 1), tmp_path)
    found = read_unit(tmp_path)
    assert found.vecnormalize is None
    assert found.unit.mode == "stochastic" and np.isnan(found.unit.mean.low)
    assert not (tmp_path / "best_model_vecnormalize.pkl").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1}'])
def test_a_record_that_cannot_be_read(tmp_path, text):
    (tmp_path / "best_model.json").write_text(text)
    with pytest.raises(ValueError, match=r"best_model.json' cannot be read: it is no record"):
        read_unit(tmp_path)


def test_fields_of_another_type(model, tmp_path):
    told = json.loads(save(model, tmp_path, 1).to_json())
    for key, value in {"seeds": 3, "files": [], "interval_95": [1], "mode": "fast"}.items():
        (tmp_path / "best_model.json").write_text(json.dumps({**told, key: value}))
        with pytest.raises(ValueError, match="it is no record"):
            read_unit(tmp_path)


def test_a_unit_that_is_replaced_while_it_is_read_is_read_again(model, tmp_path, monkeypatch):
    from sb3_ac_ext.evaluation import opening

    save(model, tmp_path, 1)
    original, calls = opening._matching, []

    def replaced_meanwhile(*args):
        calls.append(args)
        if len(calls) == 1:
            save(model, tmp_path, 2)
        return original(*args)

    monkeypatch.setattr(opening, "_matching", replaced_meanwhile)
    monkeypatch.setattr(saving, "complete", lambda folder: None)
    assert read_unit(tmp_path).unit.num_timesteps == 2
