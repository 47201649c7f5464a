"""Every public function: a call that works, and what it refuses for each of its arguments."""

from tests.erf.public_calls import data, maps, measuring, networks, theory, training

CALLS = measuring.CALLS | maps.CALLS | theory.CALLS | networks.CALLS | training.CALLS | data.CALLS
