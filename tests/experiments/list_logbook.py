"""A logbook that keeps lists, for tests."""

import shutil
import tempfile
import weakref
from pathlib import Path

from experiments.harness.kept import decode_kept, encode_kept


class ListLogbook:
    def __init__(self, kept=None):
        self.logged_scalars = []
        self.logged_maps = []
        self.said = []
        self.attached = {}
        self.animations = {}
        self.kept = {} if kept is None else kept
        folder = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, folder)
        self.training = folder / "training"
        self.training.mkdir()

    def scalars(self, values, step):
        self.logged_scalars += [(tag, value, step) for tag, value in values.items()]

    def map(self, tag, imap, fit, step):
        self.logged_maps.append((tag, imap, fit, step))

    def progress(self, items, description, total=None):
        return items

    def say(self, line):
        self.said.append(line)

    def attach(self, name, content):
        self.attached[name] = content

    def animation(self, name, maps):
        self.animations[name] = maps

    def once(self, name, kind, measure):
        if name not in self.kept:
            self.kept[name] = encode_kept(measure())
        path = self.training.with_suffix(".npz")
        path.write_bytes(self.kept[name])
        return decode_kept(path, kind)
