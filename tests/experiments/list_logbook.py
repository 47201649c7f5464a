"""A logbook that keeps lists, for tests."""

import shutil
import tempfile
import weakref
from pathlib import Path


class ListLogbook:
    def __init__(self, kept=None):
        self.logged_scalars = []
        self.logged_maps = []
        self.said = []
        self.attached = {}
        self.animations = {}
        self.kept = {} if kept is None else kept
        self.training = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, self.training)

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

    def once(self, name, measure):
        if name not in self.kept:
            self.kept[name] = measure()
        return self.kept[name]
