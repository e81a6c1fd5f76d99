"""SB3's own files: stock ones read in full, malicious ones are told and stay unexecuted."""

import io
import json
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ac_ext.inspection import Group, Verdict, inspect_file
from sb3_ac_ext.inspection.records import Tensor
from tests.inspection.files import Evil, evil_data, evil_weights, rewritten, zipped


def test_a_stock_ppo(ppo_zip):
    report = inspect_file(ppo_zip)
    assert report.verdict is Verdict.EXPECTED
    assert report.kind == "SB3 model"
    assert report.title.startswith(
        "PPO with ActorCriticPolicy, 16 steps, saved by Stable-Baselines3"
    )
    model = PPO.load(ppo_zip)
    assert report.facts["observation_space"].startswith("Box([-4.8, -inf")
    assert report.facts["action_space"] == str(model.action_space) == "Discrete(2)"
    assert report.hyperparameters["gamma"] == model.gamma
    assert report.hyperparameters["clip_range"] == "ConstantSchedule(val=0.2)"
    assert report.hyperparameters["policy_kwargs"] == {"net_arch": [4]}
    told = report.parameters["policy.pth"]
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in told.items()} == {
        name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in model.policy.state_dict().items()
    }
    optimizer = report.optimizers["policy.optimizer.pth"]
    assert optimizer["parameters"] == len(list(model.policy.parameters()))
    assert optimizer["state"] == ["exp_avg", "exp_avg_sq", "step"]
    assert optimizer["groups"][0]["lr"] == pytest.approx(3e-4)
    assert report.versions["PyTorch"] == th.__version__
    assert sum(file.size for file in report.files) <= report.size


def test_a_stock_sac_with_gsde_a_lambda_and_dict_observations(sac_zip):
    report = inspect_file(sac_zip)
    assert report.verdict is Verdict.CODE
    (code,) = report.of(Group.CODE)
    assert code.name.startswith("function <lambda> (files.py, line ")
    assert code.where == ("data: learning_rate", "data: lr_schedule")
    assert not report.of(Group.SUSPICIOUS)
    assert report.title.startswith("SAC with MultiInputPolicy, 6 steps")
    assert "position: Box(-1.0, 1.0, (3,), float32)" in report.facts["observation_space"]
    assert "gear: Discrete(4)" in report.facts["observation_space"]
    assert report.hyperparameters["use_sde"] is True
    assert report.hyperparameters["train_freq"] == "TrainFreq(1, step)"
    assert report.parameters["pytorch_variables.pth"] == {"log_ent_coef": Tensor((1,), "float32")}
    assert len(report.optimizers) == 3


def test_a_replay_buffer(sac_zip):
    report = inspect_file(sac_zip.with_name("replay_buffer.pkl"))
    assert report.verdict is Verdict.EXPECTED
    assert report.kind == "SB3 replay buffer"
    assert report.title == "DictReplayBuffer, 6 of 20 rows, n_envs 1"
    assert report.parameters["arrays"]["observations.image"] == Tensor((20, 1, 3, 36, 36), "uint8")


def test_a_normaliser(tmp_path):
    env = VecNormalize(DummyVecEnv([lambda: gym.make("Pendulum-v1")]), clip_obs=7.0)
    env.reset()
    env.save(str(tmp_path / "vecnormalize.pkl"))
    report = inspect_file(tmp_path / "vecnormalize.pkl")
    assert (report.kind, report.verdict) == ("SB3 VecNormalize", Verdict.EXPECTED)
    assert report.hyperparameters["clip_obs"] == 7.0
    assert "count=" in report.hyperparameters["obs_rms"]
    assert report.parameters["arrays"]["obs_rms.mean"] == Tensor((3,), "float64")


def test_action_noise_and_algorithms_by_their_settings(tmp_path):
    noise = NormalActionNoise(np.zeros(1), np.ones(1))
    TD3("MlpPolicy", "Pendulum-v1", action_noise=noise, buffer_size=10).save(tmp_path / "td3")
    report = inspect_file(tmp_path / "td3.zip")
    assert (report.facts["algorithm"], report.verdict) == ("TD3", Verdict.EXPECTED)
    assert report.hyperparameters["action_noise"].startswith("NormalActionNoise(_mu=[0.0]")


def test_a_policy_of_its_own(tmp_path, ppo_zip):
    PPO.load(ppo_zip).policy.save(str(tmp_path / "policy.pth"))
    report = inspect_file(tmp_path / "policy.pth")
    assert (report.kind, report.verdict) == ("file of torch", Verdict.EXPECTED)
    assert report.parameters["tensors"]["state_dict.action_net.bias"] == Tensor((2,), "float32")


@pytest.fixture
def marker(tmp_path) -> Path:
    return tmp_path / "marker"


def test_the_malicious_objects_of_these_tests_would_run(marker):
    pickle.loads(pickle.dumps(Evil(marker)))
    assert marker.exists()


def test_a_command_in_data(tmp_path, ppo_zip, marker):
    path = rewritten(ppo_zip, tmp_path / "evil.zip", {"data": evil_data(ppo_zip, marker)})
    report = inspect_file(path)
    assert report.verdict is Verdict.SUSPICIOUS
    (use,) = report.of(Group.SUSPICIOUS)
    assert (use.kind, use.name, use.where) == ("calls", "posix.system", ("data: policy_kwargs",))
    assert use.arguments == f"'touch {marker}'"[:120]
    assert not marker.exists()


