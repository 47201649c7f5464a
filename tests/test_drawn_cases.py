"""What hypothesis draws is the same at every run, so that a test that passes here passes there."""

from hypothesis import is_hypothesis_test, settings


def test_every_drawing_test_draws_the_same_cases_at_every_run(request):
    drawing = [item for item in request.session.items if is_hypothesis_test(getattr(item, "obj", None))]
    chosen = [settings.default, *(item.obj._hypothesis_internal_use_settings for item in drawing)]
    assert all(one.derandomize and one.deadline is None for one in chosen)
