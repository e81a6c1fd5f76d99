"""Consoles: what is printed and when, narrow and closed terminals, giving the terminal back."""

import io
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from sb3_ac_ext.monitoring.records import RunInfo, Snapshot, Verdict
from sb3_ac_ext.monitoring.sinks.console import LiveConsole, PlainConsole
from sb3_ac_ext.monitoring.sinks.dashboard import Dashboard, arrow, sparkline
from sb3_ac_ext.monitoring.sinks.verdict_view import verdict_lines
from tests.test_sinks_files import DIAGNOSIS, FINDING, VERDICT

NAN = float("nan")


def snapshot(step, **values):
    return Snapshot(step, step / 100, {name.replace("__", "/"): v for name, v in values.items()})


def test_plain_console_prints_findings_and_the_verdict_once():
    stream = io.StringIO()
    sink = PlainConsole(stream)
    sink.start(RunInfo())
    sink.snapshot(snapshot(1, a=1.0))
    assert stream.getvalue() == ""
    sink.finding(FINDING)
    assert stream.getvalue() == "CRITICAL step 20: KL 0.3 above 0.05\n"
    sink.finish(VERDICT)
    sink.finish(VERDICT)
    lines = stream.getvalue().splitlines()[1:]
    assert lines == [
        "Verdict: critical, 1 finding (1 critical)",
        "1. Steps too large (confidence 90%, since step 10)",
        "   evidence  KL 0.3",
        "        try  Lower it",
    ]


def test_plain_console_follows_standard_output(capsys):
    PlainConsole().finish(Verdict("healthy"))
    assert capsys.readouterr().out == "Verdict: healthy, no findings\n"


@pytest.mark.parametrize("make", [PlainConsole, lambda s: LiveConsole(10, console=Console(file=s))])
def test_a_closed_stream_warns_once(make):
    stream = io.StringIO()
    sink = make(stream)
    sink.start(RunInfo())
    stream.close()
    with pytest.warns(UserWarning, match="stops printing") as caught:
        sink.finding(FINDING)
        sink.finding(FINDING)
        sink.finish(VERDICT)
    assert len(caught) == 1


def test_a_narrow_encoding_loses_letters_not_lines():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    PlainConsole(stream).finish(Verdict("critical", (), (replace(DIAGNOSIS, title="KL über"),)))
    assert b"1. KL ?ber (confidence" in raw.getvalue()


def test_only_the_top_causes_are_shown():
    verdict = Verdict("critical", (FINDING,), (DIAGNOSIS,) * 5)
    plain = [line.plain for line in verdict_lines(verdict)]
    assert plain[-1] == "and 2 less likely causes"
    assert len([line for line in plain if re.match(r"\d\. ", line)]) == 3
    assert len([x for x in verdict_lines(verdict, None) if re.match(r"\d\. ", x.plain)]) == 5


def test_no_evidence_is_not_health():
    (line,) = verdict_lines(Verdict("not enough evidence"))
    assert line.plain == "Verdict: not enough evidence to judge this run"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0], " "),
        ([1.0, 2.0], "↑"),
        ([2.0, 1.0], "↓"),
        ([1.0, 1.0], "→"),
        ([0.0, 100.0, 50.0, 50.0, 50.0, 50.0, 50.0, 51.0], "→"),
        ([100.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0], "↑"),  # five before, not the first
        ([1.0, NAN], " "),
        ([NAN, 1.0, 2.0], "↑"),
    ],
)
def test_arrow(values, expected):
    assert arrow(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], "▁█"),
        ([3.0, 3.0], "▅▅"),
        ([1e300, 1e300], "▅▅"),
        ([-1e308, 1e308], "▁█"),
        ([0.0, NAN, 7.0], "▁ █"),
        ([NAN], ""),
        (list(range(20)), "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██"),
    ],
)
def test_sparkline(values, expected):
    assert sparkline(values) == expected


def drawn(dashboard, width=100, **kwargs):
    console = Console(file=io.StringIO(), width=width, **kwargs)
    console.print(dashboard)
    return console.file.getvalue()


def filled_dashboard():
    now = [0.0]
    dashboard = Dashboard(10_000, clock=lambda: now[0])
    dashboard.title = "PPO on CartPole-v1"
    for i in range(1, 11):
        now[0] = float(i)
        dashboard.add(
            snapshot(
                500 * i,
                episodes__return_mean=20.0 * i,
                episodes__return_std=3.0,
                policy__kl=0.01,
                q__mean=4.0,
                gradients__critic__norm_mean=NAN,
            )
        )
    return dashboard


def test_dashboard_shows_progress_and_only_what_is_observed():
    text = drawn(filled_dashboard())
    assert "PPO on CartPole-v1" in text
    assert "50% · 5,000 of 10,000 steps · 500 steps/s · 0:10 elapsed · 0:10 left" in text
    assert re.search(r"training return, mean +200\.0 ± 3 +↑ ▁▁*.*█", text)
    assert re.search(r"KL\(old, new\) of the whole update +0\.01 +→", text)
    assert re.search(r"Q-value, mean +4 ", text)
    assert re.search(r"gradient norm before clipping, critic, mean +nan", text)
    for absent in ("canary", "entropy", "learning rate", "explained"):
        assert absent not in text


