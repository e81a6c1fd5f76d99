"""Where snapshots, findings and verdicts go: console, files, TensorBoard, webhook, wandb."""

from sb3_ac_ext.monitoring.sinks.base import Sink
from sb3_ac_ext.monitoring.sinks.default import default_sinks
from sb3_ac_ext.monitoring.sinks.tensorboard import LoggerSink

__all__ = ["LoggerSink", "Sink", "default_sinks"]
