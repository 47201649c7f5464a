"""The one line that a training ends with."""

import pytest

from erf import InvalidInput
from tests.erf.toy_training import run_toy


def the_error(fabric, folder, **changes) -> str:
    with pytest.raises(InvalidInput) as caught:
        run_toy(fabric, folder, **changes)
    (line,) = str(caught.value).splitlines()
    return line
