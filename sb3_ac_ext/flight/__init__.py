"""The flight recorder: the last updates of a run, written down when it goes wrong, run again."""

from sb3_ac_ext.flight.dump import Dump, read_dump
from sb3_ac_ext.flight.recorder import FlightRecorder
from sb3_ac_ext.flight.replay import Jump, Replayed, replay
from sb3_ac_ext.flight.sightings import Place, Wrong

__all__ = ["Dump", "FlightRecorder", "Jump", "Place", "Replayed", "Wrong", "read_dump", "replay"]
