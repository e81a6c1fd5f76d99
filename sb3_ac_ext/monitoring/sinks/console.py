"""The two consoles: plain lines, and a live region for terminals."""

from sb3_ac_ext.monitoring.sinks.live import LiveConsole
from sb3_ac_ext.monitoring.sinks.plain import PlainConsole

__all__ = ["LiveConsole", "PlainConsole"]
