"""SB3's logger: scalars and text in TensorBoard, SB3's dumps untouched; and wandb alerts."""

import csv
import sys
import types
import warnings

import pytest
from stable_baselines3.common.logger import configure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sb3_ac_ext.monitoring.records import Finding, RunInfo, Snapshot
from sb3_ac_ext.monitoring.sinks.tensorboard import LoggerSink
from sb3_ac_ext.monitoring.sinks.wandb_sink import WandbSink
from tests.test_sinks_files import FINDING, VERDICT

LONG = "gradients/policy/norm_mean_of_a_name_beyond_36_characters_"
FORMATS = ["tensorboard", "csv", "json", "log", "stdout"]


def snapshot(step):
    values = {"policy/kl": step / 1e4, LONG + "a": 1.0, LONG + "b": 2.0, "q/max": float("nan")}
    return Snapshot(step, 0.0, values)


def events(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def texts(folder):
    events_of_text = events(folder).Tensors("diag/findings/text_summary")
    return [(e.step, e.tensor_proto.string_val[0].decode()) for e in events_of_text]


def test_scalars_and_findings_reach_tensorboard_when_sb3_dumps(tmp_path, capsys):
    logger = configure(str(tmp_path), FORMATS)
    sink = LoggerSink(logger)
    sink.start(RunInfo())
    for step in (100, 200):
        sink.snapshot(snapshot(step))
        sink.finding(FINDING)
        sink.finding(FINDING)
        logger.record("rollout/ep_rew_mean", 1.5)
        logger.record("time/total_timesteps", step, exclude="tensorboard")
        logger.dump(step)
    kl = events(tmp_path).Scalars("diag/policy/kl")
    assert [(e.step, round(e.value, 5)) for e in kl] == [(100, 0.01), (200, 0.02)]
    (first, text), _ = texts(tmp_path)
    assert first == 100
    assert text.count("KL 0.3 above 0.05") == 2
    assert "**critical** at step 20 (since 10)" in text
    assert "Lower learning_rate." in text
    for human in (capsys.readouterr().out, (tmp_path / "log.txt").read_text()):
        assert "ep_rew_mean" in human
        assert "diag" not in human
    with (tmp_path / "progress.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["diag/policy/kl"] for row in rows] == ["0.01", "0.02"]
    assert "diag/findings" not in rows[0]
    assert "diag/findings" not in (tmp_path / "progress.json").read_text()


def test_finish_writes_what_waits_to_tensorboard_and_leaves_the_rest_alone(tmp_path, capsys):
    logger = configure(str(tmp_path), FORMATS)
    logger.record("train/loss", 0.25)
    capsys.readouterr()
    sink = LoggerSink(logger)
    sink.snapshot(snapshot(300))
    sink.finding(FINDING)
    sink.finish(VERDICT)
    sink.finish(VERDICT)
    assert capsys.readouterr().out == ""
    assert dict(logger.name_to_value) == {"train/loss": 0.25}
    assert set(logger.name_to_excluded) == {"train/loss"}
    read = events(tmp_path)
    assert [e.step for e in read.Scalars("diag/policy/kl")] == [300]
    assert "train/loss" not in read.Tags()["scalars"]
    assert [step for step, _ in texts(tmp_path)] == [300]
    assert (tmp_path / "progress.csv").read_text() == ""
    logger.dump(400)
    assert [e.step for e in events(tmp_path).Scalars("train/loss")] == [400]


@pytest.mark.parametrize("formats", [[], ["stdout"], ["csv"]])
def test_a_logger_without_tensorboard(tmp_path, formats):
    logger = configure(str(tmp_path), formats)
    sink = LoggerSink(logger)
    sink.snapshot(snapshot(1))
    sink.finding(FINDING)
    logger.record("a", 1)
    logger.dump(1)
    sink.snapshot(snapshot(2))
    sink.finish(VERDICT)
    assert not logger.name_to_value


def test_a_finding_leaves_no_stray_key_in_the_default_dict(tmp_path):
    logger = configure(str(tmp_path), ["csv"])
    sink = LoggerSink(logger)
    sink.finding(FINDING)
    assert set(logger.name_to_value) == set(logger.name_to_excluded) == {"diag/findings"}


def test_a_closed_writer_warns(tmp_path):
    logger = configure(str(tmp_path), ["tensorboard"])
    sink = LoggerSink(logger)
    sink.snapshot(snapshot(1))
    logger.close()
    with pytest.warns(UserWarning, match="TensorBoard misses the last values"):
        sink.finish(VERDICT)


# Weights & Biases


def warning_of(finding):
    return Finding.from_json({**finding.to_json(), "severity": "warning", "detector": "x" * 90})


def test_no_wandb_no_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    WandbSink().finding(FINDING)
    assert "wandb" not in sys.modules


def fake_wandb(monkeypatch, run):
    alerts = []

    def alert(**kwargs):
        alerts.append(kwargs)

    module = types.SimpleNamespace(run=run, alert=alert)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module, alerts


def test_an_alert_only_while_a_run_is_active(monkeypatch):
    module, alerts = fake_wandb(monkeypatch, run=None)
    sink = WandbSink()
    sink.finding(FINDING)
    assert alerts == []
    module.run = object()
    sink.finding(FINDING)
    sink.finding(warning_of(FINDING))
    assert [alert["level"] for alert in alerts] == ["ERROR", "WARN"]
    assert alerts[0]["title"] == "kl (worker 2)"
    assert "KL 0.3 above 0.05" in alerts[0]["text"] and "Lower" in alerts[0]["text"]
    assert len(alerts[1]["title"]) < 64


def test_min_severity_of_alerts(monkeypatch):
    _, alerts = fake_wandb(monkeypatch, run=object())
    WandbSink(min_severity="critical").finding(warning_of(FINDING))
    assert alerts == []
    with pytest.raises(ValueError, match="unknown severity"):
        WandbSink(min_severity="loud")


def test_a_failing_client_warns_once(monkeypatch):
    module, _ = fake_wandb(monkeypatch, run=object())

    def alert(**kwargs):
        raise RuntimeError("broken client")

    module.alert = alert
    sink = WandbSink()
    with pytest.warns(UserWarning, match="broken client") as caught:
        sink.finding(FINDING)
        sink.finding(FINDING)
    assert len(caught) == 1


def test_an_alert_lands_in_an_offline_run(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="the wandb extra is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = wandb.init(project="sinks", dir=str(tmp_path))
        WandbSink().finding(FINDING)
        run.finish()
    (record,) = tmp_path.rglob("*.wandb")
    content = record.read_bytes()
    assert b"kl (worker 2)" in content
    assert b"KL 0.3 above 0.05" in content
