"""Files that a bad disk left behind: cut, or with a bit turned."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from sb3_ac_ext.checkpoints.bundle import bundles, newest_complete


def damage_one(source: Path, folder: Path, flip: bool, rng: random.Random) -> int:
    """Damage a file of the newest bundle, and look for one that is complete.

    :param source: bundles that are left alone
    :param folder: where they are copied to
    :param flip: turn a bit, else cut
    :param rng: chooses file and place
    :return: environment steps of the bundle that would be gone on with
    :raises ValueError: if there is none
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, copy_function=os.link)
    file = rng.choice(sorted(bundles(folder)[0].iterdir()))
    content = bytearray(file.read_bytes())
    at = rng.randrange(len(content))
    if flip:
        content[at] ^= 1 << rng.randrange(8)
    else:
        del content[at:]
    file.unlink()  # the one that is left alone keeps its content
    file.write_bytes(content)
    return newest_complete(folder)[0].steps