def test_base64_that_only_a_lenient_reader_takes(tmp_path, ppo_zip, marker):
    data = json.loads(evil_data(ppo_zip, marker))
    text = data["policy_kwargs"][":serialized:"]
    data["policy_kwargs"][":serialized:"] = "!\n".join(text)
    path = rewritten(ppo_zip, tmp_path / "evil.zip", {"data": json.dumps(data).encode()})
    assert inspect_file(path).verdict is Verdict.SUSPICIOUS


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", ["policy.pth", "folder/other.pth"])
def test_a_command_in_weights(tmp_path, ppo_zip, marker, name, legacy):
    path = rewritten(ppo_zip, tmp_path / "evil.zip", {name: evil_weights(marker, legacy)})
    report = inspect_file(path)
    (use,) = report.of(Group.SUSPICIOUS)
    assert (use.name, use.where) == ("posix.system", (name,))
    assert report.parameters[name] == {"weight": Tensor((2, 3), "float32")}
    assert "weights_only=True" in report.notes[0]
    assert not marker.exists()


def test_a_pickle_in_front_of_weights(tmp_path, ppo_zip, marker):
    """torch decides by the first bytes, a reader of zip files by the last."""
    evil = pickle.dumps(Evil(marker)) + evil_weights(marker)
    report = inspect_file(rewritten(ppo_zip, tmp_path / "evil.zip", {"policy.pth": evil}))
    assert report.verdict is Verdict.SUSPICIOUS
    path = tmp_path / "both.pkl"
    path.write_bytes(pickle.dumps(Evil(marker)) + ppo_zip.read_bytes())
    with pytest.raises(ValueError, match="something before its zip archive"):
        inspect_file(path)
    assert not marker.exists()


def test_a_tar_that_begins_like_a_harmless_pickle(tmp_path, ppo_zip):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("N."))
    assert pickle.loads(stream.getvalue()) is None
    path = rewritten(ppo_zip, tmp_path / "x.zip", {"policy.pth": stream.getvalue()})
    with pytest.raises(ValueError, match=r"policy\.pth: is a tar archive"):
        inspect_file(path)


def test_two_pickles_that_differ_in_case_only(tmp_path, ppo_zip):
    with zipfile.ZipFile(ppo_zip) as archive:
        weights = archive.read("policy.pth")
    with zipfile.ZipFile(io.BytesIO(weights)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    zipped(tmp_path / "policy.pth", {**parts, "archive/DATA.pkl": b"N."})
    new = {"policy.pth": (tmp_path / "policy.pth").read_bytes()}
    with pytest.raises(ValueError, match=r"holds 2 entries data\.pkl"):
        inspect_file(rewritten(ppo_zip, tmp_path / "x.zip", new))


def test_compiled_code_in_weights(tmp_path, ppo_zip):
    stream = io.BytesIO()
    th.jit.save(th.jit.script(th.nn.Linear(1, 1)), stream)
    report = inspect_file(
        rewritten(ppo_zip, tmp_path / "evil.zip", {"policy.pth": stream.getvalue()})
    )
    assert "torch.jit.load" in [use.name for use in report.of(Group.SUSPICIOUS)]


def test_weights_whose_numbers_are_missing(tmp_path, ppo_zip):
    with zipfile.ZipFile(ppo_zip) as archive:
        weights = archive.read("policy.pth")
    with zipfile.ZipFile(io.BytesIO(weights)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    shorter = {name: data for name, data in parts.items() if name != "archive/data/0"}
    shorter["archive/data/1"] = shorter["archive/data/1"][:-4]
    zipped(tmp_path / "policy.pth", shorter)
    new = {"policy.pth": (tmp_path / "policy.pth").read_bytes()}
    report = inspect_file(rewritten(ppo_zip, tmp_path / "x.zip", new))
    assert report.verdict is Verdict.DAMAGED
    assert "are missing" in report.problems[0]
    assert "12 bytes of numbers, 16 declared" in report.problems[1]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("data", b"{", "data: is no JSON"),
        ("data", b"[1]", "is a JSON list, not an object"),
        ("data", b"[" * 200_000, "nested too deep"),
        ("data", b'{"a": {":serialized:": 3}}', "data: a: is no base64"),
        ("data", b'{"a": {":serialized:": "gAQ="}}', "data: a: no readable pickle"),
        ("data", b'{"a": ' + b" " * (64 << 20) + b"1}", "at most 67,108,864 are read"),
        ("policy.pth", b"", "policy.pth: no readable pickle"),
        ("policy.pth", b"PK\x03\x04", "policy.pth: damaged: there is no byte"),
    ],
)
def test_entries_that_cannot_be_read(tmp_path, ppo_zip, name, data, message):
    path = rewritten(ppo_zip, tmp_path / "x.zip", {name: data})
    with pytest.raises(ValueError, match=message) as caught:
        inspect_file(path)
    assert str(path) in str(caught.value)


def test_other_zips_and_files(tmp_path):
    with pytest.raises(ValueError, match="neither an SB3 model, a file of torch nor a bundle"):
        inspect_file(zipped(tmp_path / "x.zip", {"a.txt": b""}))
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.txt: no readable pickle"):
        inspect_file(tmp_path / "text.txt")
    with pytest.raises(ValueError, match="there is no such file"):
        inspect_file(tmp_path / "nothing.zip")


def test_inspection_needs_neither_torch_nor_sb3(ppo_zip):
    code = (
        "import sys; from sb3_ac_ext import inspect_file; inspect_file(sys.argv[1]);"
        "print([m for m in ('torch', 'gymnasium', 'stable_baselines3', 'cloudpickle')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ppo_zip)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
