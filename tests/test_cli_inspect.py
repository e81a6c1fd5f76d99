"""``sb3-ac inspect``: exit status, what is printed first, JSON, and one sentence for bad input."""

import base64
import json

import pytest

from sb3_ac_ext.cli import main
from tests.inspection.files import (
    bundle_files,
    evil_data,
    folder,
    listed,
    npz,
    ppo,
    rewritten,
    zipped,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return ppo(tmp_path_factory.mktemp("model") / "ppo.zip")


@pytest.fixture
def evil(tmp_path, model):
    return rewritten(model, tmp_path / "evil.zip", {"data": evil_data(model, tmp_path / "marker")})


def test_a_stock_model(model, capsys):
    assert main(["inspect", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PPO with ActorCriticPolicy, 16 steps")
    assert lines[1] == "EXPECTED: a load only rebuilds data"
    text = "\n".join(lines)
    for part in ("Discrete(2)", "gamma = 0.99", "policy.pth: 8 tensors", "action_net.weight"):
        assert part in text
    assert "torch._utils._rebuild_tensor_v2" not in text


def test_verbose_lists_the_expected_names_and_files(model, capsys):
    assert main(["inspect", str(model), "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "call torch._utils._rebuild_tensor_v2" in text
    assert "system_info.txt" in text


def test_a_suspicious_model(tmp_path, evil, capsys):
    assert main(["inspect", str(evil)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("SUSPICIOUS")
    assert "call posix.system('touch /" in lines[3]
    assert "runs commands" in lines[3]
    assert not (tmp_path / "marker").exists()


def test_modules_of_ones_own(tmp_path, model, capsys):
    text = base64.b64encode(b"cmy_package.policies\nMyPolicy\n.").decode()
    data = json.dumps({"policy_class": {":serialized:": text}}).encode()
    path = str(rewritten(model, tmp_path / "mine.zip", {"data": data}))
    assert main(["inspect", path]) == 1
    assert "import my_package.policies.MyPolicy" in capsys.readouterr().out
    assert main(["inspect", path, "--trust", "my_package"]) == 0
    assert main(["inspect", path, "--trust", "my_pack"]) == 1
    assert main(["inspect", path, "--trust", "my-package"]) == 2
    assert "'my-package' is no name of a module" in capsys.readouterr().err


def test_json(model, evil, capsys):
    assert main(["inspect", str(model), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "expected"
    assert document["parameters"]["policy.pth"]["action_net.bias"] == {
        "shape": [2],
        "dtype": "float32",
    }
    assert main(["inspect", str(evil), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["load"]["suspicious"][0]["name"] == "posix.system"


def test_bundles(tmp_path, capsys):
    path = folder(tmp_path / "bundle-640", bundle_files())
    assert main(["inspect", str(path)]) == 0
    assert "a load executes nothing" in capsys.readouterr().out.splitlines()[1]
    (path / "state.json").write_bytes(b"{}")
    assert main(["inspect", str(path)]) == 1
    text = capsys.readouterr().out
    assert text.splitlines()[1].startswith("DAMAGED")
    assert "state.json: damaged: 2 bytes, not 22" in text


def test_names_in_a_file_cannot_steer_the_terminal(tmp_path, model, capsys):
    data = json.dumps({"gamma\x1b[2J[red]": "\x1b]0;title\x07[bold]x"}).encode()
    assert main(["inspect", str(rewritten(model, tmp_path / "x.zip", {"data": data}))]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "\x07" not in text
    assert r"gamma\x1b[2J[red] = \x1b]0;title\x07[bold]x" in text


def test_bad_input_is_one_sentence(tmp_path, model, capsys):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(model.read_bytes()[:-100])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.pkl").write_bytes(b"")
    cases = [
        tmp_path / "nothing.zip",
        cut,
        tmp_path / "empty",
        tmp_path / "empty.pkl",
        zipped(tmp_path / "up.zip", {"../data": b"{}"}),
        folder(tmp_path / "smuggled", {**bundle_files(), "x.pkl": b"N."}),
        folder(tmp_path / "objects", listed({**bundle_files(), "x.npz": npz(a=[None])})),
    ]
    before = sorted(tmp_path.rglob("*"))
    for path in cases:
        assert main(["inspect", str(path)]) == 2, path
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert path.name in captured.err
        assert "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before
