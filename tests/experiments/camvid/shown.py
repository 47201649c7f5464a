"""What the figures show of a record."""

from tests.experiments.trainings import shown as trainings


def shown(result):
    tested = f"test mean IoU {100 * result.mean_iou:.1f}%, global accuracy {100 * result.global_accuracy:.1f}%"
    return trainings.growth(result, "mean_iou", tested)


def layers(result):
    return trainings.layers(result)
