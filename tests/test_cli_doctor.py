"""``sb3-ac doctor``: what is printed, the JSON, the exit status, bad input."""

from __future__ import annotations

import json

import pytest

from sb3_ac_ext.cli import main
from sb3_ac_ext.doctor import Check, Examination, Status
from tests.doctor import planted

BROKEN = ["--gym-packages", "tests.doctor.broken"]


def examination(*statuses):
    checks = [Check(f"check {s}", Status(s), f"seen {s}", f"remedy {s}") for s in statuses]
    return Examination("Toy-v0", tuple(checks), 1.25)


@pytest.fixture
def found(monkeypatch):
    """Let every examination find the same, to test what is made of it."""

    def set_found(*statuses):
        monkeypatch.setattr(
            "sb3_ac_ext.doctor.examine", lambda *args, **kwargs: examination(*statuses)
        )

    return set_found


@pytest.mark.parametrize(
    ("statuses", "code", "verdict"),
    [
        (["ok", "ok"], 0, "Verdict: ok: nothing found (1.2 s)"),
        (["ok", "note", "skipped"], 0, "Verdict: ok: 1 note, 1 skipped (1.2 s)"),
        (
            ["note", "warning", "warning"],
            0,
            "Verdict: warning: 2 warnings, 1 note; first of all, check warning: seen warning",
        ),
        (
            ["ok", "warning", "fail"],
            1,
            "Verdict: fail: 1 failure, 1 warning; first of all, check fail: seen fail",
        ),
        (["skipped"], 1, "Verdict: skipped: 1 skipped (1.2 s)"),
    ],
)
def test_verdict_and_exit_status(found, capsys, statuses, code, verdict):
    found(*statuses)
    assert main(["doctor", "--env", "Toy-v0"]) == code
    out = capsys.readouterr().out
    assert out.startswith("Toy-v0\n") and verdict in out.splitlines()[-1]
    assert main(["doctor", "--env", "Toy-v0", "--json"]) == code


def test_the_gravest_comes_first(found, capsys):
    found("ok", "note", "fail", "skipped", "warning")
    main(["doctor", "--env", "Toy-v0"])
    lines = capsys.readouterr().out.splitlines()
    order = [line.split()[0] for line in lines[1:-1] if " check " in line and " seen " in line]
    order = order[1:]  # the heading
    assert order == ["fail", "warning", "note", "skipped", "ok"]
    assert any("try: remedy fail" in line for line in lines)
    assert not any("remedy ok" in line for line in lines)


def test_json_is_one_document(found, capsys):
    found("ok", "fail")
    main(["doctor", "--env", "Toy-v0", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "fail" and document["seconds"] == 1.25
    assert document["checks"][0] == {
        "name": "check fail",
        "status": "fail",
        "message": "seen fail",
        "remedy": "remedy fail",
    }


def test_a_sound_environment(capsys):
    assert main(["doctor", "--env", "CartPole-v1", "--algo", "ppo"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("CartPole-v1 with ppo (ppo.yml, entry 'CartPole-v1')")
    assert "Verdict: ok" in out and "evaluation wrappers" in out


def test_a_broken_environment(capsys):
    assert main(["doctor", "--env", "DoctorStale-v0", *BROKEN]) == 1
    out = capsys.readouterr().out
    assert "first of all, stale observations: the first step returns" in out


def test_flags_reach_the_examination(capsys, tmp_path):
    conf = tmp_path / "own.yml"
    conf.write_text("Pendulum-v1:\n  n_timesteps: 1000\n  policy: MlpPolicy\n")
    flags = ["--env", "Pendulum-v1", "--algo", "sac", "-conf", str(conf), "--json", "--seed", "5"]
    flags += ["-params", "learning_starts:2000", "--env-kwargs", "g:5.0", "--timeout", "40"]
    assert main(["doctor", *flags]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["checks"][0]["name"] == "learning_starts"
    assert "2,000 of 1,000 steps" in document["checks"][0]["message"]
    assert "own.yml" in document["subject"]


def test_an_algorithm_that_cannot_act_there(capsys):
    assert main(["doctor", "--env", "CartPole-v1", "--algo", "sac"]) == 1
    assert "it needs Box actions" in capsys.readouterr().out


def test_a_custom_algorithm_by_its_path(capsys, monkeypatch):
    path = f"{planted.__name__}.Raises"
    assert main(["doctor", "--algo", path, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["subject"] == "Raises in probe environments"
    assert document["verdict"].endswith("training raises RuntimeError: shapes do not fit")


def test_a_custom_algorithm_beside_an_environment_is_probed_too(capsys):
    path = f"{planted.__name__}.Raises"
    assert main(["doctor", "--env", "CartPole-v1", "--algo", path, "--json"]) == 1
    names = {check["name"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert {"probe: value fit (discrete)", "worker seeds"} <= names


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "nothing to examine"),
        (["--env", "CartPol-v1"], "did you mean 'CartPole-v1'"),
        (["--algo", "pppo"], "did you mean 'ppo'"),
        (["--algo", "no_such_package.MyPPO"], "there is no module 'no_such_package'"),
        (["--algo", "collections.OrderedDict"], "does not subclass BaseAlgorithm"),
        (["--algo", "sb3_contrib.ARS"], "no critic to examine"),
        (["--env", "CartPole-v1", "-conf", "x.yml"], "name --env and --algo"),
        (["--env", "CartPole-v1", "--algo", "ppo", "-conf", "x.yml"], "cannot be read"),
        (["--env", "CartPole-v1", "--env-kwargs", "gravity"], "--env-kwargs"),
        (["--env", "CartPole-v1", "--timeout", "-1"], "timeout=-1"),
        (["--env", "CartPole-v1", "--timeout", "soon"], "invalid float value"),
        (["--env", "CartPole-v1", "--seed", "-1"], "seed=-1"),
        (["--env", "CartPole-v1", "--algo", "ppo", "-params", "n_step:5"], "n_steps"),
    ],
)
def test_bad_input_is_one_sentence(capsys, flags, words):
    assert main(["doctor", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert words in captured.err
