"""Read a pickle opcode by opcode, without building anything that it describes."""

from __future__ import annotations

import pickletools

from sb3_ac_ext.inspection.machine import Machine, Traced
from sb3_ac_ext.inspection.reader import CHUNK, Reader

MOST_OPCODES = 5_000_000
_STEPPED_OVER = ("BINBYTES", "BINBYTES8", "BYTEARRAY8")
_FAILURES = (ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError)


class _Long(bytes):
    """Stands for bytes that were stepped over: only their number is known."""

    size = 0

    def __len__(self) -> int:
        return self.size


class _Stepping:
    """Hands opcodes to ``pickletools``, and steps over long byte strings instead of reading them.

    :param reader: at the beginning of a pickle
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.tell, self.readline = reader.tell, reader.readline
        self.stepped = 0

    def read(self, n: int) -> bytes:
        reader = self._reader
        if n <= CHUNK or n > reader.left:
            return reader.read(min(n, CHUNK + 1))
        reader.seek(reader.tell() + n)
        self.stepped = n
        skipped = _Long()
        skipped.size = n
        return skipped


def trace(reader: Reader) -> Traced:
    """Read one pickle, up to and with its STOP.

    :param reader: at its beginning, and afterwards behind its end
    :raises ValueError: when it is damaged or has too many opcodes; the sentence tells what it would
        have called before that point
    """
    machine, stepping = Machine(), _Stepping(reader)
    position = reader.tell()
    try:
        for count, (opcode, arg, at) in enumerate(pickletools.genops(stepping)):  # type: ignore[arg-type]
            position = reader.tell() if at is None else at
            if count >= MOST_OPCODES:
                raise ValueError(f"more than {MOST_OPCODES:,} instructions")
            if stepping.stepped and opcode.name not in _STEPPED_OVER:
                raise ValueError(f"a value of {stepping.stepped:,} bytes ({opcode.name})")
            machine.step(opcode.name, arg, stepping.stepped)
            stepping.stepped = 0
    except _FAILURES as error:
        damaged = isinstance(error, ValueError)
        reason = str(error) if damaged else "an instruction finds nothing to work on"
        raise ValueError(_sentence(reader.label, position, reason, machine.traced)) from None
    return machine.traced


def _sentence(label: str, position: int, reason: str, traced: Traced) -> str:
    reason = reason.removeprefix(f"{label}: ")[:200]
    calls = sorted({name for kind, name in traced.uses if kind == "calls"})
    before = f" (before that, a load would call {', '.join(calls[:3])[:200]})" if calls else ""
    return f"{label}: no readable pickle: at byte {position:,}: {reason}{before}"
