"""What the figures show of a record."""

from tests.experiments.trainings import shown as trainings


def shown(result):
    return trainings.growth(result, "accuracy", f"test accuracy {100 * result.test_accuracy:.1f}%")


def layers(result):
    return trainings.layers(result)
