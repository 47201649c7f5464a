"""A logbook that keeps lists, for tests."""


class ListLogbook:
    def __init__(self, kept=None):
        self.logged_scalars = []
        self.logged_maps = []
        self.kept = {} if kept is None else kept

    def scalars(self, values, step):
        self.logged_scalars += [(tag, value, step) for tag, value in values.items()]

    def map(self, tag, imap, fit, step):
        self.logged_maps.append((tag, imap, fit, step))

    def progress(self, items, description):
        return items

    def once(self, name, measure):
        if name not in self.kept:
            self.kept[name] = measure()
        return self.kept[name]
