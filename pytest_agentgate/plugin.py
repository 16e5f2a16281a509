"""
The entry point.

Every pytest run in an environment imports this module, so it imports nothing
heavy, and without ``--agentgate-model`` it registers no hook that does anything.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_agentgate import hookspecs, options
from pytest_agentgate.fixtures import (
    NEEDS_MODEL,
    agentgate_champion,
    agentgate_data,
    agentgate_evaluation,
    agentgate_model,
    agentgate_threshold,
)

__all__ = [
    "agentgate_champion",
    "agentgate_data",
    "agentgate_evaluation",
    "agentgate_model",
    "agentgate_threshold",
]

_MARKER = (
    "agentgate(advisory=False): a quality gate; with advisory=True it is reported "
    "and never blocks a promotion"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that users implement."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, None, None]:
    """
    Register the promotion after every other plugin, so that it is outermost.

    An earlier run's record goes first: where a conftest.py cannot be imported,
    there is no session that could replace it.
    """
    given = early_config.known_args_namespace
    requested = getattr(given, "agentgate_model", None) is not None
    if requested:
        options.forget_record(early_config.rootpath, given)
    yield
    if requested:
        from pytest_agentgate.controller import Outermost

        early_config.pluginmanager.register(Outermost(), "agentgate-outermost")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the session where a candidate is named."""
    config.addinivalue_line("markers", _MARKER)
    if options.is_requested(config):
        from pytest_agentgate.controller import start

        start(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Skip threshold tests where no candidate is named."""
    if "agentgate_threshold" in metafunc.fixturenames:
        if options.is_requested(metafunc.config):
            return
        skip = pytest.mark.skip(reason=NEEDS_MODEL)
        inert = pytest.param(None, marks=skip, id="thresholds")
        metafunc.parametrize("agentgate_threshold", [inert], indirect=True)