@pytest.mark.parametrize("width", [20, 34, 44, 60, 200])
def test_dashboard_fits_its_width_and_keeps_the_values(width):
    text = drawn(filled_dashboard(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "200.0" in text and "nan" in text


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=80, _environ={"TERM": "xterm"})


def test_live_console_hides_and_returns_the_cursor_and_standard_output():
    before = sys.stdout
    console = terminal()
    sink = LiveConsole(1000, console=console)
    sink.start(RunInfo(algo="PPO", env_id="X-v0"))
    assert "\x1b[?25l" in console.file.getvalue()
    assert sys.stdout is not before
    sink.progress(10)
    sink.snapshot(snapshot(100, policy__kl=0.02))
    sink.finding(FINDING)
    sink.finish(VERDICT)
    sink.finish(VERDICT)
    assert sys.stdout is before
    text = console.file.getvalue()
    assert text.rstrip().count("\x1b[?25h") == 1
    assert text.index("KL 0.3 above 0.05") < text.rindex("PPO on X-v0") < text.index("Verdict")
    assert text.count("Verdict: critical") == 1
    assert "Steps too large" in text and "Lower it" in text


def test_live_console_can_start_again_and_finish_without_start():
    console = terminal()
    sink = LiveConsole(1000, console=console)
    sink.finish(Verdict("healthy"))
    for _ in range(2):
        sink.start(RunInfo())
        sink.finish(Verdict("healthy"))
    sink.start(RunInfo())
    sink.start(RunInfo())
    sink.finish(Verdict("healthy"))
    text = console.file.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 4


def test_live_console_survives_a_terminal_that_goes_away():
    before = sys.stdout, sys.stderr
    console = terminal()
    sink = LiveConsole(1000, console=console)
    sink.start(RunInfo())
    console.file.close()
    with pytest.warns(UserWarning, match="stops printing") as caught:
        sink.finding(FINDING)
        sink.snapshot(snapshot(100, policy__kl=0.02))
        sink.finish(VERDICT)
    assert len(caught) == 1
    assert (sys.stdout, sys.stderr) == before


def test_live_console_without_terminal_is_plain():
    console = Console(file=io.StringIO(), width=40)
    sink = LiveConsole(1000, console=console)
    sink.start(RunInfo(algo="PPO"))
    sink.progress(500)
    sink.snapshot(snapshot(100, policy__kl=0.02))
    sink.finding(FINDING)
    sink.finish(VERDICT)
    assert console.file.getvalue().startswith(
        "CRITICAL step 20: KL 0.3 above 0.05\nVerdict: critical"
    )
    assert "\x1b" not in console.file.getvalue()


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": "xterm"}])
def test_live_console_on_a_terminal_that_cannot_draw_is_plain(environ):
    encoding = "utf-8" if environ["TERM"] == "dumb" else "ascii"
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    sink = LiveConsole(5, console=Console(file=stream, force_terminal=True, _environ=environ))
    sink.start(RunInfo())
    sink.finish(Verdict("healthy"))
    assert raw.getvalue() == b"Verdict: healthy, no findings\n"


def test_live_console_refuses_a_budget_of_nothing():
    with pytest.raises(ValueError, match="total_timesteps must be positive: 0"):
        LiveConsole(0)


CRASH = """
from sb3_ac_ext.monitoring.records import RunInfo
from sb3_ac_ext.monitoring.sinks.console import LiveConsole
sink = LiveConsole(1000, force=True)
sink.start(RunInfo(algo="PPO"))
sink.progress(500)
raise RuntimeError("in training")
"""


def test_an_exception_that_nobody_reports_still_returns_the_cursor():
    process = subprocess.run(
        [sys.executable, "-c", CRASH], capture_output=True, text=True, env={"TERM": "xterm"}
    )
    assert process.returncode == 1
    assert process.stdout.index("\x1b[?25l") < process.stdout.rindex("\x1b[?25h")
    assert "RuntimeError: in training" in process.stderr + process.stdout


BROKEN_PIPE = """
import sys, warnings
from sb3_ac_ext.monitoring.records import RunInfo, Verdict
from sb3_ac_ext.monitoring.sinks.console import LiveConsole
sink = LiveConsole(1000, force=True)
sink.start(RunInfo(algo="PPO"))
sys.stdin.readline()
for step in range(3):
    sink._drawn = 0.0
    sink.progress(step)
sink.finish(Verdict("healthy"))
print("training went on", file=sys.stderr)
sys.stdout = None
"""


def test_a_reader_that_leaves_does_not_end_training():
    process = subprocess.Popen(
        [sys.executable, "-c", BROKEN_PIPE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"TERM": "xterm"},
    )
    process.stdout.read(5)
    process.stdout.close()
    _, errors = process.communicate("go\n")
    assert "training went on" in errors
    assert "stops printing" in errors
