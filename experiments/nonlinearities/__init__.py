"""The experiment nonlinearities."""
